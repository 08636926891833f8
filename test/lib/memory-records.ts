import { createHash } from 'node:crypto'
import type { KeyRecords } from '../../src/keys/index.ts'

/** The records of keys in memory, for a test to look at and to tamper with. */
export class MemoryRecords implements KeyRecords {
  readonly map = new Map<string, Buffer>()
  readonly calls = { create: 0, replace: 0, read: 0, list: 0 }
  /** Thrown by every call while it is there. */
  fault: Error | undefined
  #writes = 0
  readonly #revisions = new Map<string, number>()

  async create(name: string, bytes: Buffer): Promise<boolean> {
    this.#enter('create')
    if (this.map.has(name)) return false
    this.#write(name, bytes)
    return true
  }

  async replace(name: string, bytes: Buffer): Promise<void> {
    this.#enter('replace')
    this.#write(name, bytes)
  }

  async read(name: string, limit: number): Promise<Buffer | null> {
    this.#enter('read')
    const bytes = this.map.get(name)
    return bytes === undefined || bytes.length > limit ? null : Buffer.from(bytes)
  }

  async *list(prefix: string) {
    this.#enter('list')
    const names = [...this.map.keys()].filter((name) => name.startsWith(prefix)).sort()
    for (const name of names)
      yield {
        name,
        revision: `${this.#revisions.get(name)} ${createHash('md5')
          .update(this.map.get(name) ?? '')
          .digest('hex')}`,
      }
  }

  #write(name: string, bytes: Buffer): void {
    this.map.set(name, Buffer.from(bytes))
    this.#revisions.set(name, ++this.#writes)
  }

  #enter(call: keyof MemoryRecords['calls']): void {
    this.calls[call] += 1
    if (this.fault !== undefined) throw this.fault
  }
}
