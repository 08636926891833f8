import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorKind, isError, SealgateError } from '../../src/errors.ts'
import { type DataKey, DataKeys, KeyRing } from '../../src/keys/index.ts'
import type { KmsFault } from '../../src/keys/kms/kms-error.ts'
import { MemoryRecords } from '../lib/memory-records.ts'
import { WatchedKms } from '../lib/watched-kms.ts'

const CMK = 'local:0000000000000001'
const AGE_MS = 3_600_000
const GRACE_MS = 900_000

let now: number
let kms: WatchedKms
let records: MemoryRecords
let keys: DataKeys

/** Calls that wait for the key service. */
const waiting: (() => void)[] = []

function fallSilent(): void {
  kms.delay = () => new Promise<void>((resolve) => waiting.push(resolve))
}

/** Ends every call that waits, and lets those that wait for it go on. */
async function speak(fault?: KmsFault): Promise<void> {
  // The calls that were made meanwhile are under way by then.
  await sleep(1)
  if (fault !== undefined) kms.faults.set(CMK, fault)
  for (const end of waiting.splice(0)) end()
  await sleep(1)
}

beforeEach(() => {
  now = 1_700_000_000_000
  kms = new WatchedKms('realm', [CMK])
  records = new MemoryRecords()
  waiting.length = 0
  keys = new DataKeys({
    kms,
    realm: 'realm',
    policy: () => ({ cmk: CMK, retired: [] }),
    ring: new KeyRing({ records, realm: 'realm', now: () => now }),
    epoch: { maxAgeMs: AGE_MS, maxObjects: 1000, maxBytes: 1_000_000 },
    decryptCache: { maxEntries: 100, maxAgeMs: AGE_MS },
    graceMs: GRACE_MS,
    now: () => now,
  })
})

async function bothRefused(dek: DataKey, kind: ErrorKind): Promise<void> {
  const requests = [keys.encrypting('photos', 1), keys.decrypting('photos', dek)]
  await Promise.all(requests.map((request) => assert.rejects(request, (error) => isError(error, kind))))
}

describe('a key whose time has ended, while the key service is silent', () => {
  it('goes on encrypting, with one call under way and no wait after the first', async () => {
    const first = await keys.encrypting('photos', 1)
    now += AGE_MS
    fallSilent()
    for (let second = 0; second < 5; second++) {
      const many = await Promise.all(Array.from({ length: 20 }, () => keys.encrypting('photos', 1)))
      for (const { dekId } of many) assert.ok(dekId.equals(first.dekId))
      assert.equal(waiting.length, 1)
      now += 1000
    }
    await speak()
    assert.ok(
      !(await keys.encrypting('photos', 1)).dekId.equals(first.dekId),
      'the call that was slow brought the next key',
    )
  })

  it('goes on decrypting in the same way', async () => {
    const dek = await keys.encrypting('photos', 1)
    now += AGE_MS
    fallSilent()
    for (let second = 0; second < 5; second++) {
      const opened = await Promise.all(Array.from({ length: 20 }, () => keys.decrypting('photos', dek)))
      for (const key of opened) assert.deepEqual(key, Buffer.from(dek.plaintext))
      assert.equal(waiting.length, 1)
      now += 1000
    }
  })

  it('ends with grace', async () => {
    const dek = await keys.encrypting('photos', 1)
    now += AGE_MS
    fallSilent()
    await keys.encrypting('photos', 1)
    now += GRACE_MS
    const refused = bothRefused(dek, 'SlowDown')
    await speak('unavailable')
    await refused
  })

  it('ends as soon as the service refuses, also if nobody waits for that call any more', async () => {
    const dek = await keys.encrypting('photos', 1)
    now += AGE_MS
    fallSilent()
    await keys.encrypting('photos', 1)
    await keys.decrypting('photos', dek)
    await speak('disabled')
    const refused = bothRefused(dek, 'KMS.DisabledException')
    await speak()
    await refused
  })
})

describe('a key service that refuses', () => {
  /** As a client: what it gets and, for a write, under which key. */
  const seal = () => outcome(keys.encrypting('photos', 1).then(({ dekId }) => dekId.toString('hex')))
  const open = (dek: DataKey) => outcome(keys.decrypting('photos', dek).then(() => 'opened'))
  const outcome = (request: Promise<string>) =>
    request.catch((error: unknown) => (error instanceof SealgateError ? error.kind : String(error)))
  const DISABLED = 'KMS.DisabledException'

  it('slowly is believed all the same: whoever comes after its answer gets no more grace', async () => {
    const dek = await keys.encrypting('photos', 1)
    now += AGE_MS
    fallSilent()
    await seal()
    await open(dek)
    await speak('disabled')
    const answers: string[] = []
    for (let minute = 1; minute < 15; minute += 1) {
      now += 60_000
      const requests = [seal(), open(dek)]
      // Longer than a request is held up for a key service that does not answer.
      await sleep(minute === 1 ? 550 : 1)
      await speak()
      answers.push(...(await Promise.all(requests)))
    }
    assert.deepEqual(new Set(answers), new Set([DISABLED]))
  })

  for (const fault of ['throttled', 'unavailable'] as const)
    it(`and is ${fault} afterwards does not bring grace back`, async () => {
      const dek = await keys.encrypting('photos', 1)
      now += AGE_MS
      kms.faults.set(CMK, 'disabled')
      assert.deepEqual([await seal(), await open(dek)], [DISABLED, DISABLED])
      kms.faults.set(CMK, fault)
      now += 60_000
      assert.deepEqual([await seal(), await open(dek)], ['SlowDown', 'SlowDown'])
      kms.faults.clear()
      assert.notEqual(await seal(), dek.dekId.toString('hex'))
      assert.equal(await open(dek), 'opened')
    })

  it('the key that is made ahead leaves the current one its time, and no grace behind it', async () => {
    const dek = await keys.encrypting('photos', 1)
    const id = dek.dekId.toString('hex')
    now += AGE_MS * 0.95
    kms.faults.set(CMK, 'denied')
    assert.deepEqual([await seal(), await seal()], [id, id])
    kms.faults.set(CMK, 'unavailable')
    assert.equal(await seal(), id)
    now += AGE_MS * 0.05
    assert.equal(await seal(), 'SlowDown')
  })

  it('is one thing, and a store that fails another, which ends no grace', async () => {
    const dek = await keys.encrypting('photos', 1)
    now += AGE_MS
    records.fault = new SealgateError('ServiceUnavailable')
    assert.equal(await seal(), 'ServiceUnavailable')
    kms.faults.set(CMK, 'unavailable')
    assert.equal(await seal(), dek.dekId.toString('hex'))
  })
})
