import type { ObjectAttributes, StoredObject } from '../storage.ts'
import { MAX_VERSION_ID_LENGTH } from '../versioning.ts'
import type { WireCapabilities } from './capabilities.ts'
import { decodeName, encodeName } from './encoded-name.ts'
import { decodeValue, encodeValue } from './encoded-word.ts'
import { badAnswer } from './errors.ts'
import { shownMarks } from './mark-headers.ts'

type Headers = Readonly<Record<string, string>>

/** What is kept of an answer: everything else of it, the store's checksums above all, speaks of ciphertext. */
export const STORED_HEADERS = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
  'x-amz-website-redirect-location',
] as const

const METADATA = 'x-amz-meta-'
/** More than any store takes; what is longer is none of ours. */
const MAX_METADATA_BYTES = 16 * 1024

export function attributeHeaders(
  { capabilities }: { readonly capabilities: WireCapabilities },
  attributes: ObjectAttributes,
): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(attributes.headers)) headers[name] = encodeValue(value)
  for (const [name, value] of Object.entries(attributes.metadata))
    headers[METADATA + encodeName(name, capabilities)] = encodeValue(value)
  if (attributes.storageClass !== 'STANDARD') headers['x-amz-storage-class'] = attributes.storageClass
  return headers
}

/** @param versionId the one that was asked for */
export function storedObject(headers: Headers, size: number, versionId: string | undefined): StoredObject {
  return {
    size,
    etag: readEtag(headers['etag']),
    lastModified: readTime(headers['last-modified']),
    storageClass: headers['x-amz-storage-class'] ?? 'STANDARD',
    headers: storedHeaders(headers),
    metadata: storedMetadata(headers),
    ...(versionId === undefined ? versionOf(headers) : { versionId }),
    ...shownMarks(headers),
  }
}

function storedHeaders(headers: Headers): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const name of STORED_HEADERS) {
    const value = name === 'content-encoding' ? withoutFraming(headers[name]) : headers[name]
    if (value !== undefined) kept[name] = decodeValue(value)
  }
  return kept
}

/** Some stores keep the coding of an upload's frames as if it were the object's. */
function withoutFraming(encoding: string | undefined): string | undefined {
  const codings = encoding?.split(',').map((coding) => coding.trim())
  if (codings?.includes('aws-chunked') !== true) return encoding
  const kept = codings.filter((coding) => coding !== 'aws-chunked' && coding !== '')
  return kept.length === 0 ? undefined : kept.join(',')
}

function storedMetadata(headers: Headers): Record<string, string> {
  const fields = Object.entries(headers).filter(([name]) => name.startsWith(METADATA))
  const bytes = fields.reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  if (bytes > MAX_METADATA_BYTES) throw badAnswer('more metadata than an object can have')
  // Any name is possible here, also one that an object has by itself.
  return Object.fromEntries(
    fields.map(([name, value]) => [decodeName(name.slice(METADATA.length)), decodeValue(value)]),
  )
}

/** The id as it came; null where the answer does not speak of versions. */
export function readVersionId(text: string | undefined): string | null {
  if (text === undefined || text === '') return null
  if (text.length > MAX_VERSION_ID_LENGTH || !/^[!-~]+$/.test(text)) throw badAnswer('no version id')
  return text
}

/** Of an answer to a write, or about an object. */
export function versionOf(headers: Headers): { versionId?: string } {
  const versionId = readVersionId(headers['x-amz-version-id'])
  return versionId === null ? {} : { versionId }
}

/** Quotes go, and hex is lower case; what is no ETag is refused. */
export function readEtag(text: string | undefined): string {
  const etag = text?.trim().replace(/^(?:W\/)?"?|"$/g, '') ?? ''
  if (/^[0-9a-fA-F]{32}(-\d{1,5})?$/.test(etag)) return etag.toLowerCase()
  if (!/^[!#-~]{1,128}$/.test(etag)) throw badAnswer('no ETag')
  return etag
}

/** Of a header or of a document, in milliseconds, cut to whole seconds: the two differ only below that. */
export function readTime(text: string | undefined): number {
  const time = Date.parse(text ?? '')
  if (Number.isNaN(time)) throw badAnswer('no time')
  return Math.floor(time / 1000) * 1000
}

export function readSize(text: string | undefined): number {
  if (text === undefined || !/^\d{1,15}$/.test(text)) throw badAnswer('no length')
  return Number(text)
}

/** The time of an answer that names none for what it did. */
export function answeredAt(headers: Headers): number {
  const time = Date.parse(headers['date'] ?? '')
  return Math.floor((Number.isNaN(time) ? Date.now() : time) / 1000) * 1000
}
