import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { beforeEach, describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { isError, SealgateError } from '../../src/errors.ts'
import { type DataKey, DataKeys, type DataKeysOptions, KeyRing } from '../../src/keys/index.ts'
import { MemoryRecords } from '../lib/memory-records.ts'
import { WatchedKms } from '../lib/watched-kms.ts'

const CMK = 'local:0000000000000001'
const REALM = 'realm'
const HOUR_MS = 3_600_000

let now: number
let kms: WatchedKms
let records: MemoryRecords

beforeEach(() => {
  now = 1_700_000_000_000
  kms = new WatchedKms(REALM, [CMK])
  records = new MemoryRecords()
})

/** One replica: a process of its own that shares the store and the KMS with the others. */
function replica(more: Partial<DataKeysOptions> = {}): DataKeys {
  return new DataKeys({
    kms,
    realm: REALM,
    policy: () => ({ cmk: CMK, retired: [] }),
    ring: new KeyRing({ records, realm: REALM, now: () => now }),
    epoch: { maxAgeMs: HOUR_MS, maxObjects: 100, maxBytes: 10_000 },
    decryptCache: { maxEntries: 1000, maxAgeMs: HOUR_MS },
    now: () => now,
    ...more,
  })
}

const idOf = (dek: DataKey) => dek.dekId.toString('hex')

/** The ids of the DEKs that so many objects get, one after the other. */
async function sealed(keys: DataKeys, objects: number, bytes = 1, bucket = 'photos'): Promise<string[]> {
  const ids: string[] = []
  for (let n = 0; n < objects; n += 1) {
    ids.push(idOf(await keys.encrypting(bucket, bytes)))
    // A prefetch that is under way ends.
    await turn()
  }
  return ids
}

const distinct = (ids: readonly string[]) => new Set(ids).size

describe('an epoch', () => {
  it('ends at its number of objects, and the next one is there by then', async () => {
    const ids = await sealed(replica(), 250)
    assert.deepEqual([ids.lastIndexOf(ids[0]!), ids.lastIndexOf(ids[100]!), distinct(ids)], [99, 199, 3])
    assert.equal(kms.count('generateDataKey'), 3)
    await sealed(replica(), 89)
    assert.equal(kms.count('generateDataKey'), 4, 'no call ahead below nine tenths')
  })

  it('ends at its bytes, and an object above the limit gets a key of its own', async () => {
    const keys = replica()
    const ids = await sealed(keys, 9, 2000)
    assert.deepEqual([ids.lastIndexOf(ids[0]!), distinct(ids)], [4, 2])
    const [big] = await sealed(keys, 1, 50_000)
    const [after] = await sealed(keys, 1, 1)
    assert.ok(!ids.includes(big!) && after !== big)
  })

  it('counts the bytes that come later to the key that the object was begun under', async () => {
    const keys = replica()
    const upload = await keys.encrypting('photos', 0)
    keys.count('photos', upload.dekId, 9_999)
    keys.count('films', upload.dekId, 1)
    keys.count('photos', randomBytes(16), 1)
    const [still, next] = await sealed(keys, 2)
    assert.equal(still, idOf(upload))
    assert.notEqual(next, idOf(upload))
  })

  it('ends at its age', async () => {
    const keys = replica()
    const [first] = await sealed(keys, 1)
    now += HOUR_MS - 1
    assert.deepEqual(await sealed(keys, 1), [first])
    now += 1
    const [second] = await sealed(keys, 1)
    assert.notEqual(second, first)
  })

  it('is as long as configured, though the next one is made before its end', async () => {
    const keys = replica()
    const minutes: string[] = []
    for (let minute = 0; minute < 24 * 60; minute += 1) {
      minutes.push(...(await sealed(keys, 1)))
      now += 60_000
    }
    assert.deepEqual([distinct(minutes), kms.count('generateDataKey')], [24, 25])
  })

  it('that was made ahead does not outlive its age while its bucket sleeps', async () => {
    const keys = replica()
    await sealed(keys, 95)
    assert.equal(kms.count('generateDataKey'), 2)
    now += 10 * HOUR_MS
    await sealed(keys, 1)
    assert.equal(kms.count('generateDataKey'), 3)
  })

  it('that was made ahead ends soon after its age, also if its turn came late', async () => {
    const keys = replica({ graceMs: 0 })
    now += 1
    await sealed(keys, 1)
    now += 0.9 * HOUR_MS
    await sealed(keys, 1)
    assert.equal(kms.count('generateDataKey'), 2)
    const madeAt = now
    now = madeAt + HOUR_MS - 1
    kms.faults.set(CMK, 'disabled')
    const [second] = await sealed(keys, 1)
    now = madeAt + 1.1 * HOUR_MS - 1
    assert.deepEqual(await sealed(keys, 1), [second])
    now += 1
    await assert.rejects(keys.encrypting('photos', 1), (error) => isError(error, 'KMS.DisabledException'))
  })

  it('goes on beyond its limits while the KMS is away, but holds no more than twice as much', async () => {
    const inGrace = async (bytes: number) => {
      const keys = replica({ graceMs: HOUR_MS })
      kms.faults.clear()
      const [first] = await sealed(keys, 1, 0)
      kms.faults.set(CMK, 'unavailable')
      let objects = 1
      for (;;) {
        const dek = await keys.encrypting('photos', bytes).catch((error: unknown) => error)
        if (isError(dek, 'SlowDown')) break
        assert.equal(idOf(dek as DataKey), first)
        objects += 1
        now += 1
      }
      kms.faults.clear()
      assert.notEqual((await sealed(keys, 1, bytes))[0], first)
      return objects
    }
    assert.deepEqual([await inGrace(0), await inGrace(1000)], [200, 21])
  })

  it('that was ended by an order has no more grace than by its age', async () => {
    const keys = replica({ graceMs: HOUR_MS })
    await sealed(keys, 1)
    now += 1.5 * HOUR_MS
    keys.rotate(() => true)
    kms.faults.set(CMK, 'unavailable')
    await sealed(keys, 1)
    now += HOUR_MS / 2
    await assert.rejects(keys.encrypting('photos', 1), (error) => isError(error, 'SlowDown'))
  })

  it('is none if its wrapped key has a length that no record and no object has room for', async () => {
    for (const { length, takes } of [
      { length: 0, takes: false },
      { length: 1, takes: true },
      { length: 6144, takes: true },
      { length: 6145, takes: false },
    ]) {
      const generateDataKey = async () => ({ plaintext: randomBytes(32), wrapped: Buffer.alloc(length, 7) })
      records.map.clear()
      const keys = replica({ kms: { generateDataKey, encrypt: kms.encrypt, decrypt: kms.decrypt } })
      const made = await keys.encrypting('photos', 1).catch((error: unknown) => error)
      assert.equal(records.map.size, takes ? 1 : 0)
      if (takes) assert.equal((made as DataKey).wrapped.length, length)
      else
        assert.ok(
          isError(made, 'ServiceUnavailable') && (made.reason ?? '').startsWith('KMS: WrappedKeyLength'),
          `${length}`,
        )
    }
  })

  it('is made by one call at a time, whoever asks and for whatever', async () => {
    let running = 0
    let most = 0
    kms.delay = async () => {
      most = Math.max(most, ++running)
      for (let n = 0; n < 5; n += 1) await turn()
      running -= 1
    }
    const keys = replica({ epoch: { maxAgeMs: HOUR_MS, maxObjects: 10, maxBytes: 10_000 } })
    const made = await Promise.all(Array.from({ length: 200 }, (_, n) => keys.encrypting('photos', n * 90)))
    // The one that is made ahead ends.
    for (let n = 0; n < 20; n += 1) await turn()
    assert.equal(most, 1)
    assert.ok(made.every(({ plaintext }) => plaintext.some((byte) => byte !== 0)))
    assert.equal(records.map.size, kms.calls.length, 'each has its record')
  })

  it('is made only where the bucket is', async () => {
    const keys = replica({ admit: () => Promise.reject(new SealgateError('NoSuchBucket')) })
    await assert.rejects(keys.encrypting('made-up', 1), (error) => isError(error, 'NoSuchBucket'))
    assert.deepEqual([kms.calls, records.map.size], [[], 0])
  })

  it('of a bucket that is deleted and made again goes on', async () => {
    let there = true
    const keys = replica({
      admit: async () => {
        if (!there) throw new SealgateError('NoSuchBucket')
      },
    })
    const [before] = await sealed(keys, 1)
    there = false
    now += HOUR_MS
    await assert.rejects(keys.encrypting('photos', 1), (error) => isError(error, 'NoSuchBucket'))
    there = true
    const [after] = await sealed(keys, 1)
    assert.notEqual(after, before)
  })

  it('made ahead in vain is tried again a little later, not by every object', async () => {
    const keys = replica()
    await sealed(keys, 90)
    kms.faults.set(CMK, 'disabled')
    kms.calls.length = 0
    await sealed(keys, 5)
    assert.equal(kms.calls.length, 0, 'the one that was made ahead is there')
    const other = replica()
    kms.faults.clear()
    await sealed(other, 89)
    kms.faults.set(CMK, 'disabled')
    kms.calls.length = 0
    await sealed(other, 5)
    assert.equal(kms.calls.length, 1)
    now += 1001
    await sealed(other, 5)
    assert.equal(kms.calls.length, 2)
    kms.faults.clear()
    await sealed(other, 5)
    assert.equal(kms.calls.length, 3, 'the write that needs it')
  })

  it('whose record cannot be written seals nothing, and the one before it goes on to its end', async () => {
    const keys = replica()
    const [first] = await sealed(keys, 85)
    records.fault = new SealgateError('ServiceUnavailable')
    assert.equal(distinct([first!, ...(await sealed(keys, 15))]), 1)
    await assert.rejects(keys.encrypting('photos', 1), (error) => isError(error, 'ServiceUnavailable'))
    records.fault = undefined
    assert.notEqual((await sealed(keys, 1))[0], first)
  })
})

describe('data keys in memory', () => {
  it('are never handed out as zeroes, however many buckets push each other out', async () => {
    kms.delay = turn
    const keys = replica({ decryptCache: { maxEntries: 2, maxAgeMs: 50 }, graceMs: HOUR_MS })
    const made = await Promise.all(
      Array.from({ length: 300 }, (_, n) => keys.encrypting(`bucket-${n % 50}`, 1)),
    )
    const opened = await Promise.all(
      made.map(async (dek, n) => {
        if (n % 3 === 0) now += 100
        if (n % 20 === 0) kms.faults.set('*', 'unavailable')
        if (n % 20 === 5) kms.faults.clear()
        return keys.decrypting(`bucket-${n % 50}`, dek).catch(() => null)
      }),
    )
    for (const [n, dek] of made.entries()) {
      assert.ok(dek.plaintext.some((byte) => byte !== 0))
      const key = opened[n]
      if (key !== null) assert.ok(Buffer.from(key!).equals(Buffer.from(dek.plaintext)), `${n}`)
    }
    assert.ok(opened.some((key) => key !== null))
  })

  it('that a failed call would go on with, but that were dropped meanwhile, are refused', async () => {
    const keys = replica({ decryptCache: { maxEntries: 1, maxAgeMs: 1000 }, graceMs: HOUR_MS })
    const dek = await keys.encrypting('photos', 1)
    now += 1001
    kms.faults.set('*', 'unavailable')
    kms.delay = async () => {
      kms.delay = async () => undefined
      kms.faults.clear()
      // Pushes the one that is asked for out of the cache.
      await keys.encrypting('films', 1)
      kms.faults.set('*', 'unavailable')
    }
    await assert.rejects(keys.decrypting('photos', dek), (error) => isError(error, 'SlowDown'))
  })

  it('are zeroed when they are dropped and at the end, and copies are their owners', async () => {
    const keys = replica()
    const dek = await keys.encrypting('photos', 1)
    const copy = Buffer.from(dek.plaintext)
    dek.plaintext.fill(0)
    assert.ok((await keys.encrypting('photos', 1)).plaintext.some((byte) => byte !== 0))
    assert.deepEqual(Buffer.from(await keys.decrypting('photos', dek)), copy)
    keys.close()
    await assert.rejects(keys.encrypting('photos', 1), /closed/)
    await assert.rejects(keys.decrypting('photos', dek), /closed/)
  })

  it('the KMS answer itself is zeroed once all who waited have their copy', async () => {
    const dek = await replica().encrypting('photos', 1)
    const answers: Buffer[] = []
    const ask = kms.decrypt.bind(kms)
    kms.decrypt = async (...args) => {
      const answer = await ask(...args)
      answers.push(answer)
      return answer
    }
    const keys = replica()
    const copies = await Promise.all(Array.from({ length: 50 }, () => keys.decrypting('photos', dek)))
    await turn()
    await turn()
    assert.deepEqual(answers, [Buffer.alloc(32)])
    for (const copy of copies) assert.deepEqual(Buffer.from(copy), Buffer.from(dek.plaintext))
  })

  it('of ten thousand buckets at most: the one longest unused gets another', async () => {
    const keys = replica()
    const [first] = await sealed(keys, 1, 1, 'bucket-0')
    for (let n = 1; n <= 10_000; n += 1) await keys.encrypting(`bucket-${n}`, 1)
    assert.deepEqual((await sealed(keys, 1, 1, 'bucket-10000')).length, 1)
    assert.equal(kms.calls.length, 10_001)
    assert.notEqual((await sealed(keys, 1, 1, 'bucket-0'))[0], first)
  })
})

describe('a restart under load', () => {
  it('costs one unwrap for each data key that is met, however many ask at once', async () => {
    const writer = replica()
    const deks: DataKey[] = []
    for (let n = 0; n < 40; n += 1) {
      deks.push(await writer.encrypting('photos', 1))
      now += HOUR_MS
    }
    kms.calls.length = 0
    kms.delay = turn
    const restarted = replica()
    const readers = Array.from({ length: 2000 }, (_, n) => restarted.decrypting('photos', deks[n % 40]!))
    for (const key of await Promise.all(readers)) assert.equal(key.length, 32)
    assert.equal(kms.count('decrypt'), 40)
  })

  it('meets at most a thousand unknown ones at once, then a hundred a second', async () => {
    const keys = replica()
    const madeUp = () =>
      keys.decrypting('photos', { dekId: randomBytes(16), cmkId: CMK, wrapped: randomBytes(80) })
    const results = await Promise.allSettled(Array.from({ length: 1500 }, madeUp))
    const slow = results.filter((r) => r.status === 'rejected' && isError(r.reason, 'SlowDown')).length
    assert.deepEqual([slow, kms.count('decrypt')], [500, 1000])
    now += 1000
    await Promise.allSettled(Array.from({ length: 200 }, madeUp))
    assert.equal(kms.count('decrypt'), 1100)
    assert.equal((await keys.encrypting('photos', 1)).plaintext.length, 32, 'writing is not held up')
  })

  it('asks again about one that does not open only after a minute', async () => {
    const keys = replica()
    const madeUp = { dekId: randomBytes(16), cmkId: CMK, wrapped: randomBytes(80) }
    const refused = () =>
      assert.rejects(keys.decrypting('photos', madeUp), (error) => isError(error, 'ObjectIntegrityError'))
    for (let n = 0; n < 10; n += 1) await refused()
    now += 59_999
    await refused()
    assert.equal(kms.count('decrypt'), 1)
    now += 1
    await refused()
    assert.equal(kms.count('decrypt'), 2)
  })
})

it('whatever comes, a key that was handed out opens again in every replica and has its record', async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('seal' as const), by: fc.nat(1), bytes: fc.nat(4000) }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.nat(HOUR_MS) }),
    fc.record({ do: fc.constant('rotate' as const), by: fc.nat(1) }),
    fc.record({ do: fc.constant('fault' as const), on: fc.boolean() }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      kms.faults.clear()
      records.map.clear()
      const replicas = [replica({ graceMs: 1000 }), replica({ graceMs: 1000 })]
      const made: DataKey[] = []
      for (const s of steps) {
        if (s.do === 'wait') now += s.ms
        else if (s.do === 'rotate') replicas[s.by]!.rotate(() => true)
        else if (s.do === 'fault') s.on ? kms.faults.set('*', 'unavailable') : kms.faults.clear()
        else
          await replicas[s.by]!.encrypting('photos', s.bytes).then(
            (dek) => made.push(dek),
            (error) => assert.ok(isError(error, 'SlowDown'), String(error)),
          )
      }
      kms.faults.clear()
      for (const dek of made) {
        assert.ok(records.map.has(`v1/ring/photos/${idOf(dek)}/00000001`))
        for (const reader of [...replicas, replica()])
          assert.ok(Buffer.from(await reader.decrypting('photos', dek)).equals(Buffer.from(dek.plaintext)))
      }
    }),
    { numRuns: 60 },
  )
})
