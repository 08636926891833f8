import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { beforeEach, describe, it } from 'node:test'
import fc from 'fast-check'
import { isError, SealgateError } from '../../src/errors.ts'
import { type DataKey, DataKeys, KeyRing } from '../../src/keys/index.ts'
import { encodeRingRecord, parseRingRecord, type RingRecord } from '../../src/keys/key-ring-record.ts'
import { MemoryRecords } from '../lib/memory-records.ts'
import { WatchedKms } from '../lib/watched-kms.ts'

const [OLD, NEW, FOREIGN] = ['local:0000000000000001', 'local:0000000000000002', 'local:000000000000000f']
const REALM = '5ea1ed00-0000-4000-8000-000000000001'
const BETWEEN = 'local:0000000000000003'

let records: MemoryRecords
let kms: WatchedKms

beforeEach(() => {
  records = new MemoryRecords()
  kms = new WatchedKms(REALM, [OLD, NEW, FOREIGN, BETWEEN])
})

const ring = () => new KeyRing({ records, realm: REALM, now: () => 1_700_000_000_000 })

/** A process of its own: nothing is remembered. */
function dataKeys(cmk: string, retired: readonly string[] = [], now = Date.now): DataKeys {
  return new DataKeys({
    kms,
    realm: REALM,
    policy: () => ({ cmk, retired }),
    ring: ring(),
    epoch: { maxAgeMs: 3_600_000, maxObjects: 1000, maxBytes: 2 ** 40 },
    decryptCache: { maxEntries: 100, maxAgeMs: 3_600_000 },
    now,
  })
}

const make = (bucket = 'photos', cmk = OLD) => dataKeys(cmk).encrypting(bucket, 1)
const nameOf = (dek: DataKey, number: number, bucket = 'photos') =>
  `v1/ring/${bucket}/${dek.dekId.toString('hex')}/${String(number).padStart(8, '0')}`

/** What `rewrap` adds: the same DEK under another CMK. */
async function moved(dek: DataKey, cmkId = NEW, bucket = 'photos'): Promise<RingRecord> {
  const first = parseRingRecord(records.map.get(nameOf(dek, 1, bucket))!)!
  const context = { realm: REALM, bucket, dekId: dek.dekId.toString('hex') }
  return { ...first, cmkId, wrapped: await kms.wrap(cmkId, dek.plaintext, context) }
}

const put = (dek: DataKey, number: number, record: RingRecord) =>
  records.map.set(nameOf(dek, number), encodeRingRecord(record))

async function opens(dek: DataKey, bucket = 'photos'): Promise<void> {
  kms.calls.length = 0
  const key = await dataKeys(NEW, [OLD]).decrypting(bucket, dek)
  assert.deepEqual(Buffer.from(key), Buffer.from(dek.plaintext))
}

const refuses = (promise: Promise<unknown>, ...kinds: Parameters<typeof isError>[1][]) =>
  assert.rejects(promise, (error) => isError(error, ...kinds))

describe('the key ring', () => {
  it('holds a DEK before it is used, and none is used that it does not hold', async () => {
    const dek = await make()
    const record = parseRingRecord(records.map.get(nameOf(dek, 1))!)!
    assert.equal(records.map.size, 1)
    assert.deepEqual(
      [record.realm, record.bucket, record.cmkId, record.created],
      [REALM, 'photos', OLD, 1_700_000_000_000],
    )
    assert.ok(record.dekId.equals(dek.dekId) && record.wrapped.equals(dek.wrapped))
    assert.ok(!records.map.get(nameOf(dek, 1))!.includes(Buffer.from(dek.plaintext)))
    records.fault = new SealgateError('ServiceUnavailable')
    await refuses(make(), 'ServiceUnavailable')
    records.fault = undefined
    records.create = async () => false
    await assert.rejects(make(), /holds another record/)
  })

  it('takes its own record for written when the store says that one is there', async () => {
    const write = records.create.bind(records)
    records.create = async (name, bytes) => {
      await write(name, bytes)
      return false
    }
    assert.equal((await make()).plaintext.length, 32)
  })

  it('is not asked for what the current CMK wrapped', async () => {
    const dek = await make('photos', NEW)
    records.fault = new Error('asked')
    await opens(dek)
    assert.deepEqual(kms.cmks(), [NEW])
  })

  it('opens under the current CMK what was moved there, so that the old one may be gone', async () => {
    const dek = await make()
    put(dek, 2, await moved(dek))
    kms.faults.set(OLD, 'disabled')
    await opens(dek)
    assert.deepEqual(kms.cmks(), [NEW])
  })

  it('leaves what was not moved to the envelope itself', async () => {
    const dek = await make()
    await opens(dek)
    assert.deepEqual(kms.cmks(), [OLD], 'generation 1 is what the envelope has: it is tried once')
    records.map.clear()
    await opens(dek)
    kms.faults.set(OLD, 'disabled')
    await refuses(opens(dek), 'KMS.DisabledException')
  })

  it('opens a DEK that another retired CMK has, when its own is gone', async () => {
    const dek = await make()
    put(dek, 2, await moved(dek, BETWEEN))
    kms.faults.set(OLD, 'disabled')
    const key = await dataKeys(NEW, [OLD, BETWEEN]).decrypting('photos', dek)
    assert.deepEqual(Buffer.from(key), Buffer.from(dek.plaintext))
  })

  it('is asked once by all who wait, and not again for what is remembered', async () => {
    const dek = await make()
    put(dek, 2, await moved(dek))
    const keys = dataKeys(NEW, [OLD])
    kms.calls.length = 0
    await Promise.all(Array.from({ length: 100 }, () => keys.decrypting('photos', dek)))
    await keys.decrypting('photos', dek)
    assert.deepEqual([kms.cmks(), records.calls.list, records.calls.read], [[NEW], 1, 2])
  })
})

describe('a store that tampers with the key ring', () => {
  it('wins nothing by putting an old generation over a new one', async () => {
    const dek = await make()
    put(dek, 2, await moved(dek))
    for (const number of [3, 50, 99_999_999])
      records.map.set(nameOf(dek, number), records.map.get(nameOf(dek, 1))!)
    kms.faults.set(OLD, 'disabled')
    await opens(dek)
    assert.deepEqual(kms.cmks(), [NEW])
  })

  it('cannot bring in a record of another DEK, bucket or deployment, and no call is made for one', async () => {
    const [dek, other] = [await make(), await make()]
    const elsewhere = await make('films')
    put(dek, 2, await moved(dek))
    put(dek, 3, await moved(other))
    put(dek, 4, await moved(elsewhere, NEW, 'films'))
    // Such as would each cost a call that fails.
    const stray = { ...(await moved(dek)), wrapped: randomBytes(80) }
    put(dek, 5, { ...stray, bucket: 'films' })
    put(dek, 6, { ...stray, realm: 'another' })
    await opens(dek)
    assert.deepEqual(kms.cmks(), [NEW])
  })

  it('cannot rename a record of another DEK: the KMS has it bound', async () => {
    const [dek, other] = [await make(), await make()]
    put(dek, 2, await moved(dek))
    put(dek, 3, { ...(await moved(other)), dekId: dek.dekId })
    await opens(dek)
    assert.deepEqual(kms.cmks(), [NEW, NEW])
  })

  it('cannot have a DEK opened under a CMK that the bucket does not allow', async () => {
    const dek = await make()
    put(dek, 2, await moved(dek, FOREIGN))
    kms.faults.set(OLD, 'disabled')
    await refuses(opens(dek), 'KMS.DisabledException')
    assert.ok(!kms.cmks().includes(FOREIGN))
  })

  it('cannot have another key taken for the DEK, also where the KMS wrapped it for this DEK', async () => {
    const dek = await make()
    const context = { realm: REALM, bucket: 'photos', dekId: dek.dekId.toString('hex') }
    put(dek, 2, await moved(dek))
    put(dek, 3, { ...(await moved(dek)), wrapped: await kms.wrap(NEW, randomBytes(32), context) })
    await opens(dek)
    assert.deepEqual(kms.cmks(), [NEW, NEW])
  })

  it('reaches by garbage, floods and deletion only that a DEK does not open', async () => {
    const dek = await make()
    put(dek, 2, await moved(dek))
    kms.faults.set(OLD, 'disabled')
    const intact = records.map.get(nameOf(dek, 2))!
    for (const bytes of [Buffer.alloc(0), randomBytes(300), Buffer.alloc(100_000, 1), intact.subarray(1)]) {
      records.map.set(nameOf(dek, 3), bytes)
      await opens(dek)
    }
    records.map.set(`${nameOf(dek, 3)}/deeper`, intact)
    records.map.set(nameOf(dek, 3).replace('00000003', '0000000x'), intact)
    await opens(dek)
    for (let number = 4; number < 1500; number += 1)
      put(dek, number, { ...(await moved(dek)), dekId: dek.dekId })
    records.calls.read = 0
    await opens(dek)
    assert.equal(records.calls.read, 16)
    for (const name of [...records.map.keys()]) if (!name.endsWith('/00000001')) records.map.delete(name)
    await refuses(opens(dek), 'KMS.DisabledException')
    records.map.set(nameOf(dek, 2), intact)
    await opens(dek)
  })

  it('gains nothing from any single bit of a record', async () => {
    const dek = await make()
    put(dek, 2, await moved(dek))
    kms.faults.set(OLD, 'disabled')
    const intact = records.map.get(nameOf(dek, 2))!
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: intact.length * 8 - 1 }), async (bit) => {
        const changed = Buffer.from(intact)
        changed[bit >> 3]! ^= 1 << (bit & 7)
        records.map.set(nameOf(dek, 2), changed)
        // The time is all that nothing is decided by.
        const same = parseRingRecord(changed)
        if (same !== null && encodeRingRecord({ ...same, created: 1_700_000_000_000 }).equals(intact))
          return opens(dek)
        return refuses(opens(dek), 'KMS.DisabledException', 'KMS.NotFoundException')
      }),
      { numRuns: 300 },
    )
  })

  it('cannot flood the KMS with records that do not open', async () => {
    const forged = await make()
    const context = { realm: REALM, bucket: 'photos', dekId: forged.dekId.toString('hex') }
    for (let number = 2; number < 17; number += 1)
      put(forged, number, {
        ...(await moved(forged)),
        wrapped: await kms.wrap(NEW, randomBytes(32), context),
      })
    kms.faults.set(OLD, 'disabled')
    // All in one moment, however long it takes.
    const keys = dataKeys(NEW, [OLD], () => 0)
    kms.calls.length = 0
    for (let n = 0; n < 200; n += 1)
      await keys.decrypting('photos', { ...forged, wrapped: randomBytes(80) }).catch(() => undefined)
    assert.ok(kms.calls.length <= 1000, `${kms.calls.length} calls`)
    await refuses(keys.decrypting('photos', { ...forged, wrapped: randomBytes(80) }), 'SlowDown')
  })

  it('by not answering makes nothing unreadable for longer than it does not answer', async () => {
    const dek = await make()
    put(dek, 2, await moved(dek))
    records.fault = new SealgateError('ServiceUnavailable')
    await opens(dek)
    kms.faults.set(OLD, 'disabled')
    const keys = dataKeys(NEW, [OLD])
    await refuses(keys.decrypting('photos', dek), 'ServiceUnavailable')
    records.fault = undefined
    assert.equal((await keys.decrypting('photos', dek)).length, 32)
  })
})
