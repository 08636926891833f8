import { checksumHeader } from '../base/checksum.ts'
import { CHECKSUM_NAMES, type ChecksumAlgorithm, isChecksumAlgorithm } from '../base/checksum-algorithm.ts'
import { SealgateError } from '../errors.ts'
import type { ClientAttributes } from '../gateway/attributes.ts'
import { type ChecksumType, checksumText, type ObjectChecksum } from '../gateway/checksum.ts'
import type { EncryptionAnswer, EncryptionRequest } from '../gateway/encryption.ts'
import type { ObjectDescription } from '../gateway/object-description.ts'
import { readCustomerKey } from './customer-key.ts'
import type { RequestHeaders } from './headers.ts'
import { shownMarkHeaders } from './mark-headers.ts'
import type { Query } from './target.ts'
import { versionHeaders } from './version-id.ts'

/*
 * Headers about objects, both ways. Answers are built from these lists alone: nothing a store says passes through.
 */

const STORED_HEADERS = [
  'content-type',
  'content-encoding',
  'content-language',
  'content-disposition',
  'cache-control',
  'expires',
  'x-amz-website-redirect-location',
] as const

/** Those of general purpose buckets. */
const STORAGE_CLASSES = new Set([
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'DEEP_ARCHIVE',
  'GLACIER_IR',
])

export function readAttributes(headers: RequestHeaders): ClientAttributes {
  const stored: Record<string, string> = {}
  for (const name of STORED_HEADERS) {
    const value = name === 'content-encoding' ? withoutAwsChunked(headers.get(name)) : headers.get(name)
    if (value !== undefined && value !== '') stored[name] = value
  }
  const metadata: Record<string, string> = Object.create(null) as Record<string, string>
  for (const name of headers.names()) {
    if (name.startsWith('x-amz-meta-'))
      metadata[name.slice('x-amz-meta-'.length)] = headers.all(name).join(',')
  }
  return { headers: stored, metadata: { ...metadata }, storageClass: readStorageClass(headers) ?? 'STANDARD' }
}

export function readStorageClass(headers: RequestHeaders): string | undefined {
  const value = headers.get('x-amz-storage-class')
  if (value !== undefined && !STORAGE_CLASSES.has(value)) throw new SealgateError('InvalidStorageClass')
  return value
}

/** aws-chunked is the framing of the upload, not of the object; what is left stays as it was written. */
function withoutAwsChunked(value: string | undefined): string | undefined {
  return value
    ?.split(',')
    .filter((coding) => coding.trim().toLowerCase() !== 'aws-chunked')
    .join(',')
    .trim()
}

export function readEncryption(headers: RequestHeaders): EncryptionRequest {
  return {
    algorithm: headers.get('x-amz-server-side-encryption'),
    keyId: headers.get('x-amz-server-side-encryption-aws-kms-key-id'),
    customerKey: readCustomerKey(headers),
  }
}

export function readChecksumAlgorithm(value: string | undefined): ChecksumAlgorithm | null {
  if (value === undefined) return null
  const algorithm = value.toUpperCase()
  if (isChecksumAlgorithm(algorithm)) return algorithm
  throw new SealgateError(
    'InvalidRequest',
    `Checksum algorithm provided is unsupported. Please try again with any of the valid types: [${CHECKSUM_NAMES.join(', ')}]`,
  )
}

export function readChecksumType(value: string | undefined): ChecksumType | null {
  if (value === undefined) return null
  if (value !== 'COMPOSITE' && value !== 'FULL_OBJECT')
    throw new SealgateError('InvalidRequest', 'Value for x-amz-checksum-type header is invalid.')
  return value
}

/** On answers about an object that nobody sealed, in the place of what is said of encryption. */
export const PLAINTEXT_HEADER = 'x-sealgate-plaintext'

export function encryptionHeaders(encryption: EncryptionAnswer): Record<string, string> {
  if ('customerKeyMd5' in encryption) {
    return {
      'x-amz-server-side-encryption-customer-algorithm': 'AES256',
      'x-amz-server-side-encryption-customer-key-md5': encryption.customerKeyMd5,
    }
  }
  if ('plaintext' in encryption) return { [PLAINTEXT_HEADER]: 'true' }
  return {
    'x-amz-server-side-encryption': 'aws:kms',
    'x-amz-server-side-encryption-aws-kms-key-id': encryption.cmkId,
    'x-amz-server-side-encryption-bucket-key-enabled': 'true',
  }
}

export function checksumHeaders(checksums: readonly ObjectChecksum[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const checksum of checksums) {
    headers[checksumHeader(checksum.algorithm)] = checksumText(checksum)
    headers['x-amz-checksum-type'] = checksum.type
  }
  return headers
}

/** The headers of GET and HEAD. */
export function descriptionHeaders(
  { attributes, marks, slice, ...description }: ObjectDescription,
  overrides: Readonly<Record<string, string>>,
): Record<string, string | number | undefined> {
  const headers: Record<string, string | number | undefined> = {
    ...attributes.headers,
    'accept-ranges': 'bytes',
    etag: `"${description.etag}"`,
    'last-modified': new Date(description.lastModified).toUTCString(),
    'content-length': slice === undefined ? description.size : slice.end - slice.start + 1,
    'x-amz-storage-class': attributes.storageClass === 'STANDARD' ? undefined : attributes.storageClass,
    'x-amz-mp-parts-count': description.partsCount,
    ...versionHeaders(description.versionId),
    ...shownMarkHeaders(marks),
    ...encryptionHeaders(description.encryption),
    ...checksumHeaders(description.checksums),
  }
  if (slice !== undefined && slice.end >= slice.start)
    headers['content-range'] = `bytes ${slice.start}-${slice.end}/${description.size}`
  for (const [name, value] of Object.entries(attributes.metadata)) headers[`x-amz-meta-${name}`] = value
  return { ...headers, ...overrides }
}

const OVERRIDABLE = [
  'content-type',
  'content-language',
  'expires',
  'cache-control',
  'content-disposition',
  'content-encoding',
] as const

/** What `response-*` parameters put in place of the stored headers. */
export function readOverrides(query: Query): Readonly<Record<string, string>> {
  const overrides: Record<string, string> = {}
  for (const name of OVERRIDABLE) {
    const value = query.get(`response-${name}`)
    if (value !== undefined) overrides[name] = headerSafe(value)
  }
  return overrides
}

/** A parameter is UTF-8 text; a header is bytes, and never a line break. */
function headerSafe(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these are refused
  if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(value))
    throw new SealgateError('InvalidArgument', 'A response-* parameter holds a control character.')
  return Buffer.from(value, 'utf8').toString('latin1')
}
