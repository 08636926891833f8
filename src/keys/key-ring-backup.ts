import { createHash } from 'node:crypto'
import type { KeyRecords } from './key-records.ts'
import { type KeyRing, MAX_CONSIDERED, nextGeneration, RingError, recordName } from './key-ring.ts'
import { encodeRingRecord, parseRingRecord, type RingRecord } from './key-ring-record.ts'

/*
 * A backup of the key ring: one JSON object a line, each line ended by a line feed.
 *   {"format":"sealgate key ring","version":1,"realm":"…","created":"…"}
 *   {"generation":1,"record":"base64 of a record of FORMAT.md section 13"}     any number of these
 *   {"records":N,"sha256":"hex, of all the lines before"}
 * The records are in the order of their names. It holds wrapped keys only. The hash finds what was cut or damaged on the way, and nothing of what
 * somebody changed who can count a hash: what a record is worth, the KMS says, and an import is held to what the ring survives.
 */
const FORMAT = 'sealgate key ring'
const VERSION = 1
const MAX_LINE_BYTES = 64 * 1024
/** Different records of a DEK in a backup: fewer than a reader looks at, so that those of one backup never hide all that were there before. */
const MAX_OF_DEK = MAX_CONSIDERED - 1
/** Higher numbers are given anew: behind the last one that there is no number would be left. */
const MAX_KEPT_NUMBER = 1000
/** DEKs that are read or written at a time. */
const BATCH = 16

export interface ExportCounts {
  records: number
  /** Names in the ring that hold no record of theirs: left out. */
  damaged: number
}

/** The lines of a backup. `counts` is complete when they have ended. */
export async function* exportRing(
  ring: KeyRing,
  counts: ExportCounts,
  created = new Date(),
): AsyncGenerator<string> {
  const hash = createHash('sha256')
  const line = (value: object): string => {
    const text = `${JSON.stringify(value)}\n`
    hash.update(text)
    return text
  }
  yield line({ format: FORMAT, version: VERSION, realm: ring.realm, created: created.toISOString() })
  const entries = ring.entries('', () => {
    counts.damaged += 1
  })
  for await (const batch of inBatches(entries)) {
    const found = await Promise.all(batch.map((entry) => ring.readAll(entry)))
    for (const { number, record } of found.flat()) {
      counts.records += 1
      yield line({ generation: number, record: encodeRingRecord(record).toString('base64') })
    }
    counts.damaged += batch.flatMap(({ numbers }) => numbers).length - found.flat().length
  }
  yield `${JSON.stringify({ records: counts.records, sha256: hash.digest('hex') })}\n`
}

export interface RingBackup {
  readonly realm: string
  readonly created: string
  readonly records: number
}

/** Reads a backup to its end. Rejects with RingError if any of it is not as it was written. */
export async function checkBackup(bytes: AsyncIterable<Uint8Array>): Promise<RingBackup> {
  const reading = readBackup(bytes)
  for (;;) {
    const { done, value } = await reading.next()
    if (done === true) return value
  }
}

export interface ImportCounts {
  added: number
  /** Of these, those under another number than in the backup, as theirs was taken. */
  renumbered: number
  present: number
}

/** Adds what the ring does not have; what is there is left as it is. The backup has been checked before. */
export async function importRing(
  ring: KeyRing,
  bytes: AsyncIterable<Uint8Array>,
  onProgress: (records: number) => void = () => undefined,
): Promise<ImportCounts> {
  const counts: ImportCounts = { added: 0, renumbered: 0, present: 0 }
  for await (const batch of inBatches(byDek(readBackup(bytes)))) {
    await Promise.all(
      batch.map(async (generations) => {
        await importDek(ring, generations, counts)
        onProgress(generations.length)
      }),
    )
  }
  return counts
}

/**
 * A backup as the records of a ring that is only read, for objects whose store is not at hand. The file is read once for each DEK that is
 * asked for. It has been checked before.
 */
export function backupRecords(open: () => AsyncIterable<Uint8Array>): KeyRecords {
  const found = new Map<string, Buffer>()
  const readOnly = (): never => {
    throw new TypeError('expected a ring that can be written, got a backup')
  }
  return {
    create: async () => readOnly(),
    replace: async () => readOnly(),
    read: async (name) => found.get(name) ?? null,
    async *list(prefix) {
      for await (const { number, record } of readBackup(open())) {
        const name = recordName(record, number)
        if (!name.startsWith(prefix)) continue
        found.set(name, encodeRingRecord(record))
        yield { name, revision: '' }
      }
    },
  }
}

interface BackedUp {
  readonly number: number
  readonly record: RingRecord
}

async function importDek(ring: KeyRing, generations: readonly BackedUp[], counts: ImportCounts) {
  const [first] = generations
  if (first === undefined) return
  const { bucket, dekId } = first.record
  const taken = [...(await ring.numbersOf({ bucket, dekId }))]
  // What lies behind so many others that no reader comes to it is as good as lost.
  const present = await ring.read({ bucket, dekId, numbers: taken })
  const known = new Set(present.map(({ record }) => encodeRingRecord(record).toString('base64')))
  for (const { number, record } of generations) {
    const text = encodeRingRecord(record).toString('base64')
    if (known.has(text)) {
      counts.present += 1
      continue
    }
    known.add(text)
    const free = isReached(number, taken) ? number : nextGeneration(taken)
    if (!(await ring.add(free, record)))
      throw new RingError('somebody else adds records to the key ring; run it again')
    taken.push(free)
    counts.added += 1
    if (free !== number) counts.renumbered += 1
  }
}

/** True if the number is free, and readers come to it. */
function isReached(number: number, taken: readonly number[]): boolean {
  const behind = taken.filter((other) => other > number).length
  return number <= MAX_KEPT_NUMBER && !taken.includes(number) && behind < MAX_CONSIDERED
}

async function* byDek(records: AsyncIterable<BackedUp>): AsyncGenerator<readonly BackedUp[]> {
  let group: BackedUp[] = []
  for await (const item of records) {
    const { bucket, dekId } = item.record
    const last = group.at(-1)?.record
    if (last !== undefined && (last.bucket !== bucket || !last.dekId.equals(dekId))) {
      yield group
      group = []
    }
    group.push(item)
  }
  yield group
}

async function* readBackup(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<BackedUp, RingBackup> {
  const hash = createHash('sha256')
  let header: { realm: string; created: string } | undefined
  let end: { sha256: string } | undefined
  let records = 0
  const order = new Order()
  for await (const line of linesOf(bytes)) {
    if (end !== undefined) throw damaged('there is something behind its end')
    const value = parseLine(line)
    if (header === undefined) {
      header = parseHeader(value)
    } else if ('sha256' in value) {
      if (value['records'] !== records) throw damaged('records are missing')
      end = { sha256: String(value['sha256']) }
      continue
    } else {
      records += 1
      const parsed = parseRecord(value, header.realm)
      order.next(parsed)
      yield parsed
    }
    hash.update(line)
  }
  if (header === undefined || end === undefined) throw damaged('its end is missing')
  if (hash.digest('hex') !== end.sha256) throw damaged('its hash does not fit')
  return { ...header, records }
}

/** Holds the records of a backup to the order of their names, and to the number that a DEK may have. */
class Order {
  #last = ''
  #dek = ''
  #ofDek = new Set<string>()

  next({ number, record }: BackedUp): void {
    const name = recordName(record, number)
    if (name <= this.#last) throw damaged('its records are not in the order of their names')
    this.#last = name
    const dek = name.slice(0, name.lastIndexOf('/'))
    if (dek !== this.#dek) this.#ofDek = new Set()
    this.#dek = dek
    // The same record twice is what an import leaves behind.
    this.#ofDek.add(encodeRingRecord(record).toString('base64'))
    if (this.#ofDek.size > MAX_OF_DEK)
      throw new RingError(
        `the backup has more than ${MAX_OF_DEK} different records of one data key (${record.bucket}, ${record.dekId.toString('hex')}), which would hide those in the ring: somebody added to it, or to the store that it was made from. Take an earlier backup`,
      )
  }
}

function parseHeader({ format, version, realm, created }: Record<string, unknown>) {
  if (format !== FORMAT || typeof realm !== 'string' || realm === '')
    throw new RingError('it is no backup of a key ring (sealgate keys export makes one)')
  if (version !== VERSION) throw new RingError('it was made by a newer version of Sealgate')
  return { realm, created: String(created) }
}

function parseRecord({ generation, record: text }: Record<string, unknown>, realm: string): BackedUp {
  const bytes = Buffer.from(typeof text === 'string' ? text : '', 'base64')
  const record = bytes.toString('base64') === text ? parseRingRecord(bytes) : null
  const number = typeof generation === 'number' && Number.isInteger(generation) ? generation : 0
  if (record === null || number < 1 || number > 99_999_999) throw damaged('a line of it is no record')
  if (record.realm !== realm) throw damaged('a record is of another deployment')
  return { number, record }
}

function parseLine(line: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line.toString('utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>
  } catch {
    // Falls through: what it quotes of a line is of no use.
  }
  throw damaged('a line of it is not JSON')
}

/** Each with its line feed. */
async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0)
  for await (const chunk of bytes) {
    rest = Buffer.concat([rest, chunk])
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      yield rest.subarray(0, end + 1)
      rest = rest.subarray(end + 1)
    }
    if (rest.length > MAX_LINE_BYTES) throw damaged('a line of it is too long')
  }
  if (rest.length > 0) throw damaged('its end is missing')
}

async function* inBatches<T>(items: AsyncIterable<T>): AsyncGenerator<readonly T[]> {
  let batch: T[] = []
  for await (const item of items) {
    batch.push(item)
    if (batch.length < BATCH) continue
    yield batch
    batch = []
  }
  yield batch
}

function damaged(why: string): RingError {
  return new RingError(`the backup is damaged: ${why}`)
}
