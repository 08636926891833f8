import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { beforeEach, describe, it } from 'node:test'
import fc from 'fast-check'
import { SealgateError } from '../../src/errors.ts'
import {
  type DataKey,
  DataKeys,
  type KeyPolicy,
  KeyRing,
  KmsError,
  type ReEncryptingKms,
  rewrap,
} from '../../src/keys/index.ts'
import { encodeRingRecord, parseRingRecord, type RingRecord } from '../../src/keys/key-ring-record.ts'
import type { RewrapOptions } from '../../src/keys/key-ring-rewrap.ts'
import { SIGN_IN_REFUSED } from '../../src/keys/kms/kms-error.ts'
import { MemoryRecords } from '../lib/memory-records.ts'
import { WatchedKms } from '../lib/watched-kms.ts'

const [OLD, NEW, NEXT, FOREIGN] = [1, 2, 3, 15].map((n) => `local:${n.toString(16).padStart(16, '0')}`) as [
  string,
  string,
  string,
  string,
]
const REALM = '5ea1ed00-0000-4000-8000-000000000001'

let records: MemoryRecords
let kms: WatchedKms
/** Whether it can re-encrypt by itself, and how often it did. */
let reEncrypting: boolean
let reEncrypted: number
let refuseReEncrypt: Error | undefined

beforeEach(() => {
  records = new MemoryRecords()
  kms = new WatchedKms(REALM, [OLD, NEW, NEXT, FOREIGN])
  reEncrypting = false
  reEncrypted = 0
  refuseReEncrypt = undefined
})

const moving: KeyPolicy = () => ({ cmk: NEW, retired: [OLD] })

function keysOf(policy: KeyPolicy): DataKeys {
  return new DataKeys({
    kms,
    realm: REALM,
    policy,
    ring: new KeyRing({ records, realm: REALM }),
    epoch: { maxAgeMs: 3_600_000, maxObjects: 1000, maxBytes: 2 ** 40 },
    decryptCache: { maxEntries: 1000, maxAgeMs: 3_600_000 },
  })
}

/** Data keys of a bucket, each with its record. */
async function made(count: number, bucket = 'photos', cmk = OLD): Promise<DataKey[]> {
  const deks: DataKey[] = []
  for (let n = 0; n < count; n += 1)
    deks.push(await keysOf(() => ({ cmk, retired: [] })).encrypting(bucket, 1))
  kms.calls.length = 0
  return deks
}

/** What happens inside of the service is no call of ours. */
const insider = (): ReEncryptingKms => ({
  generateDataKey: (...args) => kms.generateDataKey(...args),
  encrypt: (...args) => kms.encrypt(...args),
  decrypt: (...args) => kms.decrypt(...args),
  canReEncrypt: () => true,
  async reEncrypt(wrapped, from, to, context) {
    if (refuseReEncrypt !== undefined) throw refuseReEncrypt
    reEncrypted += 1
    return kms.wrap(to, await kms.unwrap(from, wrapped, context), context)
  },
})

const run = (more: Partial<RewrapOptions> = {}) =>
  rewrap({
    ring: new KeyRing({ records, realm: REALM }),
    kms,
    reEncrypting: () => (reEncrypting ? insider() : null),
    policy: moving,
    pattern: '*',
    dryRun: false,
    decrypt: true,
    callsPerSecond: 100,
    pause: async () => undefined,
    ...more,
  })

const figures = ({ dataKeys, current, moved, failed }: Awaited<ReturnType<typeof rewrap>>) => [
  dataKeys,
  current,
  moved,
  failed,
]

async function openWithoutOld(deks: readonly DataKey[], bucket = 'photos'): Promise<void> {
  kms.faults.set(OLD, 'not-found')
  const keys = keysOf(moving)
  for (const dek of deks)
    assert.ok(Buffer.from(await keys.decrypting(bucket, dek)).equals(Buffer.from(dek.plaintext)))
}

const nameOf = (dek: DataKey, number: number, bucket = 'photos') =>
  `v1/ring/${bucket}/${dek.dekId.toString('hex')}/${String(number).padStart(8, '0')}`
const recordOf = (dek: DataKey, number = 1): RingRecord =>
  parseRingRecord(records.map.get(nameOf(dek, number))!)!
const put = (dek: DataKey, number: number, change: Partial<RingRecord>) =>
  records.map.set(nameOf(dek, number), encodeRingRecord({ ...recordOf(dek), ...change }))
const contextOf = (dek: DataKey) => ({ realm: REALM, bucket: 'photos', dekId: dek.dekId.toString('hex') })

describe('rewrap', () => {
  it('moves every data key to the current CMK, after which the old one may be gone', async () => {
    const deks = [...(await made(30)), ...(await made(5, 'photos', NEW))]
    const films = await made(3, 'films')
    const totals: number[] = []
    assert.deepEqual(figures(await run({ onProgress: (total) => totals.push(total) })), [38, 5, 33, 0])
    assert.deepEqual(
      totals,
      Array.from({ length: 38 }, () => 38),
    )
    await openWithoutOld(deks)
    await openWithoutOld(films, 'films')
  })

  it('skips what is done, changes nothing that is there, and costs three calls for each key', async () => {
    await made(10)
    const before = new Map(records.map)
    const report = await run()
    assert.deepEqual(report.moves, [{ from: OLD, to: NEW, dataKeys: 10, reEncrypted: 0 }])
    assert.deepEqual([kms.count('decrypt'), kms.count('encrypt')], [20, 10])
    for (const [name, bytes] of before) assert.deepEqual(records.map.get(name), bytes)
    kms.calls.length = 0
    assert.deepEqual(figures(await run()), [10, 10, 0, 0])
    assert.deepEqual([kms.count('decrypt'), kms.count('encrypt'), records.map.size], [10, 0, 20])
  })

  it('changes nothing in a dry run, and says what there is to do', async () => {
    const [broken] = await made(10)
    records.map.set(nameOf(broken!, 1), randomBytes(100))
    const before = new Map(records.map)
    const report = await run({ dryRun: true })
    assert.deepEqual(figures(report), [10, 0, 9, 1])
    assert.deepEqual([kms.count('encrypt'), kms.count('generateDataKey')], [0, 0])
    assert.deepEqual(records.map, before)
  })

  it('moves the buckets of a pattern only', async () => {
    for (const bucket of ['photos', 'photos-2', 'photography', 'films']) await made(2, bucket)
    assert.deepEqual(figures(await run({ pattern: 'photos' })), [2, 0, 2, 0])
    assert.deepEqual(figures(await run({ pattern: 'photo*' })), [6, 2, 4, 0])
    assert.deepEqual(figures(await run({ pattern: '*ms' })), [2, 0, 2, 0])
  })

  it('leaves the plaintext inside a key service that re-encrypts, but for the proof', async () => {
    const deks = await made(10)
    reEncrypting = true
    const report = await run()
    assert.deepEqual(report.moves, [{ from: OLD, to: NEW, dataKeys: 10, reEncrypted: 10 }])
    assert.deepEqual([reEncrypted, kms.cmks()], [10, Array(10).fill(NEW)])
    await openWithoutOld(deks)
  })

  it('opens nothing at all with --no-decrypt, and what is made so proves itself to its first reader', async () => {
    const deks = await made(10)
    reEncrypting = true
    assert.deepEqual(figures(await run({ decrypt: false })), [10, 0, 10, 0])
    assert.deepEqual(kms.calls, [])
    await openWithoutOld(deks)
    reEncrypting = false
    assert.deepEqual(figures(await run({ decrypt: false })), [10, 10, 0, 0])
    kms.faults.clear()
    await made(1)
    const report = await run({ decrypt: false })
    assert.match(report.failures[0]?.reason ?? '', /no key service re-encrypts .* by itself/)
  })

  it('unwraps and wraps where re-encrypting is not allowed', async () => {
    const deks = await made(3)
    reEncrypting = true
    refuseReEncrypt = new KmsError('denied', 'AccessDenied', 'no')
    const report = await run()
    assert.deepEqual(report.moves, [{ from: OLD, to: NEW, dataKeys: 3, reEncrypted: 0 }])
    await made(1)
    assert.equal((await run({ decrypt: false })).failed, 1)
    await openWithoutOld(deks)
  })

  it('goes on after a second change of CMK, and back again', async () => {
    const deks = await made(5)
    await run()
    kms.faults.set(OLD, 'disabled')
    const onwards: KeyPolicy = () => ({ cmk: NEXT, retired: [OLD, NEW] })
    assert.deepEqual(figures(await run({ policy: onwards })), [5, 0, 5, 0])
    kms.faults.set(NEW, 'disabled')
    const keys = keysOf(onwards)
    for (const dek of deks) assert.equal((await keys.decrypting('photos', dek)).length, 32)
    kms.faults.clear()
    const back: KeyPolicy = () => ({ cmk: OLD, retired: [NEW, NEXT] })
    assert.deepEqual(figures(await run({ policy: back })), [5, 5, 0, 0], 'the first generation is under it')
  })

  it('may run several times at once', async () => {
    const deks = await made(40)
    const reports = await Promise.all([run(), run(), run()])
    for (const report of reports) assert.deepEqual([report.failed, report.stopped], [0, null])
    for (const { current, moved } of reports) assert.equal(current + moved, 40)
    assert.equal(
      reports.reduce((sum, { moved }) => sum + moved, 0),
      40,
    )
    assert.equal(records.map.size, 80)
    await openWithoutOld(deks)
  })

  it('may be stopped at any moment and run again', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 120 }), async (calls) => {
        records.map.clear()
        kms.faults.clear()
        const deks = await made(12)
        let left = calls
        const dying = new Proxy(records, {
          get: (target, name: keyof MemoryRecords) => {
            const value = target[name]
            if (typeof value !== 'function') return value
            return (...args: never[]) => {
              if (left-- <= 0) throw new Error('killed')
              return (value as (...args: never[]) => unknown).apply(target, args)
            }
          },
        })
        await run({ ring: new KeyRing({ records: dying, realm: REALM }) }).catch(() => undefined)
        const report = await run()
        assert.deepEqual([report.dataKeys, report.failed], [12, 0])
        await openWithoutOld(deks)
      }),
      { numRuns: 25 },
    )
  })
})

describe('rewrap among records of a hostile store', () => {
  it('takes no record for done that does not open', async () => {
    const [forged, garbage, foreign, swapped] = await made(4)
    put(forged!, 2, { cmkId: NEW, wrapped: randomBytes(80) })
    records.map.set(nameOf(garbage!, 2), randomBytes(200))
    put(foreign!, 2, {
      cmkId: FOREIGN,
      wrapped: await kms.wrap(FOREIGN, foreign!.plaintext, contextOf(foreign!)),
    })
    put(swapped!, 2, { cmkId: NEW, wrapped: await kms.wrap(NEW, randomBytes(32), contextOf(swapped!)) })
    const report = await run()
    assert.deepEqual(figures(report), [4, 0, 4, 0])
    await openWithoutOld([forged!, garbage!, foreign!, swapped!])
  })

  it('moves from an older generation where the newest is damaged, and past the last number there is', async () => {
    const [dek] = await made(1)
    put(dek!, 2, { cmkId: OLD, wrapped: randomBytes(80) })
    records.map.set(nameOf(dek!, 99_999_999), randomBytes(10))
    assert.deepEqual(figures(await run()), [1, 0, 1, 0])
    assert.ok(records.map.has(nameOf(dek!, 3)))
    await openWithoutOld([dek!])
  })

  it('says which data keys cannot be moved, and why', async () => {
    const [damaged, disallowed, fine] = await made(3)
    records.map.set(nameOf(damaged!, 1), Buffer.from('nothing'))
    put(disallowed!, 1, { cmkId: FOREIGN })
    await records.replace('v1/ring/photos/not-an-id/00000001', Buffer.from('x'))
    const report = await run()
    assert.deepEqual([figures(report), report.strangers], [[3, 0, 1, 2], 1])
    const reasons = new Map(report.failures.map(({ dekId, reason }) => [dekId, reason]))
    assert.match(reasons.get(damaged!.dekId.toString('hex')) ?? '', /damaged; sealgate keys import/)
    assert.match(reasons.get(disallowed!.dekId.toString('hex')) ?? '', /000f is not allowed for this bucket/)
    await openWithoutOld([fine!])
  })

  it('writes nothing that does not open, whatever the key service answers', async () => {
    await made(3)
    const wrap = kms.encrypt.bind(kms)
    kms.encrypt = (cmkId, _plaintext, context) => wrap(cmkId, randomBytes(32), context)
    const report = await run()
    assert.deepEqual([report.failed, records.map.size], [3, 3])
    assert.match(report.failures[0]?.reason ?? '', /not the one that its record in the key ring was made for/)
  })

  it('trusts no store that says it has written', async () => {
    await made(1)
    records.create = async () => true
    assert.match((await run()).failures[0]?.reason ?? '', /does not give back the record/)
  })
})

describe('rewrap and the quota of a key service', () => {
  it('keeps its calls apart, so that gateways have room, but none about a keyring', async () => {
    const cloud = 'tencent:11111111-2222-3333-4444-555555555555'
    kms = new WatchedKms(REALM, [OLD, NEW, cloud])
    await made(4)
    const at: number[] = []
    kms.delay = async () => at.push(performance.now())
    const policy: KeyPolicy = () => ({ cmk: cloud, retired: [OLD] })
    await run({ policy, callsPerSecond: 50 })
    const cloudCalls = at.filter((_, n) => kms.calls[n]?.cmkId === cloud)
    assert.deepEqual([cloudCalls.length, kms.calls.length], [8, 12])
    // Timers may be early by a part of a millisecond.
    assert.ok((cloudCalls.at(-1) ?? 0) - (cloudCalls[0] ?? 0) >= 7 * 20 - 5)
  })
})

describe('rewrap and a key service that fails', () => {
  it('waits for what passes, and gives up in good order', async () => {
    await made(20)
    const waits: number[] = []
    kms.faults.set('*', 'throttled')
    const pause = async (ms: number) => {
      waits.push(ms)
      if (waits.length === 12) kms.faults.clear()
    }
    assert.deepEqual(figures(await run({ pause })), [20, 0, 20, 0])
    assert.ok(waits.length >= 12)
    kms.faults.set('*', 'unavailable')
    const stopped = await run()
    assert.match(stopped.stopped ?? '', /Watched/)
    assert.deepEqual(figures(stopped), [20, 0, 0, 0])
    kms.faults.clear()
    let calls = 0
    const nobody = async () => {
      calls += 1
      throw new KmsError('denied', SIGN_IN_REFUSED, 'nobody is let in')
    }
    const locked = await run({ kms: { generateDataKey: nobody, encrypt: nobody, decrypt: nobody } })
    assert.match(locked.stopped ?? '', /nobody is let in/)
    assert.deepEqual(figures(locked), [20, 0, 0, 0])
    assert.ok(calls <= 8, 'one of each worker')
  })

  it('waits for a store that is busy too, and does not take a broken one for a damaged record', async () => {
    await made(2)
    let faults = 3
    const read = records.read.bind(records)
    records.read = async (...args) => {
      if (faults-- > 0) throw new SealgateError('SlowDown')
      return read(...args)
    }
    assert.deepEqual(figures(await run()), [2, 0, 2, 0])
    records.read = async () => {
      throw new SealgateError('InternalError')
    }
    await assert.rejects(run(), /internal error/)
  })

  it('names the CMK that does not permit it, and goes on with the others', async () => {
    await made(3)
    await made(2, 'films', NEXT)
    kms.faults.set(OLD, 'disabled')
    const report = await run({ policy: () => ({ cmk: NEW, retired: [OLD, NEXT] }) })
    assert.deepEqual(figures(report), [5, 0, 2, 3])
    assert.match(report.failures[0]?.reason ?? '', /0001: Watched/)
  })

  it('reports the first hundred failures of many, and all in number', async () => {
    await made(130)
    kms.faults.set(OLD, 'denied')
    const report = await run()
    assert.deepEqual([report.failed, report.failures.length], [130, 100])
  })
})
