import { plainSize } from '../envelope/index.ts'
import { isError } from '../errors.ts'
import type { ListedObject } from '../storage/storage.ts'
import type { Gateway } from './gateway.ts'
import { hasEnvelope } from './plain-object.ts'

/** Objects that are looked at at once. */
const CONCURRENCY = 32

/** An object, or a version of one. */
type Listed = ListedObject & { readonly versionId?: string }

/**
 * The objects of a list with the sizes that clients know them by. Where all objects are sealed that is arithmetic on the stored sizes; a stored
 * size that no sealed object has (something else was put there) is shown as it is; reading that key is refused.
 *
 * Where some are not, a list does not tell which: nearly every length is also that of a sealed object. So those that were not seen
 * before are looked at, one call each; one that is gone by then is left out, and one that was overwritten is told as it is now.
 */
export async function listedSizes<T extends Listed>(
  gateway: Gateway,
  bucket: string,
  objects: readonly T[],
  signal?: AbortSignal,
): Promise<readonly T[]> {
  if (!gateway.plaintext.reads(bucket))
    return objects.map((object) => ({ ...object, size: plainSize(object.size) ?? object.size }))
  const told: (T | null)[] = []
  const remaining = objects.entries()
  let hasFailed = false
  const worker = async () => {
    for (const [index, object] of remaining) {
      if (hasFailed) return
      told[index] = await lookedAt(gateway, bucket, object, signal).catch((error: unknown) => {
        hasFailed = true
        throw error
      })
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, worker))
  return told.filter((object) => object !== null)
}

async function lookedAt<T extends Listed>(
  gateway: Gateway,
  bucket: string,
  listed: T,
  signal: AbortSignal | undefined,
): Promise<T | null> {
  const sealedSize = plainSize(listed.size)
  if (sealedSize === null) return listed
  const seen = gateway.plaintext.seen({ bucket, ...listed })
  if (seen !== undefined) return seen === 'sealed' ? { ...listed, size: sealedSize } : listed
  try {
    const { key, versionId } = listed
    const object = await gateway.storage.headObject({ bucket, key, versionId, signal })
    const { etag, size, lastModified, storageClass } = object
    const now = { ...listed, etag, size, lastModified, storageClass }
    const isSealed = hasEnvelope(object)
    gateway.plaintext.remember({ bucket, ...now }, isSealed ? 'sealed' : 'bare')
    return isSealed ? { ...now, size: plainSize(size) ?? size } : now
  } catch (error) {
    if (isError(error, 'NoSuchKey', 'NoSuchVersion')) return null
    throw error
  }
}
