import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { bucketPattern, DataKeys, KeyRing, orderRotation, RotationWatch } from '../../src/keys/index.ts'
import { MemoryRecords } from '../lib/memory-records.ts'
import { WatchedKms } from '../lib/watched-kms.ts'

const CMK = 'local:0000000000000001'
const REALM = 'realm'
const HOUR_MS = 3_600_000

let records: MemoryRecords
let kms: WatchedKms
let now: number

beforeEach(() => {
  records = new MemoryRecords()
  kms = new WatchedKms(REALM, [CMK])
  now = 1_700_000_000_000
})

function replica(graceMs = 0): DataKeys {
  return new DataKeys({
    kms,
    realm: REALM,
    policy: () => ({ cmk: CMK, retired: [] }),
    ring: new KeyRing({ records, realm: REALM }),
    epoch: { maxAgeMs: HOUR_MS, maxObjects: 10, maxBytes: 10_000 },
    decryptCache: { maxEntries: 100, maxAgeMs: HOUR_MS },
    graceMs,
    now: () => now,
  })
}

const idOf = async (keys: DataKeys, bucket = 'photos') =>
  (await keys.encrypting(bucket, 1)).dekId.toString('hex')

/** What a watch of one process has been ordered, as the buckets of a few that it means. */
function watching(pollMs = HOUR_MS) {
  const orders: string[][] = []
  const failures: unknown[] = []
  const watch = new RotationWatch({
    records,
    pollMs,
    onOrder: (matches) => orders.push(['photos', 'photos-2', 'films'].filter(matches)),
    onFailure: (error) => failures.push(error),
  })
  return { watch, orders, failures }
}

describe('an order to rotate', () => {
  it('is seen once by each process that runs, and by none that starts later', async () => {
    const [one, two] = [watching(), watching()]
    await Promise.all([one.watch.look(), two.watch.look()])
    await orderRotation(records, '*')
    await one.watch.look()
    await one.watch.look()
    await two.watch.look()
    const three = watching()
    await three.watch.look()
    await three.watch.look()
    const all = [['photos', 'photos-2', 'films']]
    assert.deepEqual([one.orders, two.orders, three.orders], [all, all, []])
    await orderRotation(records, '*')
    for (const { watch } of [one, two, three]) await watch.look()
    assert.deepEqual([one.orders.length, two.orders.length, three.orders.length], [2, 2, 1])
  })

  it('means the buckets of its pattern', async () => {
    const { watch, orders } = watching()
    await watch.look()
    for (const pattern of ['photos', 'photos-*', 'f*s', 'nothing']) {
      await orderRotation(records, pattern)
      await watch.look()
    }
    assert.deepEqual(orders, [['photos'], ['photos-2'], ['films'], []])
    await orderRotation(records, 'photos')
    await orderRotation(records, 'films')
    await watch.look()
    assert.deepEqual(orders.at(-1), ['photos', 'films'])
    await assert.rejects(orderRotation(records, 'a/b'), RangeError)
    await assert.rejects(orderRotation(records, ''), RangeError)
  })

  it('is looked for again after a look that failed, and as often as configured', async () => {
    const { watch, orders, failures } = watching(40)
    await watch.start()
    records.fault = new Error('away')
    await orderRotation(records, '*').catch(() => undefined)
    await sleep(150)
    assert.ok(failures.length >= 2)
    records.fault = undefined
    await orderRotation(records, '*')
    for (let waited = 0; waited < 5000 && orders.length === 0; waited += 10) await sleep(10)
    assert.equal(orders.length, 1)
    watch.stop()
    const looks = records.calls.list
    await sleep(100)
    assert.equal(records.calls.list, looks)
  })

  it('that is garbage means nothing, and a flood of them all buckets', async () => {
    const { watch, orders } = watching()
    await watch.look()
    for (const name of ['', '%%', 'A_', Buffer.from('a/b').toString('base64url')])
      await records.replace(`v1/rotate/${name}`, Buffer.from('x'))
    await watch.look()
    assert.deepEqual(orders, [])
    for (let n = 0; n < 60; n += 1) await orderRotation(records, `bucket-${n}`)
    await watch.look()
    assert.deepEqual(orders, [['photos', 'photos-2', 'films']])
    for (let n = 0; n < 5000; n += 1) await records.replace(`v1/rotate/${n}`, Buffer.from('x'))
    await watch.look()
  })
})

describe('an epoch that is ended by order', () => {
  it('is followed by a new one in the buckets that are meant, and what it sealed still opens', async () => {
    const keys = replica()
    const [photos, films] = [await keys.encrypting('photos', 1), await idOf(keys, 'films')]
    keys.rotate(bucketPattern('photos'))
    assert.notEqual(await idOf(keys), photos.dekId.toString('hex'))
    assert.equal(await idOf(keys, 'films'), films)
    assert.equal((await keys.decrypting('photos', photos)).length, 32)
    assert.equal(kms.count('generateDataKey'), 3)
  })

  it('is not followed by one that was made ahead before the order', async () => {
    const keys = replica()
    for (let n = 0; n < 9; n += 1) await idOf(keys)
    await sleep(1)
    const ahead = [...records.map.keys()].at(-1)!
    assert.equal(kms.count('generateDataKey'), 2)
    keys.rotate(() => true)
    assert.ok(!ahead.includes(await idOf(keys)))
  })

  it('is not followed by one that was being made when the order came', async () => {
    const keys = replica()
    let order = () => keys.rotate(() => true)
    kms.delay = async () => {
      order()
      order = () => undefined
    }
    const sealed = await idOf(keys)
    assert.equal(kms.count('generateDataKey'), 2)
    assert.ok([...records.map.keys()][1]!.includes(sealed), 'it is sealed under the second')
  })

  it('goes on for the time of grace from the order on, while the KMS does not answer', async () => {
    const keys = replica(1000)
    const first = await idOf(keys)
    now += HOUR_MS / 2
    keys.rotate(() => true)
    kms.faults.set('*', 'unavailable')
    assert.equal(await idOf(keys), first)
    now += 2001
    await assert.rejects(keys.encrypting('photos', 1), /key service does not answer/)
    kms.faults.clear()
    assert.notEqual(await idOf(keys), first)
  })
})

it('a pattern of buckets means what a regular expression would', () => {
  const letters = fc.array(fc.constantFrom('a', 'b', '-', '.'), { maxLength: 8 }).map((l) => l.join(''))
  const pattern = fc.array(fc.constantFrom('a', 'b', '-', '.', '*'), { maxLength: 8 }).map((l) => l.join(''))
  fc.assert(
    fc.property(pattern, letters, (text, bucket) => {
      const expected = new RegExp(`^${text.replaceAll('.', '\\.').replaceAll('*', '.*')}$`).test(bucket)
      assert.equal(bucketPattern(text)(bucket), expected)
    }),
    { numRuns: 2000 },
  )
  const slow = bucketPattern(`${'a*'.repeat(30)}b`)
  assert.equal(slow('a'.repeat(63)), false)
})
