import { LRUCache } from 'lru-cache'
import { isError } from '../errors.ts'
import type { UserMetadata } from '../storage/storage.ts'
import type { Gateway } from './gateway.ts'
import { type SystemBucket, systemDirectories } from './system-bucket.ts'

/*
 * Where the store lists only the uploads of a key that is named, the gateway notes the keys: in the clear, as the store knows them
 * anyway, in the metadata of an upload's `init`.
 */

export interface NotedUpload {
  readonly key: string
  readonly uploadId: string
}

/** Metadata of an upload's `init`. */
export function uploadNames({ storage }: Gateway, { key, uploadId }: NotedUpload): UserMetadata {
  if (storage.capabilities.listsUploads) return {}
  return { key: Buffer.from(key).toString('base64url'), upload: Buffer.from(uploadId).toString('base64url') }
}

/** What was read of them, by where their state lies; null for an upload that is over. Neither changes any more. */
export class UploadNameCache extends LRUCache<string, { readonly upload: NotedUpload | null }> {
  constructor() {
    super({ max: 20_000 })
  }
}

export type PlacedUpload = NotedUpload & { readonly prefix: string }

/** Without the cache everything is read anew. */
export type Noting = SystemBucket & { readonly uploadNames?: UploadNameCache }

const READS_AT_ONCE = 16

/** All uploads of which there is state below `prefix`, and that are noted: one call for each that was not met before, and one for 1000. */
export async function* notedUploads(gateway: Noting, prefix: string): AsyncGenerator<PlacedUpload> {
  let places: string[] = []
  for await (const place of systemDirectories(gateway, prefix)) {
    places.push(place)
    if (places.length < READS_AT_ONCE) continue
    yield* notedAt(gateway, places)
    places = []
  }
  yield* notedAt(gateway, places)
}

async function* notedAt(gateway: Noting, places: readonly string[]): AsyncGenerator<PlacedUpload> {
  const found = await Promise.all(places.map((place) => noted(gateway, place)))
  for (const [index, upload] of found.entries())
    if (upload !== null) yield { ...upload, prefix: places[index] ?? '' }
}

async function noted(
  { storage, systemBucket, uploadNames: cache }: Noting,
  prefix: string,
): Promise<NotedUpload | null> {
  const known = cache?.get(prefix)
  if (known !== undefined) return known.upload
  let upload: NotedUpload | null = null
  try {
    const { metadata } = await storage.headObject({ bucket: systemBucket, key: `${prefix}init` })
    upload = read(metadata)
  } catch (error) {
    if (!isError(error, 'NoSuchKey')) throw error
  }
  cache?.set(prefix, { upload })
  return upload
}

/** State of before, or of a time when the store listed its uploads, has no such metadata. */
function read(metadata: UserMetadata): NotedUpload | null {
  const text = (name: string) => Buffer.from(metadata[name] ?? '', 'base64url').toString()
  const upload = { key: text('key'), uploadId: text('upload') }
  return upload.key === '' || upload.uploadId === '' ? null : upload
}
