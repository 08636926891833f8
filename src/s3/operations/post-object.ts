/** POST Object (API reference, "POST Object"): an upload by an HTML form, whose fields stand for what PutObject takes in headers. */
import type { IncomingMessage } from 'node:http'
import { encodePath, uriEncode } from '../../base/uri-encode.ts'
import { SealgateError } from '../../errors.ts'
import type { Gateway } from '../../gateway/gateway.ts'
import type { ObjectMarks } from '../../gateway/marks.ts'
import { postObject, type UnsizedFile } from '../../gateway/post-object.ts'
import type { PutObjectOutput } from '../../gateway/put-object.ts'
import { readTagging } from '../../gateway/subresources/tags.ts'
import type { Answer } from '../context.ts'
import {
  type Form,
  type FormFile,
  MAX_FORM_BYTES,
  notOneFile,
  readBoundary,
  readForm,
} from '../form/form-data.ts'
import { FormFields } from '../form/form-fields.ts'
import { type FormIdentity, requiredField } from '../form/form-signature.ts'
import { checkPolicy, parsePolicy } from '../form/post-policy.ts'
import type { RequestHeaders } from '../headers.ts'
import { readMarks } from '../mark-headers.ts'
import { checksumHeaders, encryptionHeaders, readAttributes, readEncryption } from '../object-headers.ts'
import { notImplementedHeader, refuseObjectHeaders } from '../refused-headers.ts'
import { readChecksum, readMd5 } from '../request-body.ts'
import { checkKey, type Target } from '../target.ts'
import { versionHeaders } from '../version-id.ts'
import { parseXml, plainDocument } from '../xml.ts'

export interface FormRequest {
  readonly gateway: Gateway
  readonly request: IncomingMessage
  readonly target: Target
  readonly headers: RequestHeaders
  readonly bytes: AsyncGenerator<Uint8Array>
  /** Throws unless somebody who may has signed the form's policy. */
  readonly authenticate: (fields: FormFields) => FormIdentity
  /** Told as soon as it is known, for the log. */
  readonly onKnown: (known: { readonly key: string; readonly accessKeyId?: string }) => void
  readonly now: () => number
  readonly signal: AbortSignal
}

export async function PostObject(context: FormRequest): Promise<Answer> {
  const { bytes, headers } = context
  try {
    const boundary = requireForm(headers)
    const length = readLength(headers)
    const form = await readForm(bytes, boundary)
    const { fields, file } = checkedForm(form)
    // Behind the content there are at least a delimiter and two hyphens, most likely a line end, and never more than a form may have.
    const most = Math.max(0, length - file.offset - `\r\n--${boundary}--`.length)
    const known = { least: Math.max(0, most - MAX_FORM_BYTES), likely: Math.max(0, most - 2), most }
    return await post(context, fields, { bytes: file.bytes, length: known })
  } finally {
    await bytes.return(undefined)
  }
}

function requireForm(headers: RequestHeaders): string {
  const type = headers.get('content-type') ?? ''
  if (!/^multipart\/form-data[ \t]*(;|$)/i.test(type))
    throw new SealgateError('PreconditionFailed', undefined, {
      details: { Condition: 'Bucket POST must be of the enclosure-type multipart/form-data' },
    })
  const boundary = readBoundary(type)
  if (boundary === null) throw new SealgateError('MalformedPOSTRequest')
  return boundary
}

function readLength(headers: RequestHeaders): number {
  const text = headers.get('content-length')
  if (text === undefined || !/^\d{1,15}$/.test(text)) throw new SealgateError('MissingContentLength')
  return Number(text)
}

function checkedForm({ fields, file }: Form): { readonly fields: FormFields; readonly file: FormFile } {
  if (file === null) throw notOneFile(0)
  return { fields: new FormFields(fields).withFilename(file.filename), file }
}

async function post(
  context: FormRequest,
  fields: FormFields,
  content: Pick<UnsizedFile, 'bytes' | 'length'>,
): Promise<Answer> {
  const { gateway, target, signal } = context
  const bucket = target.bucket ?? ''
  const key = requiredField(fields, 'key', 'key')
  checkKey(key)
  context.onKnown({ key })
  const { accessKeyId, policy } = context.authenticate(fields)
  context.onKnown({ key, accessKeyId })
  const range = checkPolicy(parsePolicy(policy), { fields, bucket, now: context.now() })
  const headers = fields.headers()
  refuseConflicts(context.headers, headers)
  refuseFormHeaders(headers)
  const output = await postObject(gateway, {
    bucket,
    key,
    attributes: readAttributes(headers),
    encryption: readEncryption(headers),
    marks: readFormMarks(gateway, fields, headers),
    file: { ...content, range, ...readDigests(headers) },
    signal,
  })
  return answer(context, { fields, bucket, key, output })
}

/** A field and a header that say the same of different things: nobody can know which one is meant. */
function refuseConflicts(request: RequestHeaders, form: RequestHeaders): void {
  const conflict = request
    .names()
    .find(
      (name) =>
        name.startsWith('x-amz-') && form.get(name) !== undefined && form.get(name) !== request.get(name),
    )
  if (conflict !== undefined)
    throw new SealgateError(
      'InvalidRequest',
      'Conflicting values provided in HTTP headers and POST form fields.',
      { details: { Header: conflict } },
    )
}

/** A form has no conditions; one that asks for some is not to be taken without. */
function refuseFormHeaders(headers: RequestHeaders): void {
  refuseObjectHeaders(headers)
  for (const name of ['if-match', 'if-none-match', 'x-amz-copy-source'])
    if (headers.get(name) !== undefined) throw notImplementedHeader(name)
}

/** Tags are a document here, and not a query string. */
function readFormMarks(gateway: Gateway, fields: FormFields, headers: RequestHeaders): ObjectMarks {
  const marks = readMarks(gateway, headers)
  const document = fields.get('tagging')
  if (document === undefined || document === '') return marks
  return { ...marks, tags: readTagging(parseXml(Buffer.from(document))) }
}

function readDigests(headers: RequestHeaders): Pick<UnsizedFile, 'checksum' | 'md5'> {
  const expected = readChecksum(headers, [])
  const algorithm = headers.get('x-amz-checksum-algorithm')?.toUpperCase()
  if (algorithm !== undefined && algorithm !== expected?.algorithm)
    throw new SealgateError(
      'InvalidRequest',
      'x-amz-checksum-algorithm specified, but no corresponding x-amz-checksum-* field was found.',
    )
  const value = expected?.value ?? null
  return {
    checksum: expected === null || value === null ? null : { algorithm: expected.algorithm, value },
    md5: readMd5(headers),
  }
}

interface Posted {
  readonly fields: FormFields
  readonly bucket: string
  readonly key: string
  readonly output: PutObjectOutput
}

function answer(context: FormRequest, { fields, bucket, key, output }: Posted): Answer {
  const etag = `"${output.etag}"`
  const location = objectUrl(context, key)
  const headers = {
    etag,
    location,
    ...versionHeaders(output.versionId),
    ...encryptionHeaders(output.encryption),
    ...checksumHeaders(output.checksums),
  }
  const redirect = redirectUrl(fields, { bucket, key, etag })
  if (redirect !== null)
    return { status: 303, headers: { ...headers, location: redirect, 'content-length': 0 } }
  const status = fields.get('success_action_status')
  if (status === '200') return { status: 200, headers: { ...headers, 'content-length': 0 } }
  if (status !== '201') return { status: 204, headers }
  return {
    status: 201,
    headers: { ...headers, 'content-type': 'application/xml' },
    body: plainDocument('PostResponse', { Location: location, Bucket: bucket, Key: key, ETag: etag }),
  }
}

/** As Amazon S3 writes it here: with the slashes of the key encoded too. */
function objectUrl({ request, headers, target }: FormRequest, key: string): string {
  const scheme = 'encrypted' in request.socket ? 'https' : 'http'
  const path = encodePath(target.path.replace(/\/$/, ''))
  return `${scheme}://${headers.get('host') ?? ''}${path}/${uriEncode(key)}`
}

/** Where the form's page goes on; null if no field says so, or by no address of the web. */
function redirectUrl(
  fields: FormFields,
  told: { readonly bucket: string; readonly key: string; readonly etag: string },
): string | null {
  const url = fields.get('success_action_redirect') ?? fields.get('redirect') ?? ''
  if (!/^https?:\/\/[^/?#]/i.test(url)) return null
  // What is no character of an address would be the end of the header, or of nobody knows what.
  const address = url.replace(/[^!-~]/gu, encodeURIComponent)
  const query = Object.entries(told).map(
    ([name, value]) => `${name}=${uriEncode(value).replaceAll('%20', '+')}`,
  )
  const [, front = '', fragment = ''] = /^([^#]*)(#.*)?$/.exec(address) ?? []
  return `${front}${front.includes('?') ? '&' : '?'}${query.join('&')}${fragment}`
}
