import { randomUUID } from 'node:crypto'
import { readdirSync, rmSync, statSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { SealgateError } from '../../errors.ts'
import type { IncomingBody } from '../storage.ts'
import { blobPath, FileWriter, makeBlobDirectories, removeFile } from './blob-files.ts'
import { lockDirectory } from './directory-lock.ts'
import type { IndexDatabase } from './index-database.ts'
import { readable } from './no-space.ts'
import { makeHold, removalsAreHeld } from './removal-hold.ts'

/** Bodies up to this size lie in the index: one commit instead of a file and two fsyncs. */
const INLINE_BYTES = 16 * 1024
const LEASE_IDS = 256
const REMOVE_AFTER_MS = 200
const HELD_MS = 1000
/** How old the directory of an instance without leases must be to be a dead one's, and not one that is just starting. */
const STARTING_MS = 60 * 60 * 1000

/** Bytes that are on the disk, but belong to nothing until a transaction records them. */
export interface NewBlob {
  readonly id: number
  readonly lease: Lease
  readonly size: number
  readonly inline: Buffer | null
}

/** Ids that this process may use, and how many of them are neither recorded nor given up. */
interface Lease {
  readonly lo: number
  readonly hi: number
  next: number
  open: number
}

/**
 * The files behind the index. A file is written and synced before the transaction that records it, under an id that this
 * process holds a lease for: after a crash, the ids of a dead process's leases that no transaction recorded are garbage.
 */
export class Blobs {
  readonly #directory: string
  readonly #index: IndexDatabase
  readonly #instance: string
  /** Null where the store is only read: then there is nothing to lease, to recover or to remove. */
  readonly #lock: { release(): void } | null
  #lease: Lease = { lo: 0, hi: -1, next: 0, open: 0 }
  #leasing: Promise<void> | undefined
  #garbage: number[] = []
  #sweep: NodeJS.Timeout | undefined

  private constructor(
    directory: string,
    index: IndexDatabase,
    instance: string,
    lock: { release(): void } | null,
  ) {
    this.#directory = directory
    this.#index = index
    this.#instance = instance
    this.#lock = lock
  }

  static async open(directory: string, index: IndexDatabase): Promise<Blobs> {
    makeBlobDirectories(directory)
    makeHold(directory)
    const instance = randomUUID()
    const lock = await lockDirectory(join(directory, 'instances', instance))
    const blobs = new Blobs(directory, index, instance, lock)
    await blobs.#recover()
    return blobs
  }

  /** For an index that is open for reading: leaves nothing behind, and takes no lock. */
  static forReading(directory: string, index: IndexDatabase): Blobs {
    return new Blobs(directory, index, randomUUID(), null)
  }

  /** Takes a body of exactly `size` bytes; throws what the body throws, and leaves nothing behind then. */
  async write(size: number, body: IncomingBody, signal?: AbortSignal): Promise<NewBlob | null> {
    const { id, lease } = await this.#nextId()
    const pending: Uint8Array[] = []
    let writer: FileWriter | null = null
    let received = 0
    try {
      if (size > INLINE_BYTES) writer = await FileWriter.create(this.#path(id), body)
      for await (const chunk of body) {
        signal?.throwIfAborted()
        received += chunk.length
        if (received > size)
          throw new SealgateError('IncompleteBody', 'The body is longer than it was said to be.')
        if (writer === null) pending.push(chunk)
        else await writer.write(chunk)
      }
      if (received !== size) throw new SealgateError('IncompleteBody')
      await writer?.finish(this.#path(id))
    } catch (error) {
      // A file that cannot be removed now keeps its lease, and recovery removes it.
      if (writer === null || (await writer.discard(this.#path(id)))) this.#settle(lease)
      throw readable(error)
    }
    if (size > 0) return { id, lease, size, inline: writer === null ? Buffer.concat(pending) : null }
    this.#settle(lease)
    return null
  }

  /** Inside a transaction: the blob now exists, with one reference. */
  record(blob: NewBlob): void {
    const lease = this.#index.get(
      'SELECT 1 FROM lease WHERE lo = ? AND instance = ?',
      blob.lease.lo,
      this.#instance,
    )
    if (lease === undefined)
      throw new SealgateError('ServiceUnavailable', undefined, {
        reason: 'another process took this one for dead',
      })
    this.#index.run('INSERT INTO blob VALUES (?, 1, ?)', blob.id, blob.inline)
  }

  /** Inside a transaction. */
  addReference(id: number): void {
    this.#index.run('UPDATE blob SET refs = refs + 1 WHERE id = ?', id)
  }

  /** Inside a transaction: the last reference takes the blob with it. */
  dropReference(id: number): void {
    const blob = this.#index.get<{ refs: number; file: number }>(
      'SELECT refs, inline IS NULL AS file FROM blob WHERE id = ?',
      id,
    )
    if (blob === undefined) return
    if (blob.refs > 1) {
      this.#index.run('UPDATE blob SET refs = refs - 1 WHERE id = ?', id)
      return
    }
    this.#index.run('DELETE FROM blob WHERE id = ?', id)
    if (blob.file === 1) this.#index.run('INSERT OR IGNORE INTO garbage VALUES (?)', id)
    if (blob.file === 1) this.collect([id])
  }

  /** The transaction that records the blob is durable. */
  recorded(blob: NewBlob | null): void {
    if (blob !== null) this.#settle(blob.lease)
  }

  /** Removes a file that was written and then not recorded. */
  async discard(blob: NewBlob | null): Promise<void> {
    if (blob === null) return
    if (blob.inline !== null || (await removeFile(this.#path(blob.id)))) this.#settle(blob.lease)
  }

  inline(id: number): Buffer | null | undefined {
    const row = this.#index.get<{ inline: Uint8Array | null }>('SELECT inline FROM blob WHERE id = ?', id)
    if (row === undefined) return undefined
    return row.inline === null
      ? null
      : Buffer.from(row.inline.buffer, row.inline.byteOffset, row.inline.byteLength)
  }

  openFile(id: number): Promise<FileHandle> {
    return open(this.#path(id), 'r')
  }

  /** Files to remove once the transaction that dropped them is durable; the index remembers them until they are gone. */
  collect(ids: readonly number[]): void {
    this.#garbage.push(...ids)
    this.#sweepAfter(REMOVE_AFTER_MS)
  }

  #sweepAfter(ms: number): void {
    this.#sweep ??= setTimeout(() => {
      this.#sweep = undefined
      this.#removeGarbage().catch(() => undefined)
    }, ms).unref()
  }

  async close(): Promise<void> {
    clearTimeout(this.#sweep)
    if (this.#lock === null) return
    // The index remembers what could not be removed.
    await this.#removeGarbage().catch(() => undefined)
    clearTimeout(this.#sweep)
    await this.#index
      .write(() => this.#index.run('DELETE FROM lease WHERE instance = ?', this.#instance))
      // On a full disk: the next start finds them, and buries this instance.
      .catch(() => undefined)
    this.#lock.release()
    rmSync(join(this.#directory, 'instances', this.#instance), { recursive: true, force: true })
  }

  async #removeGarbage(): Promise<void> {
    const candidates = this.#garbage
    this.#garbage = []
    // What was rolled back, or is not committed yet, is not in the table.
    const ids = candidates.filter(
      (id) => this.#index.get('SELECT 1 FROM garbage WHERE blob = ?', id) !== undefined,
    )
    if (ids.length === 0) return
    // Asked after the table was: a backup that begins now copies an index that has these in its garbage, too.
    if (removalsAreHeld(this.#directory)) {
      this.#garbage.push(...ids)
      this.#sweepAfter(HELD_MS)
      return
    }
    const gone: number[] = []
    for (const id of ids) if (await removeFile(this.#path(id))) gone.push(id)
    await this.#index.write(() => {
      for (const id of gone) this.#index.run('DELETE FROM garbage WHERE blob = ?', id)
    })
  }

  async #nextId(): Promise<{ id: number; lease: Lease }> {
    while (this.#lease.next > this.#lease.hi) {
      this.#leasing ??= this.#takeLease()
      await this.#leasing
    }
    this.#lease.open += 1
    return { id: this.#lease.next++, lease: this.#lease }
  }

  /** A lease whose every id is used and settled is given back, so that recovery looks at what was under way and no more. */
  #settle(lease: Lease): void {
    lease.open -= 1
    if (lease.open > 0 || lease.next <= lease.hi) return
    this.#index
      .write(() =>
        this.#index.run('DELETE FROM lease WHERE lo = ? AND instance = ?', lease.lo, this.#instance),
      )
      // It stays in the table, and recovery will look at it.
      .catch(() => undefined)
  }

  async #takeLease(): Promise<void> {
    try {
      this.#lease = await this.#index.write(() => {
        const lo = Number(
          this.#index.get<{ value: string }>("SELECT value FROM meta WHERE name = 'next_blob'")?.value,
        )
        const hi = lo + LEASE_IDS - 1
        this.#index.run("UPDATE meta SET value = ? WHERE name = 'next_blob'", String(hi + 1))
        this.#index.run('INSERT INTO lease VALUES (?, ?, ?)', lo, hi, this.#instance)
        return { lo, next: lo, hi, open: 0 }
      })
    } finally {
      this.#leasing = undefined
    }
  }

  /** Cleans up behind processes that died: their locks are free, so nobody holds their leases any more. */
  async #recover(): Promise<void> {
    const instances = new Set(
      this.#index
        .all<{ instance: string }>('SELECT DISTINCT instance FROM lease')
        .map(({ instance }) => instance),
    )
    // Between making its directory and locking it, a process that is just starting looks like a dead one.
    for (const name of readdirSync(join(this.#directory, 'instances')))
      if (this.#isOld(name)) instances.add(name)
    instances.delete(this.#instance)
    for (const instance of instances) {
      const lock = await lockDirectory(join(this.#directory, 'instances', instance)).catch(() => null)
      if (lock === null) continue
      await this.#index.write(() => this.#buryInstance(instance))
      lock.release()
      rmSync(join(this.#directory, 'instances', instance), { recursive: true, force: true })
    }
    this.#garbage.push(
      ...this.#index.all<{ blob: number }>('SELECT blob FROM garbage').map(({ blob }) => blob),
    )
    await this.#removeGarbage()
  }

  #isOld(instance: string): boolean {
    const path = join(this.#directory, 'instances', instance)
    const made = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()
    return Date.now() - made > STARTING_MS
  }

  #buryInstance(instance: string): void {
    const leases = this.#index.all<{ lo: number; hi: number }>(
      'SELECT lo, hi FROM lease WHERE instance = ?',
      instance,
    )
    for (const { lo, hi } of leases) {
      const recorded = new Set(
        this.#index
          .all<{ id: number }>('SELECT id FROM blob WHERE id BETWEEN ? AND ?', lo, hi)
          .map(({ id }) => id),
      )
      for (let id = lo; id <= hi; id++)
        if (!recorded.has(id)) this.#index.run('INSERT OR IGNORE INTO garbage VALUES (?)', id)
    }
    this.#index.run('DELETE FROM lease WHERE instance = ?', instance)
  }

  #path(id: number): string {
    return blobPath(this.#directory, id)
  }
}
