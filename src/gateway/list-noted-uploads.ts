import { commonPrefixOf } from '../base/common-prefix.ts'
import type {
  ListMultipartUploadsRequest,
  ListMultipartUploadsResult,
  StoredUpload,
} from '../storage/storage.ts'
import type { Gateway } from './gateway.ts'
import { storedUploads } from './stored-uploads.ts'
import { type Noting, notedUploads, type PlacedUpload } from './upload-names.ts'
import { UPLOADS_PREFIX } from './upload-state.ts'

/** How many keys the store is asked about at once. */
const KEYS_AT_ONCE = 16

/** A page for stores that list only the uploads of a key that is named: the keys are the gateway's, what is under way is the store's word. */
export async function listNotedUploads(
  gateway: Gateway,
  request: ListMultipartUploadsRequest,
): Promise<ListMultipartUploadsResult> {
  const { bucket, keyMarker, uploadIdMarker, maxUploads } = request
  await gateway.storage.headBucket(bucket)
  const page: Entry[] = []
  for await (const entry of entriesBehind(gateway, request)) {
    const isBehind = entry.name !== keyMarker || (entry.upload?.uploadId ?? '') > uploadIdMarker
    if (isBehind) page.push(entry)
    if (page.length > maxUploads) break
  }
  const shown = page.slice(0, maxUploads)
  const last = shown.at(-1)
  const isTruncated = page.length > maxUploads && last !== undefined
  return {
    uploads: shown.flatMap(({ upload }) => upload ?? []),
    commonPrefixes: shown.flatMap(({ name, upload }) => (upload === null ? [name] : [])),
    isTruncated,
    nextKeyMarker: isTruncated ? last.name : '',
    nextUploadIdMarker: isTruncated ? (last.upload?.uploadId ?? '') : '',
  }
}

/** An upload under its key, or a common prefix. */
interface Entry {
  readonly name: string
  readonly upload: StoredUpload | null
}

/** From the marker on, by key and then by id; of a common prefix one upload that is under way is enough. */
async function* entriesBehind(gateway: Gateway, request: ListMultipartUploadsRequest): AsyncGenerator<Entry> {
  const keys = await notedKeys(gateway, request)
  let folded = ''
  for (let at = 0; at < keys.length; at += KEYS_AT_ONCE) {
    const some = keys.slice(at, at + KEYS_AT_ONCE).filter(({ name }) => name !== folded)
    const found = await Promise.all(some.map(({ uploads }) => underWay(gateway, request.bucket, uploads)))
    for (const [index, { name, isFolded }] of some.entries()) {
      const uploads = found[index] ?? []
      if (!isFolded) for (const upload of uploads) yield { name, upload }
      else if (uploads.length > 0 && name !== folded) {
        folded = name
        yield { name, upload: null }
      }
    }
  }
}

interface NotedKey {
  /** The key, or the common prefix that it is folded into. */
  readonly name: string
  readonly isFolded: boolean
  readonly uploads: readonly PlacedUpload[]
}

/** In the order of their bytes. A common prefix that is the marker has been shown. */
async function notedKeys(
  gateway: Gateway,
  { bucket, prefix, delimiter, keyMarker, uploadIdMarker }: ListMultipartUploadsRequest,
): Promise<NotedKey[]> {
  const noted: PlacedUpload[] = []
  for await (const upload of notedUploads(gateway, `${UPLOADS_PREFIX}${bucket}/`))
    if (upload.key.startsWith(prefix)) noted.push(upload)
  const marker = Buffer.from(keyMarker)
  return [...Map.groupBy(noted, ({ key }) => key)]
    .map(([key, uploads]) => ({ key, bytes: Buffer.from(key), uploads }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .filter(({ bytes }) => Buffer.compare(bytes, marker) >= (uploadIdMarker === '' ? 1 : 0))
    .map(({ key, uploads }) => {
      const folded = commonPrefixOf(key, { prefix, delimiter })
      return { name: folded ?? key, isFolded: folded !== null, uploads }
    })
    .filter(({ name, isFolded }) => !isFolded || name !== keyMarker)
}

/** The store's own list of the uploads of a key. Those that it does not list are over. */
export async function underWay(
  { storage, uploadNames }: Noting,
  bucket: string,
  noted: readonly PlacedUpload[],
): Promise<readonly StoredUpload[]> {
  const key = noted[0]?.key ?? ''
  const found = new Map<string, StoredUpload>()
  for await (const upload of storedUploads(storage, { bucket, prefix: key }))
    if (upload.key === key) found.set(upload.uploadId, upload)
  for (const { uploadId, prefix } of noted)
    if (!found.has(uploadId)) uploadNames?.set(prefix, { upload: null })
  return [...found.values()].sort((a, b) => (a.uploadId < b.uploadId ? -1 : 1))
}
