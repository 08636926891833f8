import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { isError, SealgateError } from '../../src/errors.ts'
import { type DataKey, DataKeys, KeyRing } from '../../src/keys/index.ts'
import type { KmsFault } from '../../src/keys/kms/kms-error.ts'
import { MemoryRecords } from '../lib/memory-records.ts'
import { WatchedKms } from '../lib/watched-kms.ts'

const CMK = 'local:0000000000000001'

let now: number
let kms: WatchedKms
/** Reads what another process wrote under these. */
let keys: DataKeys
let deks: DataKey[]

beforeEach(async () => {
  now = 0
  kms = new WatchedKms('realm', [CMK])
  const records = new MemoryRecords()
  const dataKeys = (maxObjects: number) =>
    new DataKeys({
      kms,
      realm: 'realm',
      policy: () => ({ cmk: CMK, retired: [] }),
      ring: new KeyRing({ records, realm: 'realm' }),
      epoch: { maxAgeMs: 3_600_000, maxObjects, maxBytes: 1_000_000 },
      decryptCache: { maxEntries: 100, maxAgeMs: 3_600_000 },
      now: () => now,
    })
  const writer = dataKeys(1)
  deks = [await writer.encrypting('photos', 1), await writer.encrypting('photos', 1)]
  keys = dataKeys(1000)
  kms.calls.length = 0
})

async function answerTo(n: number): Promise<string> {
  try {
    await keys.decrypting('photos', deks[n]!)
    return 'opened'
  } catch (error) {
    assert.ok(error instanceof SealgateError, String(error))
    return error.kind
  }
}

const LASTING: readonly { readonly fault: KmsFault; readonly answer: string }[] = [
  { fault: 'disabled', answer: 'KMS.DisabledException' },
  { fault: 'invalid-state', answer: 'KMS.KMSInvalidStateException' },
  { fault: 'not-found', answer: 'KMS.NotFoundException' },
  { fault: 'key-usage', answer: 'KMS.InvalidKeyUsageException' },
  { fault: 'denied', answer: 'AccessDenied' },
]

describe('a CMK that is refused', () => {
  for (const { fault, answer } of LASTING)
    it(`(${fault}) is asked for again after some seconds, whatever the number of readers`, async () => {
      kms.faults.set(CMK, fault)
      const answers = new Set<string>()
      for (let second = 0; second < 10; second += 1) {
        for (let n = 0; n < 100; n += 1) answers.add(await answerTo(0))
        now += 1000
      }
      assert.deepEqual([[...answers], kms.calls.length], [[answer], 2])
      assert.equal(await answerTo(1), answer, 'and holds up no other key of the bucket')
      kms.faults.clear()
      now += 4999
      assert.equal(await answerTo(1), answer)
      now += 1
      assert.equal(await answerTo(1), 'opened')
    })

  it('says the code of the service again', async () => {
    kms.faults.set(CMK, 'disabled')
    for (let n = 0; n < 2; n += 1)
      await assert.rejects(
        keys.decrypting('photos', deks[0]!),
        (error) =>
          isError(error, 'KMS.DisabledException') && error.reason?.startsWith('KMS: Watched: ') === true,
      )
    assert.equal(kms.calls.length, 1)
  })

  it('and one that does not answer, or answers wrongly, are two: that is asked for every time', async () => {
    for (const fault of ['unavailable', 'throttled', 'protocol'] as const) {
      kms.faults.set(CMK, fault)
      kms.calls.length = 0
      for (let n = 0; n < 3; n += 1) await answerTo(0)
      assert.equal(kms.calls.length, 3)
    }
    kms.faults.clear()
    assert.equal(await answerTo(0), 'opened')
  })
})
