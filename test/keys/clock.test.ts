/** What ends at a time ends then, also when somebody sets the clock of the machine back. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'
import { isError } from '../../src/errors.ts'
import { DataKeys, KeyRing } from '../../src/keys/index.ts'
import { KmsError } from '../../src/keys/kms/kms-error.ts'
import { ResilientKms } from '../../src/keys/kms/resilient-kms.ts'
import { MemoryRecords } from '../lib/memory-records.ts'
import { WatchedKms } from '../lib/watched-kms.ts'

const CMK = 'local:0000000000000001'
const HOUR_MS = 3_600_000
const GRACE_MS = 900_000

let wall: number
let steady: number
let kms: WatchedKms

beforeEach(() => {
  wall = 1_700_000_000_000
  steady = 5_000
  mock.method(Date, 'now', () => wall)
  mock.method(performance, 'now', () => steady)
  kms = new WatchedKms('realm', [CMK])
})
afterEach(() => mock.restoreAll())

function pass(ms: number): void {
  wall += ms
  steady += ms
}

function setBack(): void {
  wall -= 24 * HOUR_MS
}

/** With the clocks that a gateway has. */
function dataKeys(): DataKeys {
  return new DataKeys({
    kms,
    realm: 'realm',
    policy: () => ({ cmk: CMK, retired: [] }),
    ring: new KeyRing({ records: new MemoryRecords(), realm: 'realm' }),
    epoch: { maxAgeMs: HOUR_MS, maxObjects: 1000, maxBytes: 1_000_000 },
    decryptCache: { maxEntries: 100, maxAgeMs: HOUR_MS },
    graceMs: GRACE_MS,
  })
}

describe('a clock that is set back by a day', () => {
  it('makes no data key older: an epoch ends at its age', async () => {
    const keys = dataKeys()
    const first = await keys.encrypting('photos', 1)
    setBack()
    pass(HOUR_MS - 1)
    assert.ok((await keys.encrypting('photos', 1)).dekId.equals(first.dekId))
    pass(1)
    assert.ok(!(await keys.encrypting('photos', 1)).dekId.equals(first.dekId))
  })

  it('makes grace no longer', async () => {
    const keys = dataKeys()
    const first = await keys.encrypting('photos', 1)
    pass(HOUR_MS)
    kms.faults.set(CMK, 'unavailable')
    assert.ok((await keys.encrypting('photos', 1)).dekId.equals(first.dekId))
    assert.equal((await keys.decrypting('photos', first)).length, 32)
    setBack()
    pass(GRACE_MS)
    const away = (error: unknown) => isError(error, 'SlowDown')
    await assert.rejects(keys.encrypting('photos', 1), away)
    await assert.rejects(keys.decrypting('photos', first), away)
    kms.faults.clear()
    assert.ok(!(await keys.encrypting('photos', 1)).dekId.equals(first.dekId))
  })

  it('lets nothing be read for longer under a CMK that was disabled', async () => {
    const keys = dataKeys()
    const dek = await keys.encrypting('photos', 1)
    kms.faults.set(CMK, 'disabled')
    setBack()
    pass(HOUR_MS)
    await assert.rejects(keys.decrypting('photos', dek), (error) => isError(error, 'KMS.DisabledException'))
  })

  it('leaves a key service that is back alone for no longer', async () => {
    const resilient = new ResilientKms(kms, { attempts: 1, pauseMs: 1, failures: 2, restMs: 5000 })
    const make = () => resilient.generateDataKey(CMK, { bucket: 'photos' })
    kms.faults.set(CMK, 'unavailable')
    for (const code of ['Watched', 'Watched', 'CircuitOpen'])
      await assert.rejects(make(), (error) => error instanceof KmsError && error.code === code)
    kms.faults.clear()
    setBack()
    pass(5000)
    assert.equal((await make()).plaintext.length, 32)
  })

  it('keeps for no longer what could not be opened, and the number of unknown keys a second', async () => {
    const keys = dataKeys()
    const madeUp = { dekId: randomBytes(16), cmkId: CMK, wrapped: randomBytes(80) }
    const refused = (dek = madeUp) =>
      assert.rejects(keys.decrypting('photos', dek), (error) => isError(error, 'ObjectIntegrityError'))
    await refused()
    setBack()
    pass(60_000)
    await refused()
    assert.equal(kms.count('decrypt'), 2)
    const unknown = () => keys.decrypting('photos', { ...madeUp, wrapped: randomBytes(80) })
    await Promise.allSettled(Array.from({ length: 1000 }, unknown))
    await assert.rejects(unknown(), (error) => isError(error, 'SlowDown'))
    setBack()
    pass(1000)
    await refused({ ...madeUp, wrapped: randomBytes(80) })
  })
})
