/** Query-string authentication of Signature Version 4 (S3 API reference, "Authenticating Requests: Using Query Parameters"). */
import { checksumHeader, createChecksum } from '../base/checksum.ts'
import { CHECKSUM_NAMES } from '../base/checksum-algorithm.ts'
import { SealgateError } from '../errors.ts'
import type { RequestHeaders } from './headers.ts'
import type { Query } from './target.ts'

const MAX_EXPIRES_S = 7 * 24 * 3600

export interface PresignedFields {
  readonly credential: string
  readonly signedHeaders: string
  readonly signature: string
  /** X-Amz-Date as it was sent. */
  readonly timestamp: string
  readonly expiresS: number
}

export function isPresigned(query: Query): boolean {
  return query.has('X-Amz-Algorithm') || query.has('X-Amz-Credential') || query.has('X-Amz-Signature')
}

/** @throws SealgateError AuthorizationQueryParametersError, NotImplemented (SigV4A), InvalidArgument (sent twice) */
export function readPresigned(query: Query): PresignedFields {
  const algorithm = required(query, 'X-Amz-Algorithm')
  if (algorithm.startsWith('AWS4-ECDSA-'))
    throw new SealgateError('NotImplemented', 'Signature Version 4A is not supported. Use AWS4-HMAC-SHA256.')
  if (algorithm !== 'AWS4-HMAC-SHA256')
    throw malformed('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256" and "AWS4-ECDSA-P256-SHA256"')
  return {
    credential: required(query, 'X-Amz-Credential'),
    signedHeaders: required(query, 'X-Amz-SignedHeaders'),
    signature: required(query, 'X-Amz-Signature'),
    timestamp: required(query, 'X-Amz-Date'),
    expiresS: readExpires(required(query, 'X-Amz-Expires')),
  }
}

/** @throws SealgateError AccessDenied before the URL is valid (less the skew allowed) and once it has expired */
export function checkLifetime(o: {
  signedAt: number
  expiresS: number
  now: number
  maxSkewMs: number
}): void {
  if (o.signedAt > o.now + o.maxSkewMs) throw new SealgateError('AccessDenied', 'Request is not yet valid')
  const expiresAt = o.signedAt + o.expiresS * 1000
  if (o.now <= expiresAt) return
  throw new SealgateError('AccessDenied', 'Request has expired', {
    details: {
      'X-Amz-Expires': String(o.expiresS),
      Expires: new Date(expiresAt).toISOString(),
      ServerTime: new Date(o.now).toISOString(),
    },
  })
}

/**
 * A presigned URL may carry x-amz-* fields in its query; they count as the headers of that name, as they were signed like them. Those
 * of the signature itself do not, nor does the checksum of no bytes: SDKs that sign a URL for a body which they have not got put it
 * there, and S3 takes no notice of it. Version 2 signs these too (`all`), and two more.
 * @throws SealgateError InvalidArgument for what no header can hold: a line break in metadata would be stored, and never be answered
 */
export function withPresignedHeaders(
  headers: RequestHeaders,
  query: Query,
  { all = false }: { readonly all?: boolean } = {},
): RequestHeaders {
  const isVersion2 = query.has('AWSAccessKeyId')
  const fields = query
    .entries()
    .map(([name, value]) => [name.toLowerCase(), Buffer.from(value).toString('latin1')] as const)
    .filter(
      ([name, value]) =>
        (name.startsWith('x-amz-') || (isVersion2 && VERSION_2.includes(name))) &&
        (all || (!NOT_HEADERS.test(name) && EMPTY_CHECKSUMS.get(name) !== value)) &&
        headers.get(name) === undefined,
    )
  for (const [name, value] of fields) {
    if (FIELD_NAME.test(name) && FIELD_VALUE.test(value)) continue
    throw new SealgateError('InvalidArgument', 'A query parameter cannot stand for the header of its name.', {
      details: { ArgumentName: name },
    })
  }
  return fields.length === 0 ? headers : headers.with(fields)
}

/** RFC 9110 sections 5.1 and 5.5, as the parser of real headers has it. */
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

const VERSION_2 = ['content-md5', 'content-type']

const NOT_HEADERS =
  /^x-amz-(algorithm|credential|date|expires|signedheaders|signature|security-token|content-sha256|sdk-checksum-algorithm)$/

const EMPTY_CHECKSUMS: ReadonlyMap<string, string> = new Map(
  CHECKSUM_NAMES.map((algorithm) => [
    checksumHeader(algorithm),
    createChecksum(algorithm).digest().toString('base64'),
  ]),
)

function readExpires(text: string): number {
  if (!/^-?\d+$/.test(text)) throw malformed('X-Amz-Expires should be a number')
  const seconds = Number(text)
  if (seconds < 0) throw malformed('X-Amz-Expires must be non-negative')
  if (seconds > MAX_EXPIRES_S)
    throw malformed('X-Amz-Expires must be less than a week (in seconds) that is 604800')
  return seconds
}

function required(query: Query, name: string): string {
  const value = query.get(name)
  if (value !== undefined && value !== '') return value
  throw malformed(
    'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
  )
}

function malformed(message: string): SealgateError {
  return new SealgateError('AuthorizationQueryParametersError', message)
}
