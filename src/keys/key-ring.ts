import type { DekBinding } from './dek-context.ts'
import type { KeyRecords } from './key-records.ts'
import {
  commitTo,
  encodeRingRecord,
  MAX_RECORD_BYTES,
  parseRingRecord,
  type RingRecord,
} from './key-ring-record.ts'

export const RING_PREFIX = 'v1/ring/'
const MAX_GENERATION = 99_999_999
/** Of more records of one DEK only the newest count: each one that is tried may cost a call to the KMS. */
export const MAX_CONSIDERED = 16
/** Names of one DEK that are looked at, whatever they are. A real DEK has one for each CMK that its bucket was moved to. */
const MAX_NAMES = 1000
/** Names that are none of a record, before a list of the ring is given up: a store can go on with them for ever. */
const MAX_STRANGERS = 100_000

export type DekName = Pick<DekBinding, 'bucket' | 'dekId'>

export interface Generation {
  readonly number: number
  readonly record: RingRecord
}

/** A DEK that has records, and the numbers of its generations. */
export interface RingEntry extends DekName {
  readonly numbers: readonly number[]
}

/** A ring that does not behave as one: what is said in it is for the operator. */
export class RingError extends Error {
  override readonly name = 'RingError'
}

export interface KeyRingOptions {
  readonly records: KeyRecords
  readonly realm: string
  readonly now?: () => number
}

/**
 * The wrapped DEKs of a deployment, beside its objects: `v1/ring/<bucket>/<DEK id>/<generation>`, only ever added to. Generation 1 is how
 * the DEK was made and lies in each of its objects as well; leaving a CMK adds a generation under the next one. The store may
 * answer anything here: a record counts only for what the KMS and its commitment prove (docs/adr/003-key-ring.md).
 */
export class KeyRing {
  readonly #records: KeyRecords
  readonly #now: () => number
  readonly realm: string

  constructor({ records, realm, now = Date.now }: KeyRingOptions) {
    this.#records = records
    this.realm = realm
    this.#now = now
  }

  /** Records a DEK that has just been made; until this resolves nothing may be sealed under it. */
  async begin(dek: DekName & { cmkId: string; wrapped: Buffer; plaintext: Uint8Array }): Promise<void> {
    const { bucket, dekId, cmkId, wrapped } = dek
    const binding = { realm: this.realm, bucket, dekId }
    const record = { ...binding, cmkId, wrapped, created: this.#now(), ...commitTo(dek.plaintext, binding) }
    if (!(await this.add(1, record)))
      throw new RingError('the key ring holds another record of a data key that was made just now')
  }

  /** True if exactly this record is there now, false if another one has its number. */
  async add(number: number, record: RingRecord): Promise<boolean> {
    const name = recordName(record, number)
    const bytes = encodeRingRecord(record)
    if (await this.#records.create(name, bytes)) return true
    // A store that tried again after a lost answer meets its own record.
    return (await this.#records.read(name, MAX_RECORD_BYTES))?.equals(bytes) === true
  }

  /** Adds the record behind all others of its DEK, and reads it back. Null if another one was added meanwhile. */
  async append(taken: readonly number[], record: RingRecord): Promise<number | null> {
    const number = nextGeneration(taken)
    if (!(await this.add(number, { ...record, created: this.#now() }))) return null
    const [back] = await this.read({ ...record, numbers: [number] })
    if (back === undefined || !back.record.wrapped.equals(record.wrapped))
      throw new RingError(`the store does not give back the record ${recordName(record, number)}`)
    return number
  }

  /** The numbers of a DEK's generations, also of such that hold no record. */
  async numbersOf(dek: DekName): Promise<readonly number[]> {
    const prefix = dekPrefix(dek)
    const numbers: number[] = []
    let names = 0
    for await (const { name } of this.#records.list(prefix)) {
      const number = generationOf(name.slice(prefix.length))
      if (number !== null) numbers.push(number)
      if (++names === MAX_NAMES) break
    }
    return numbers
  }

  /** The newest records that are records of this DEK, newest first; what is not is skipped. */
  async read(entry: RingEntry): Promise<readonly Generation[]> {
    const newest = entry.numbers.toSorted((a, b) => b - a).slice(0, MAX_CONSIDERED)
    return this.readAll({ ...entry, numbers: newest })
  }

  /** All records of these numbers that are records of this DEK. */
  async readAll(entry: RingEntry): Promise<readonly Generation[]> {
    const found = await Promise.all(
      entry.numbers.map(async (number) => {
        const bytes = await this.#records.read(recordName(entry, number), MAX_RECORD_BYTES)
        const record = bytes === null ? null : parseRingRecord(bytes)
        return record !== null && isBoundTo(record, { realm: this.realm, ...entry })
          ? { number, record }
          : null
      }),
    )
    return found.filter((generation) => generation !== null)
  }

  async generations(dek: DekName): Promise<readonly Generation[]> {
    return this.read({ ...dek, numbers: await this.numbersOf(dek) })
  }

  /**
   * Every DEK of the buckets whose names begin with `prefix`; `onOther` hears of names that are none of a record, or one too many of a DEK. Rejects
   * with RingError when there is no end of these.
   */
  async *entries(prefix = '', onOther: (name: string) => void = () => undefined): AsyncGenerator<RingEntry> {
    let entry: { bucket: string; dekId: Buffer; numbers: number[] } | undefined
    let strangers = 0
    const leaveOut = (name: string) => {
      if (++strangers > MAX_STRANGERS)
        throw new RingError(
          `the store lists more than ${MAX_STRANGERS} names below ${RING_PREFIX} that Sealgate does not give, such as ${name}; remove them`,
        )
      onOther(name)
    }
    for await (const { name } of this.#records.list(`${RING_PREFIX}${prefix}`)) {
      const parsed = parseRecordName(name)
      if (parsed === null) {
        leaveOut(name)
        continue
      }
      if (entry?.bucket !== parsed.bucket || !entry.dekId.equals(parsed.dekId)) {
        if (entry !== undefined) yield entry
        entry = { bucket: parsed.bucket, dekId: parsed.dekId, numbers: [] }
      }
      if (entry.numbers.length < MAX_NAMES) entry.numbers.push(parsed.number)
      else leaveOut(name)
    }
    if (entry !== undefined) yield entry
  }
}

function dekPrefix({ bucket, dekId }: DekName): string {
  return `${RING_PREFIX}${bucket}/${dekId.toString('hex')}/`
}

export function recordName(dek: DekName, number: number): string {
  return `${dekPrefix(dek)}${String(number).padStart(8, '0')}`
}

function parseRecordName(name: string): (DekName & { number: number }) | null {
  const [, bucket = '', hex = '', digits = ''] =
    /^v1\/ring\/([^/]{1,255})\/([0-9a-f]{32})\/(\d{8})$/.exec(name) ?? []
  const number = generationOf(digits)
  return number === null ? null : { bucket, dekId: Buffer.from(hex, 'hex'), number }
}

function generationOf(digits: string): number | null {
  return /^\d{8}$/.test(digits) && digits !== '00000000' ? Number(digits) : null
}

/** Behind the last one; in the first gap if somebody took the last number that there is. */
export function nextGeneration(taken: readonly number[]): number {
  const last = Math.max(0, ...taken)
  if (last < MAX_GENERATION) return last + 1
  let number = 2
  while (taken.includes(number)) number += 1
  return number
}

/** A record that was moved here from another DEK, bucket or deployment is none of this one. */
function isBoundTo(record: RingRecord, { realm, bucket, dekId }: DekBinding): boolean {
  return record.realm === realm && record.bucket === bucket && record.dekId.equals(dekId)
}
