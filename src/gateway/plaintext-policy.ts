import { LRUCache } from 'lru-cache'
import type { ListedObject, ObjectName } from '../storage/storage.ts'

/** With an envelope; without one; without one, and its end is not that of sealed bytes either. */
export type StoredAs = 'sealed' | 'bare' | 'plain'

type Revision = ObjectName & Pick<ListedObject, 'etag' | 'size' | 'lastModified'>

/** Which buckets serve objects that nobody sealed, and what is known of theirs. */
export class PlaintextPolicy {
  readonly reads: (bucket: string) => boolean
  /** A list does not tell, so who has looked at an object remembers it. Bounded in bytes. */
  readonly #seen = new LRUCache<string, StoredAs>({
    maxSize: 16 * 1024 * 1024,
    sizeCalculation: (_, id) => 128 + id.length,
  })

  constructor(reads: (bucket: string) => boolean) {
    this.reads = reads
  }

  seen(object: Revision): StoredAs | undefined {
    return this.#seen.get(idOf(object))
  }

  remember(object: Revision, as: StoredAs): void {
    this.#seen.set(idOf(object), as)
  }
}

/** The store chooses all of it; but what is decided by it is no more than the store may lie about in lists. */
function idOf({ bucket, key, etag, size, lastModified }: Revision): string {
  return `${bucket}/${key}\0${etag}\0${size}\0${lastModified}`
}
