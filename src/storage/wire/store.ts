import { isError, SealgateError } from '../../errors.ts'
import type { ObjectName, ObjectVersionName, StorageLimits, StoredBucket } from '../storage.ts'
import { noSuchVersion } from '../version-errors.ts'
import type { BucketNames } from './bucket-names.ts'
import type { WireCapabilities } from './capabilities.ts'
import type { StoreClient } from './client.ts'

/** Limits of the server, in bytes. */
export interface WireLimits extends StorageLimits {
  /** Of the source of CopyObject. */
  readonly maxCopyBytes: number
  /** Long copies are made of parts of this size. */
  readonly copyPartBytes: number
}

/** What every operation on the store works with. */
export interface Store {
  readonly client: StoreClient
  readonly names: BucketNames
  readonly capabilities: WireCapabilities
  readonly limits: WireLimits
  /** Buckets that were there a moment ago. */
  readonly known: KnownBuckets
}

/** The store's own name of an object. InvalidURI for a name that would be another object's. */
export function stored(store: Store, { bucket, key }: ObjectName): { bucket: string; key: string } {
  store.client.dialect.checkKey(key)
  if (key.startsWith('/') && !store.capabilities.leadingSlash)
    throw new SealgateError(
      'InvalidURI',
      'The storage behind the gateway drops a slash at the beginning of a key, which would make it the key of another object.',
    )
  if (!store.capabilities.emptyParts && hasEmptyPart(key))
    throw new SealgateError(
      'InvalidURI',
      'The storage behind the gateway keeps objects in directories, where a part of a key that is empty, "." or ".." would make it the key of another object.',
    )
  if (!store.capabilities.unprintableNames && UNPRINTABLE.test(key))
    throw new SealgateError(
      'InvalidURI',
      'The storage behind the gateway lists a key with a control character, or with U+FFFE or U+FFFF, as another key.',
    )
  return { bucket: store.names.stored(bucket), key }
}

/** What no XML document of version 1.0 can hold. */
const UNPRINTABLE = /[^\P{Cc}\t\n\r\u007f-\u009f]|[\ufffe\uffff]/u

/** A slash at the end is no part: that of a directory. */
function hasEmptyPart(key: string): boolean {
  return /\/\/|(^|\/)\.{1,2}(\/|$)/.test(key)
}

export async function headBucket(store: Store, bucket: string): Promise<StoredBucket> {
  try {
    await store.client.done({ method: 'HEAD', bucket: store.names.stored(bucket), idempotent: true })
  } catch (error) {
    if (!isError(error, 'NoSuchKey')) throw error
    store.known.forget(bucket)
    throw new SealgateError('NoSuchBucket', undefined, { details: { BucketName: bucket }, cause: error })
  }
  store.known.remember(bucket)
  // A HEAD does not tell when; nobody asks.
  return { name: bucket, createdAt: 0 }
}

/** What is missing is the upload, whatever the store calls it. */
export async function ofUpload<T>(uploadId: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!isError(error, 'NoSuchKey')) throw error
    throw new SealgateError('NoSuchUpload', undefined, { cause: error, details: { UploadId: uploadId } })
  }
}

const KNOWN_MS = 30_000

/**
 * The answer to a HEAD has no document that could tell a missing object from a missing bucket. A bucket that was seen a moment ago is
 * taken to be there still, so that looking for objects that are not there stays one call.
 */
export class KnownBuckets {
  readonly #seenAt = new Map<string, number>()

  remember(bucket: string): void {
    if (this.#seenAt.size > 10_000) this.#seenAt.clear()
    this.#seenAt.set(bucket, performance.now())
  }

  forget(bucket: string): void {
    this.#seenAt.delete(bucket)
  }

  has(bucket: string): boolean {
    return performance.now() - (this.#seenAt.get(bucket) ?? Number.NEGATIVE_INFINITY) < KNOWN_MS
  }
}

/** NoSuchKey of a HEAD, said of the bucket if it is that which is missing, or of the version if one was asked for. */
export async function missing(
  store: Store,
  { bucket, key, versionId }: ObjectVersionName,
  cause: SealgateError,
): Promise<SealgateError> {
  if (!store.known.has(bucket)) await headBucket(store, bucket)
  if (versionId !== undefined) return noSuchVersion(key, versionId, cause)
  // Its headers tell whether it is hidden by a delete marker.
  return new SealgateError('NoSuchKey', undefined, { details: { Key: key }, cause, headers: cause.headers })
}
