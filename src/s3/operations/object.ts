import { SealgateError } from '../../errors.ts'
import { copyObject } from '../../gateway/copy-object.ts'
import { deleteObject } from '../../gateway/delete-object.ts'
import { type GetObjectInput, getObject } from '../../gateway/get-object.ts'
import { getObjectAttributes } from '../../gateway/get-object-attributes.ts'
import { headObject } from '../../gateway/head-object.ts'
import { putObject } from '../../gateway/put-object.ts'
import type { RangeRequest } from '../../gateway/range.ts'
import { readConditions, readDeleteCondition, readIfRange, readWriteCondition } from '../condition-headers.ts'
import type { Answer, Context } from '../context.ts'
import { readCopySource } from '../copy-source.ts'
import { readCustomerKey } from '../customer-key.ts'
import { readBypass, readCopyMarks, readMarks } from '../mark-headers.ts'
import {
  checksumHeaders,
  descriptionHeaders,
  encryptionHeaders,
  readAttributes,
  readChecksumAlgorithm,
  readEncryption,
  readOverrides,
  readStorageClass,
} from '../object-headers.ts'
import { refuseObjectHeaders, refuseReadHeaders } from '../refused-headers.ts'
import { readVersionId, sourceVersionHeaders, versionHeaders } from '../version-id.ts'
import type { XmlTree } from '../xml.ts'
import { checksumElements, queryNumber, xmlAnswer } from './shared.ts'

export async function PutObject(context: Context): Promise<Answer> {
  const { headers } = context
  refuseObjectHeaders(headers)
  const output = await putObject(context.gateway, {
    bucket: context.bucket,
    key: context.key,
    attributes: readAttributes(headers),
    encryption: readEncryption(headers),
    condition: readWriteCondition(headers),
    marks: readMarks(context.gateway, headers),
    body: context.body(Number.MAX_SAFE_INTEGER),
    signal: context.signal,
  })
  return {
    status: 200,
    headers: {
      etag: `"${output.etag}"`,
      ...versionHeaders(output.versionId),
      ...encryptionHeaders(output.encryption),
      ...checksumHeaders(output.checksums),
      'content-length': 0,
    },
  }
}

export async function GetObject(context: Context): Promise<Answer> {
  // All of the request first: behind it there is a body that somebody must take.
  const overrides = readOverrides(context.target.query)
  const output = await getObject(context.gateway, readInput(context))
  return {
    status: output.slice === undefined ? 200 : 206,
    headers: descriptionHeaders(output, overrides),
    body: output.body,
  }
}

export async function HeadObject(context: Context): Promise<Answer> {
  const overrides = readOverrides(context.target.query)
  const output = await headObject(context.gateway, readInput(context))
  return { status: output.slice === undefined ? 200 : 206, headers: descriptionHeaders(output, overrides) }
}

function readInput(context: Context): GetObjectInput {
  const { headers, target } = context
  refuseReadHeaders(headers)
  const range = readRange(headers.get('range'))
  const partNumber = target.query.get('partNumber')
  if (partNumber !== undefined && headers.get('range') !== undefined) {
    throw new SealgateError(
      'InvalidRequest',
      'Cannot specify both Range header and partNumber query parameter.',
    )
  }
  return {
    bucket: context.bucket,
    key: context.key,
    versionId: readVersionId(context),
    customerKey: readCustomerKey(headers),
    range: partNumber === undefined ? range : { kind: 'part', partNumber: readPartNumber(context) },
    ifRange: readIfRange(headers),
    conditions: readConditions(headers),
    checksums: headers.get('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED',
    signal: context.signal,
  }
}

export function readPartNumber(context: Context): number {
  const partNumber = queryNumber(context, 'partNumber', 0, 2_147_483_647)
  if (partNumber < 1 || partNumber > 10_000) {
    throw new SealgateError(
      'InvalidArgument',
      'Part number must be an integer between 1 and 10000, inclusive',
      {
        details: { ArgumentName: 'partNumber', ArgumentValue: context.target.query.get('partNumber') ?? '' },
      },
    )
  }
  return partNumber
}

/** One range of bytes; several ranges, or what is not a range, count as none: the whole object is answered (RFC 9110 section 14.2). */
export function readRange(header: string | undefined): Exclude<RangeRequest, { kind: 'part' }> | undefined {
  const match = header === undefined ? null : RANGE.exec(header)
  if (match === null) return undefined
  const [first, last] = [offset(match[1]), offset(match[2])]
  if (first === undefined) return last === undefined ? undefined : { kind: 'suffix', length: last }
  if (last === undefined) return { kind: 'open', start: first }
  return last < first ? undefined : { kind: 'closed', start: first, end: last }
}

// Each run of blanks has one place only where it can stand, so that a field full of them is refused in one pass.
const RANGE = /^bytes=[ \t]*(?:(\d+)[ \t]*)?-[ \t]*(?:(\d+)[ \t]*)?$/i

/** Clients write 2^63 for "to the end"; no object goes as far as the largest whole number that we can tell from its neighbours. */
function offset(digits: string | undefined): number | undefined {
  return digits === undefined ? undefined : Math.min(Number(digits), Number.MAX_SAFE_INTEGER)
}

export async function DeleteObject(context: Context): Promise<Answer> {
  const { versionId, isDeleteMarker } = await deleteObject(context.gateway, {
    bucket: context.bucket,
    key: context.key,
    versionId: readVersionId(context),
    ifMatch: readDeleteCondition(context.headers),
    bypassGovernance: readBypass(context.headers),
  })
  const marker = isDeleteMarker ? { 'x-amz-delete-marker': 'true' } : {}
  return { status: 204, headers: { ...versionHeaders(versionId), ...marker } }
}

export async function CopyObject(context: Context): Promise<Answer> {
  const { headers } = context
  refuseObjectHeaders(headers)
  const directive = (headers.get('x-amz-metadata-directive') ?? 'COPY').toUpperCase()
  if (directive !== 'COPY' && directive !== 'REPLACE') {
    throw new SealgateError('InvalidArgument', 'Unknown metadata directive.', {
      details: { ArgumentName: 'x-amz-metadata-directive', ArgumentValue: directive },
    })
  }
  const output = await copyObject(context.gateway, {
    bucket: context.bucket,
    key: context.key,
    source: readCopySource(context),
    replace: directive === 'REPLACE' ? readAttributes(headers) : null,
    storageClass: readStorageClass(headers),
    checksumAlgorithm: readChecksumAlgorithm(headers.get('x-amz-checksum-algorithm')),
    encryption: readEncryption(headers),
    condition: readWriteCondition(headers),
    marks: readCopyMarks(context.gateway, headers),
    signal: context.signal,
  })
  return xmlAnswer(
    'CopyObjectResult',
    {
      LastModified: new Date(output.lastModified).toISOString(),
      ETag: `"${output.etag}"`,
      ...checksumElements(output.checksums),
    },
    {
      ...encryptionHeaders(output.encryption),
      ...versionHeaders(output.versionId),
      ...sourceVersionHeaders(output.sourceVersionId),
    },
  )
}

const ATTRIBUTES = new Set(['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'])

export async function GetObjectAttributes(context: Context): Promise<Answer> {
  refuseReadHeaders(context.headers)
  const wanted = new Set(
    (context.headers.all('x-amz-object-attributes').join(',') || '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
  )
  if (wanted.size === 0 || [...wanted].some((name) => !ATTRIBUTES.has(name))) {
    throw new SealgateError('InvalidArgument', 'Invalid attribute name specified.', {
      details: { ArgumentName: 'x-amz-object-attributes' },
    })
  }
  const found = await getObjectAttributes(context.gateway, {
    bucket: context.bucket,
    key: context.key,
    versionId: readVersionId(context),
    customerKey: readCustomerKey(context.headers),
    signal: context.signal,
  })
  const checksum: Record<string, string> = {}
  for (const value of found.checksums) {
    checksum[`Checksum${value.algorithm}`] = value.value.toString('base64')
    checksum['ChecksumType'] = value.type
  }
  const { footer } = found
  return xmlAnswer(
    'GetObjectAttributesResponse',
    {
      // The one place where S3 writes an ETag without quotes.
      ETag: wanted.has('ETag') ? found.etag : undefined,
      Checksum: wanted.has('Checksum') && found.checksums.length > 0 ? checksum : undefined,
      ObjectParts:
        wanted.has('ObjectParts') && footer !== null && footer.parts.length > 0
          ? objectParts(context, footer)
          : undefined,
      StorageClass: wanted.has('StorageClass') ? found.storageClass : undefined,
      ObjectSize: wanted.has('ObjectSize') ? found.size : undefined,
    },
    { 'last-modified': new Date(found.lastModified).toUTCString(), ...versionHeaders(found.versionId) },
  )
}

type FooterOf = NonNullable<Awaited<ReturnType<typeof getObjectAttributes>>['footer']>

function objectParts(context: Context, footer: FooterOf): XmlTree {
  const maxParts = Math.min(1000, headerNumber(context.headers.get('x-amz-max-parts'), 1000))
  const marker = headerNumber(context.headers.get('x-amz-part-number-marker'), 0)
  const algorithm = footer.checksums.partAlgorithm
  const numbered = footer.parts
    .map((part, index) => ({ ...part, partNumber: index + 1 }))
    .filter((part) => part.partNumber > marker)
  const page = numbered.slice(0, maxParts)
  const listed = algorithm === null ? [] : page
  return {
    // The SDKs call this TotalPartsCount; on the wire it is PartsCount.
    PartsCount: footer.parts.length,
    PartNumberMarker: marker,
    NextPartNumberMarker: page.at(-1)?.partNumber ?? 0,
    MaxParts: maxParts,
    IsTruncated: numbered.length > page.length,
    Part: listed.map((part) => ({
      PartNumber: part.partNumber,
      Size: part.size,
      [`Checksum${algorithm}`]: part.checksum.toString('base64'),
    })),
  }
}

function headerNumber(value: string | undefined, fallback: number): number {
  return value !== undefined && /^\d{1,5}$/.test(value) ? Number(value) : fallback
}
