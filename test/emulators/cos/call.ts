/** One call as operations see it, what they answer, and what all of them check. */
import { createHash } from 'node:crypto'
import type { Blob, Blobs } from './blobs.ts'
import type { Attributes, Bucket, ObjectVersion } from './bucket.ts'
import { CosRefusal } from './refusal.ts'
import { parseTags } from './tags.ts'

export const MAX_BODY_BYTES = 5 * 1024 ** 3
const MAX_METADATA_BYTES = 2048
const MAX_KEY_BYTES = 850

/** What the service is: its buckets and its limits. */
export interface CosService {
  readonly appid: string
  readonly region: string
  readonly buckets: Map<string, Bucket>
  readonly blobs: Blobs
  readonly maxCopyBytes: number
  readonly minPartBytes: number
  /** ETags of whole objects are the MD5 of their bytes, as they are without SSE-KMS. */
  readonly md5Etags: boolean
  makeBucket(name: string): Bucket
}

export interface Call {
  readonly service: CosService
  readonly face: 'cos' | 's3'
  readonly bucketName: string
  /** NoSuchBucket if it is not there. */
  readonly bucket: Bucket
  readonly key: string
  readonly query: (name: string) => string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly host: string
  /** The body, kept. Whoever gets it lets it go or puts it somewhere. */
  readonly receive: () => Promise<Blob>
  /** The body of a document, whole. */
  readonly document: () => Promise<Buffer>
}

export interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | AsyncIterable<Uint8Array> | undefined
  /** Headers go out first, then white space, then the body: Complete and copies. */
  readonly early?: boolean
}

export type Operation = (call: Call) => Promise<Answer> | Answer

export function checkKey(key: string): void {
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) throw new CosRefusal('KeyTooLong')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these are refused
  if (/^[/\\]|[\u0018-\u001b]/.test(key)) throw new CosRefusal('InvalidURI')
}

const KEPT = /^(cache-control|content-(disposition|encoding|language|type)|expires)$/
const META = 'x-cos-meta-'

/** What a write says of its object. */
export function attributesOf({ headers }: Call): Attributes {
  const metadata = Object.entries(headers).filter(([name]) => name.startsWith(META))
  const room = metadata.reduce(
    (sum, [name, value]) => sum + name.length - META.length + Buffer.byteLength(value, 'latin1'),
    0,
  )
  if (room > MAX_METADATA_BYTES) throw new CosRefusal('KeyTooLong', 'Your metadata are too long.')
  if (metadata.some(([name]) => !/^[a-z0-9-]+$/.test(name.slice(META.length))))
    throw new CosRefusal('InvalidArgument', 'Names of metadata have letters, digits and hyphens.')
  const kept = Object.entries(headers).filter(([name, value]) => KEPT.test(name) && value !== '')
  return {
    headers: Object.fromEntries([...kept, ...metadata]),
    storageClass: headers['x-cos-storage-class'] ?? 'STANDARD',
    tags: parseTags(headers['x-cos-tagging']),
  }
}

/** The one condition of writes that there is, and only while the bucket never had versions. If-Match is not looked at. */
export function checkOverwrite({ bucket, key, headers }: Pick<Call, 'bucket' | 'key' | 'headers'>): void {
  if (headers['x-cos-forbid-overwrite'] !== 'true' || bucket.versioning !== null) return
  if (bucket.versions(key).length > 0) throw new CosRefusal('FileAlreadyExists')
}

export function shownHeaders(object: ObjectVersion, bucket: Bucket): Record<string, string> {
  const { headers, storageClass, tags, etag, content, lastModified, versionId } = object
  return {
    ...headers,
    etag: `"${etag}"`,
    'last-modified': new Date(lastModified).toUTCString(),
    'accept-ranges': 'bytes',
    'x-cos-hash-crc64ecma': decimal(content.crc64),
    ...(storageClass === 'STANDARD' ? {} : { 'x-cos-storage-class': storageClass }),
    ...(tags.length === 0 ? {} : { 'x-cos-tagging-count': String(tags.length) }),
    ...(bucket.versioning === null ? {} : { 'x-cos-version-id': versionId }),
  }
}

export function decimal(crc64: Buffer): string {
  return String(crc64.readBigUInt64BE())
}

export function iso(time: number): string {
  return new Date(time).toISOString()
}

/** Content-MD5 in the form of a digest. */
export function wantedMd5(headers: Readonly<Record<string, string>>): string | null {
  const value = headers['content-md5']
  if (value === undefined) return null
  const bytes = Buffer.from(value, 'base64')
  if (bytes.length !== 16 || bytes.toString('base64') !== value) throw new CosRefusal('InvalidDigest')
  return bytes.toString('hex')
}

export function md5Of(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex')
}
