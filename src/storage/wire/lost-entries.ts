import { isError } from '../../errors.ts'
import { readEtag, readSize } from './headers.ts'
import { type Store, stored } from './store.ts'

/** What a list says of an object, or of a delete marker, which has no ETag. */
interface Entry {
  readonly key: string
  readonly versionId?: string
  readonly size?: number
  readonly etag?: string
}

const ASKED_AT_ONCE = 16

/** Empty where the list has none. */
export function listedEtag(text: string | undefined): string {
  return text?.trim() === '""' ? '' : readEtag(text)
}

/**
 * Ceph's RADOS Gateway loses size and ETag of an object in its index when the object's tags are removed, and lists some other size until
 * the object is written again. Entries without an ETag are looked up one by one; an object that is gone meanwhile is left out.
 */
export async function withoutLoss<T extends Entry>(
  store: Store,
  bucket: string,
  entries: readonly T[],
): Promise<readonly T[]> {
  const lost = entries.filter(({ etag }) => etag === '')
  if (lost.length === 0) return entries
  const found = new Map<T, T | null>()
  const remaining = lost.values()
  const worker = async () => {
    for (const entry of remaining) found.set(entry, await lookedUp(store, bucket, entry))
  }
  await Promise.all(Array.from({ length: Math.min(ASKED_AT_ONCE, lost.length) }, worker))
  return entries.map((entry) => found.get(entry) ?? entry).filter(({ etag }) => etag !== '')
}

async function lookedUp<T extends Entry>(store: Store, bucket: string, entry: T): Promise<T | null> {
  const { key, versionId } = entry
  try {
    const headers = await store.client.done({
      method: 'HEAD',
      ...stored(store, { bucket, key }),
      query: { versionId },
      idempotent: true,
    })
    return { ...entry, size: readSize(headers['content-length']), etag: readEtag(headers['etag']) }
  } catch (error) {
    if (isError(error, 'NoSuchKey', 'NoSuchVersion')) return null
    throw error
  }
}
