import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { beforeEach, describe, it } from 'node:test'
import fc from 'fast-check'
import { checkBackup, exportRing, importRing, KeyRing, RingError } from '../../src/keys/index.ts'
import { commitTo, encodeRingRecord, type RingRecord } from '../../src/keys/key-ring-record.ts'
import { MemoryRecords } from '../lib/memory-records.ts'

const REALM = '5ea1ed00-0000-4000-8000-000000000001'
const CREATED = new Date('2026-01-02T03:04:05.000Z')

let records: MemoryRecords
let ring: KeyRing

beforeEach(() => {
  records = new MemoryRecords()
  ring = new KeyRing({ records, realm: REALM })
})

function record(bucket: string, dekId = randomBytes(16), realm = REALM): RingRecord {
  const commitment = commitTo(randomBytes(32), { realm, bucket, dekId })
  return { realm, bucket, dekId, cmkId: 'local:1', wrapped: randomBytes(80), created: 1, ...commitment }
}

/** DEKs of some buckets, each with one to three generations. */
async function fill(count = 20): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    const first = record(`bucket-${n % 3}`)
    for (let number = 1; number <= 1 + (n % 3); number += 1)
      await ring.add(number, { ...first, wrapped: randomBytes(80) })
  }
}

async function exported(counts = { records: 0, damaged: 0 }): Promise<Buffer> {
  const lines: string[] = []
  for await (const line of exportRing(ring, counts, CREATED)) lines.push(line)
  return Buffer.from(lines.join(''))
}

/** In pieces that end anywhere, as a file is read. */
async function* pieces(bytes: Buffer, size = 97): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

const refuses = (bytes: Buffer, why: RegExp) =>
  assert.rejects(checkBackup(pieces(bytes)), (error) => {
    assert.ok(error instanceof RingError, String(error))
    assert.match(error.message, why)
    return true
  })

describe('a backup of the key ring', () => {
  it('brings a lost ring back, record by record as it was', async () => {
    await fill()
    const before = new Map(records.map)
    const counts = { records: 0, damaged: 0 }
    const backup = await exported(counts)
    assert.deepEqual(counts, { records: before.size, damaged: 0 })
    assert.deepEqual(await checkBackup(pieces(backup)), {
      realm: REALM,
      created: '2026-01-02T03:04:05.000Z',
      records: before.size,
    })
    records.map.clear()
    let told = 0
    const imported = await importRing(ring, pieces(backup), (n) => (told += n))
    assert.deepEqual(imported, { added: before.size, renumbered: 0, present: 0 })
    assert.equal(told, before.size)
    assert.deepEqual(records.map, before)
    assert.deepEqual(await importRing(ring, pieces(backup)), {
      added: 0,
      renumbered: 0,
      present: before.size,
    })
    assert.deepEqual(await exported(), backup)
  })

  it('is JSON, a line for each record, and of an empty ring too', async () => {
    const empty = await exported()
    assert.equal((await checkBackup(pieces(empty))).records, 0)
    await fill(4)
    const lines = (await exported()).toString().trimEnd().split('\n')
    assert.equal(lines.length, records.map.size + 2)
    for (const line of lines) assert.equal(typeof JSON.parse(line), 'object')
  })

  it('adds what is missing, and brings a damaged record back under the next number', async () => {
    await fill(3)
    const backup = await exported()
    const [lost = '', overwritten = '', ...others] = [...records.map.keys()]
    const original = records.map.get(overwritten)!
    records.map.delete(lost)
    const garbage = randomBytes(50)
    records.map.set(overwritten, garbage)
    const kept = others.map((name) => [name, records.map.get(name)] as const)
    const imported = await importRing(ring, pieces(backup))
    assert.deepEqual(imported, { added: 2, renumbered: 1, present: others.length })
    assert.deepEqual(records.map.get(overwritten), garbage, 'nothing is overwritten')
    for (const [name, bytes] of kept) assert.deepEqual(records.map.get(name), bytes)
    const again = [...records.map].filter(([, bytes]) => bytes.equals(original))
    assert.equal(again.length, 1)
    assert.deepEqual((await importRing(ring, pieces(backup))).added, 0)
  })

  it('leaves out what is no record, and counts it', async () => {
    await fill(3)
    const sound = records.map.size
    const [name = ''] = [...records.map.keys()]
    records.map.set(name.replace(/\d{8}$/, '00000009'), randomBytes(100))
    records.map.set('v1/ring/bucket-0/nonsense', randomBytes(100))
    records.map.set('v1/ring/x/0123456789abcdef0123456789abcdef/00000001', encodeRingRecord(record('y')))
    const counts = { records: 0, damaged: 0 }
    await checkBackup(pieces(await exported(counts)))
    assert.deepEqual(counts, { records: sound, damaged: 3 })
  })

  it('that was cut anywhere is refused as a whole', async () => {
    await fill(2)
    const backup = await exported()
    for (let size = 0; size < backup.length; size += 1)
      await refuses(backup.subarray(0, size), /damaged|no backup/)
  })

  it('that was changed anywhere is refused as a whole', async () => {
    await fill(2)
    const backup = await exported()
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: backup.length - 1 }), fc.nat({ max: 7 }), async (at, bit) => {
        const changed = Buffer.from(backup)
        changed[at]! ^= 1 << bit
        await refuses(changed, /./)
      }),
      { numRuns: 300 },
    )
  })

  it('says what is wrong with a file that is none', async () => {
    await fill(2)
    const lines = (await exported()).toString().trimEnd().split('\n')
    const joined = (...parts: readonly string[]) => Buffer.from(`${parts.join('\n')}\n`)
    const [header = '', first = '', ...rest] = lines
    await refuses(Buffer.from('not a backup'), /end is missing/)
    await refuses(Buffer.from('not a backup\n'), /not JSON/)
    await refuses(Buffer.from('{"format":"something else"}\n'), /no backup of a key ring/)
    await refuses(joined(header.replace('"version":1', '"version":2'), first, ...rest), /newer version/)
    await refuses(joined(header, ...rest), /records are missing/)
    await refuses(joined(...lines, header), /something behind its end/)
    await refuses(joined(header, 'x'.repeat(100_000), first, ...rest), /too long/)
    await refuses(joined(header, '[]', ...rest), /not JSON/)
    await refuses(joined(header, '{"generation":0}', ...rest), /no record/)
    const stranger = encodeRingRecord(record('b', randomBytes(16), 'another')).toString('base64')
    await refuses(
      joined(header, JSON.stringify({ generation: 1, record: stranger }), ...rest),
      /another deployment/,
    )
  })
})

describe('a backup of the key ring that somebody changed', () => {
  const dek = record('photos')
  const of = (count: number, from = 1) =>
    Array.from({ length: count }, (_, at) => ({
      number: from + at,
      record: { ...dek, wrapped: randomBytes(80) },
    }))
  type Numbered = readonly { readonly number: number; readonly record: RingRecord }[]

  /** With a hash that fits. */
  function written(generations: Numbered): Buffer {
    const lines = [
      { format: 'sealgate key ring', version: 1, realm: REALM, created: CREATED.toISOString() },
      ...generations.map(({ number, record: bound }) => ({
        generation: number,
        record: encodeRingRecord(bound).toString('base64'),
      })),
    ].map((line) => `${JSON.stringify(line)}\n`)
    const sha256 = createHash('sha256').update(lines.join('')).digest('hex')
    return Buffer.from(`${lines.join('')}${JSON.stringify({ records: generations.length, sha256 })}\n`)
  }
  const considered = async () => {
    const found = await ring.generations(dek)
    return (wanted: Numbered) =>
      wanted.every(({ record: { wrapped } }) => found.some((other) => other.record.wrapped.equals(wrapped)))
  }

  it('is refused with more records of a data key than leave room for those that are there', async () => {
    await checkBackup(pieces(written(of(15))))
    await refuses(written(of(16)), /more than 15 different records of one data key/)
    await assert.rejects(importRing(ring, pieces(written(of(16)))), RingError)
    assert.equal(records.map.size, 0)
  })

  it('is refused with records in another order, or of one number', async () => {
    const [one, two] = of(2)
    const film = { number: 1, record: record('films') }
    await refuses(written([two!, one!]), /not in the order of their names/)
    await refuses(written([one!, one!]), /not in the order of their names/)
    await refuses(written([one!, film, two!]), /not in the order of their names/)
    const many = Array.from({ length: 3000 }, () => ({ ...one!, number: 99_999_999 }))
    await refuses(written(many), /not in the order of their names/)
  })

  it('leaves what is there in the sight of readers, whatever its numbers', async () => {
    const [good] = of(1)
    for (const from of [2, 500, 99_999_985]) {
      records.map.clear()
      await ring.add(1, good!.record)
      await importRing(ring, pieces(written(of(15, from))))
      assert.ok((await considered())([good!]), `from ${from}`)
      assert.ok(Math.max(...(await ring.numbersOf(dek))) < 1000)
    }
  })

  it('is made up for by the right one, which comes in front of what others brought', async () => {
    const good = of(2)
    const backup = written(good)
    await importRing(ring, pieces(backup))
    for (let times = 0; times < 3; times += 1) await importRing(ring, pieces(written(of(15, 2 + 20 * times))))
    assert.ok(!(await considered())(good))
    assert.deepEqual(await importRing(ring, pieces(backup)), { added: 2, renumbered: 2, present: 0 })
    assert.ok((await considered())(good))
    assert.deepEqual(await importRing(ring, pieces(backup)), { added: 0, renumbered: 0, present: 2 })
    // Some of it gone: a low number that is free is none that readers come to.
    for (const name of [...records.map.keys()].filter((other) => /0000000[12]$|[1-9]\d$/.test(other)))
      if (good.some(({ record: { wrapped } }) => records.map.get(name)!.includes(wrapped)))
        records.map.delete(name)
    assert.deepEqual(await importRing(ring, pieces(backup)), { added: 2, renumbered: 2, present: 0 })
    assert.ok((await considered())(good))
  })
})
