import type { KeyRecords, ListedRecord } from './key-records.ts'
import { KeyRing } from './key-ring.ts'
import { checkBackup, importRing } from './key-ring-backup.ts'

/**
 * The key ring as a backup has it, in memory: where there is no store to ask. Rejects with RingError if any of the backup is not as it
 * was written.
 * @param open gives the bytes of the backup from their beginning; called twice
 */
export async function ringOfBackup(open: () => AsyncIterable<Uint8Array>): Promise<KeyRing> {
  const { realm } = await checkBackup(open())
  const ring = new KeyRing({ records: new MemoryRecords(), realm })
  await importRing(ring, open())
  return ring
}

/** By the part of a name up to its last slash: the records of one DEK lie together, as every question is about one. */
class MemoryRecords implements KeyRecords {
  readonly #records = new Map<string, Map<string, Buffer>>()

  async create(name: string, bytes: Buffer): Promise<boolean> {
    const beside = this.#beside(name)
    if (beside.has(name)) return false
    beside.set(name, bytes)
    return true
  }

  async replace(name: string, bytes: Buffer): Promise<void> {
    this.#beside(name).set(name, bytes)
  }

  async read(name: string, limit: number): Promise<Buffer | null> {
    const bytes = this.#beside(name).get(name)
    return bytes === undefined || bytes.length > limit ? null : bytes
  }

  async *list(prefix: string): AsyncGenerator<ListedRecord> {
    const groups = this.#records.get(prefix)
    const names =
      groups === undefined ? [...this.#records.values()].flatMap((group) => [...group.keys()]) : groups.keys()
    for (const name of [...names].filter((known) => known.startsWith(prefix)).sort())
      yield { name, revision: '' }
  }

  #beside(name: string): Map<string, Buffer> {
    const directory = name.slice(0, name.lastIndexOf('/') + 1)
    const known = this.#records.get(directory) ?? new Map<string, Buffer>()
    this.#records.set(directory, known)
    return known
  }
}
