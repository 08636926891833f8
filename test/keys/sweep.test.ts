import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'
import { type DataKey, DataKeys, KeyRing } from '../../src/keys/index.ts'
import { MemoryRecords } from '../lib/memory-records.ts'
import { WatchedKms } from '../lib/watched-kms.ts'

const CMK = 'local:0000000000000001'
const AGE_MS = 3_600_000
const GRACE_MS = 900_000
const SWEEP_MS = 60_000

let now: number
let kms: WatchedKms
let keys: DataKeys
/** What every buffer held that was zeroed. */
let wiped: string[]

beforeEach(() => {
  now = 0
  wiped = []
  kms = new WatchedKms('realm', [CMK])
  mock.timers.enable({ apis: ['setInterval'] })
  keys = new DataKeys({
    kms,
    realm: 'realm',
    policy: () => ({ cmk: CMK, retired: [] }),
    ring: new KeyRing({ records: new MemoryRecords(), realm: 'realm' }),
    epoch: { maxAgeMs: AGE_MS, maxObjects: 1000, maxBytes: 1_000_000 },
    decryptCache: { maxEntries: 100, maxAgeMs: AGE_MS },
    graceMs: GRACE_MS,
    now: () => now,
  })
  const { fill } = Buffer.prototype
  mock.method(Buffer.prototype, 'fill', function (this: Buffer, ...args: Parameters<Buffer['fill']>) {
    if (args[0] === 0) wiped.push(this.toString('hex'))
    return Reflect.apply(fill, this, args)
  })
})
afterEach(() => {
  mock.timers.reset()
  mock.restoreAll()
  keys.close()
})

/** How often the data key was wiped: in the epoch, and among those that objects are opened with. */
const timesWiped = ({ plaintext }: DataKey) => {
  const hex = Buffer.from(plaintext).toString('hex')
  return wiped.filter((bytes) => bytes === hex).length
}

describe('a data key whose time is over', () => {
  it('is wiped, though nobody asks for it again', async () => {
    const dek = await keys.encrypting('photos', 1)
    now = AGE_MS + GRACE_MS - 1
    mock.timers.tick(SWEEP_MS)
    assert.equal(timesWiped(dek), 0, 'in grace it may be needed')
    now += 1
    mock.timers.tick(SWEEP_MS)
    assert.equal(timesWiped(dek), 2)
    assert.ok(!(await keys.encrypting('photos', 1)).dekId.equals(dek.dekId))
    assert.equal((await keys.decrypting('photos', dek)).length, 32, 'and is opened again if somebody does')
  })

  it('is wiped where the next one waits, which goes on', async () => {
    const dek = await keys.encrypting('photos', 1)
    now = AGE_MS - 1
    await keys.encrypting('photos', 1)
    await new Promise(setImmediate)
    assert.equal(kms.count('generateDataKey'), 2)
    now = AGE_MS + GRACE_MS
    mock.timers.tick(SWEEP_MS)
    assert.equal(timesWiped(dek), 2)
    const next = await keys.encrypting('photos', 1)
    assert.equal(kms.count('generateDataKey'), 2)
    now = 3 * AGE_MS
    mock.timers.tick(SWEEP_MS)
    assert.equal(timesWiped(next), 2)
  })

  it('is wiped at once when the key service refuses it', async () => {
    const dek = await keys.encrypting('photos', 1)
    now = AGE_MS
    kms.faults.set(CMK, 'disabled')
    await assert.rejects(keys.encrypting('photos', 1))
    assert.equal(timesWiped(dek), 1)
    await assert.rejects(keys.decrypting('photos', dek))
    assert.equal(timesWiped(dek), 2)
  })
})
