import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isError } from '../../src/errors.ts'
import { type DataKey, DataKeys, type DataKeysOptions, KeyRing } from '../../src/keys/index.ts'
import type { Kms } from '../../src/keys/kms/kms.ts'
import { KmsError } from '../../src/keys/kms/kms-error.ts'
import { ResilientKms } from '../../src/keys/kms/resilient-kms.ts'
import { TencentKms } from '../../src/keys/kms/tencent.ts'
import { TencentKmsEmulator } from '../emulators/tencent-kms.ts'
import { MemoryRecords } from '../lib/memory-records.ts'

const HOUR_MS = 3_600_000
let emulator: TencentKmsEmulator
let id: string
let cmk: string
let direct: TencentKms
let now = 0

before(async () => {
  emulator = await TencentKmsEmulator.start()
  emulator.setAccount('id', 'key')
  id = emulator.createKey('k')
  cmk = `tencent:${id}`
  direct = connect(300)
})
after(() => emulator.close())

function connect(timeoutMs: number): TencentKms {
  const { region, endpoint } = emulator
  const credentials = async () => ({ secretId: 'id', secretKey: 'key' })
  return new TencentKms({ region, endpoint, credentials, timeoutMs })
}
beforeEach(() => {
  emulator.outage = undefined
  emulator.calls.length = 0
  emulator.setState(id, 'Enabled')
})

const resilient = (kms: Kms = direct) =>
  new ResilientKms(kms, { attempts: 3, pauseMs: 5, failures: 2, restMs: 1000, now: () => now })

function dataKeys(more: Partial<DataKeysOptions> = {}): DataKeys {
  return new DataKeys({
    kms: resilient(),
    realm: 'realm',
    policy: () => ({ cmk, retired: [] }),
    ring: new KeyRing({ records: new MemoryRecords(), realm: 'realm' }),
    epoch: { maxAgeMs: HOUR_MS, maxObjects: 1000, maxBytes: 2 ** 40 },
    decryptCache: { maxEntries: 100, maxAgeMs: HOUR_MS },
    graceMs: HOUR_MS,
    now: () => now,
    ...more,
  })
}

const context = { realm: 'r', bucket: 'b', dekId: 'd' }

describe('ResilientKms', () => {
  it('tries passing faults again, and no others', async () => {
    emulator.fail({ kind: 'error', code: 'InternalError' }, { kind: 'error', code: 'RequestLimitExceeded' })
    await resilient().generateDataKey(cmk, context)
    assert.equal(emulator.calls.length, 3)
    emulator.setState(id, 'Disabled')
    await assert.rejects(
      resilient().generateDataKey(cmk, context),
      (error) => error instanceof KmsError && error.fault === 'disabled',
    )
    assert.equal(emulator.calls.length, 4)
  })

  it('waits a random share of a pause that doubles, so that replicas do not ask all at once', async () => {
    const shares: number[] = []
    const options = { attempts: 4, failures: 5, restMs: 1000, now: () => now }
    const waits = async (pauseMs: number, share: number) => {
      const random = () => {
        shares.push(share)
        return share
      }
      emulator.outage = { kind: 'error', code: 'InternalError' }
      const started = performance.now()
      await assert.rejects(
        new ResilientKms(direct, { ...options, pauseMs, random }).generateDataKey(cmk, context),
        KmsError,
      )
      return performance.now() - started
    }
    // An hour and more, if the share did not count.
    await waits(HOUR_MS, 0)
    assert.deepEqual(shares, [0, 0, 0])
    const waited = await waits(20, 0.5)
    assert.ok(waited >= 10 + 20 + 40 - 5, `${waited} ms`)
    assert.equal(emulator.calls.length, 8)
  })

  it('leaves a service that is down alone, then sends one call to see, and serves all once it is back', async () => {
    const kms = resilient()
    emulator.outage = { kind: 'error', code: 'ServiceUnavailable' }
    const fails = () => assert.rejects(kms.generateDataKey(cmk, context), KmsError)
    await fails()
    await fails()
    assert.equal(emulator.calls.length, 6)
    for (let n = 0; n < 50; n++) await fails()
    assert.equal(emulator.calls.length, 6)
    now += 1001
    await Promise.all(Array.from({ length: 20 }, fails))
    assert.equal(emulator.calls.length, 7)
    emulator.outage = undefined
    now += 1001
    await kms.generateDataKey(cmk, context)
    await Promise.all(Array.from({ length: 20 }, () => kms.generateDataKey(cmk, context)))
  })
})

describe('ResilientKms of several CMKs', () => {
  it('leaves alone the one that fails, and none beside it', async () => {
    const broken: Kms = {
      generateDataKey: async (id, bound) => {
        if (id === 'tencent:broken') throw new KmsError('unavailable', 'Broken', 'of this CMK only')
        return direct.generateDataKey(id, bound)
      },
      encrypt: (...args) => direct.encrypt(...args),
      decrypt: (...args) => direct.decrypt(...args),
    }
    const kms = resilient(broken)
    const code = (expected: string) => (error: unknown) =>
      error instanceof KmsError && error.code === expected
    for (const expected of ['Broken', 'Broken', 'CircuitOpen'])
      await assert.rejects(kms.generateDataKey('tencent:broken', context), code(expected))
    assert.equal((await kms.generateDataKey(cmk, context)).plaintext.length, 32)
  })
})

describe('a quota that a restart exceeds', () => {
  it('slows readers down, takes nothing for broken, and opens each data key once', async () => {
    const writer = dataKeys()
    const made: DataKey[] = []
    for (let n = 0; n < 150; n++) {
      made.push(await writer.encrypting('b', 1))
      now += HOUR_MS
    }
    writer.close()
    // Used up by others at first, so that no reader is served at once, however slow this machine is.
    emulator.quotaPerSecond = 0
    emulator.calls.length = 0
    // Nothing but the quota shall be in the way.
    const restarted = dataKeys({ kms: resilient(connect(20_000)) })
    let slowed = 0
    const reader = async (dek: DataKey) => {
      for (;;) {
        const answer = await restarted.decrypting('b', dek).catch((error: unknown) => error)
        if (!isError(answer, 'SlowDown')) return answer
        if (++slowed === made.length) emulator.quotaPerSecond = 100
        await sleep(100)
        now += 100
      }
    }
    const opened = await Promise.all(made.map(reader))
    emulator.quotaPerSecond = Number.POSITIVE_INFINITY
    for (const [n, dek] of made.entries())
      assert.deepEqual(Buffer.from(opened[n] as Uint8Array), Buffer.from(dek.plaintext))
    assert.ok(slowed >= made.length)
    assert.equal(emulator.count('Decrypt'), 150)
    restarted.close()
  })
})

describe('data keys while the KMS is away', () => {
  it('go on within the time of grace, then are 503 with a time to try again, and come back by themselves', async () => {
    // More than the requests below: twice its limits an epoch does not hold, in grace either.
    const keys = dataKeys({ epoch: { maxAgeMs: HOUR_MS, maxObjects: 10_000, maxBytes: 2 ** 40 } })
    const first = await keys.encrypting('b', 1)
    await keys.decrypting('b', first)
    emulator.outage = { kind: 'cut' }
    now += HOUR_MS + 1
    assert.ok((await keys.encrypting('b', 1)).dekId.equals(first.dekId))
    assert.equal((await keys.decrypting('b', first)).length, 32)
    // However many ask: the KMS is left in peace, and a known key is not held for an unknown one.
    emulator.calls.length = 0
    for (let n = 0; n < 3000; n++) {
      assert.equal((await keys.decrypting('b', first)).length, 32)
      await keys.encrypting('b', 1)
    }
    now += HOUR_MS
    for (const call of [() => keys.encrypting('b', 1), () => keys.decrypting('b', first)]) {
      await assert.rejects(
        call,
        (error) => isError(error, 'SlowDown') && error.headers['retry-after'] === '5',
      )
    }
    await assert.rejects(keys.encrypting('never-seen', 1), (error) => isError(error, 'SlowDown'))
    emulator.outage = undefined
    now += 2000
    assert.ok(!(await keys.encrypting('b', 1)).dekId.equals(first.dekId))
    assert.equal((await keys.decrypting('b', first)).length, 32)
    keys.close()
  })

  it('a disabled, archived or unknown CMK, and one that may not be used, are errors that no retry helps', async () => {
    const expect = async (kind: Parameters<typeof isError>[1], status: number) => {
      const keys = dataKeys()
      await assert.rejects(
        keys.encrypting('b', 1),
        (error) => isError(error, kind) && error.status === status,
      )
      keys.close()
    }
    emulator.setState(id, 'Disabled')
    await expect('KMS.DisabledException', 400)
    emulator.setState(id, 'PendingDelete')
    await expect('KMS.KMSInvalidStateException', 400)
    emulator.setState(id, 'Enabled')
    emulator.outage = { kind: 'error', code: 'UnauthorizedOperation' }
    await expect('AccessDenied', 403)
    emulator.outage = { kind: 'error', code: 'ResourceUnavailable.CmkNotFound' }
    await expect('KMS.NotFoundException', 400)
    emulator.outage = {
      kind: 'change',
      change: (answer) => (answer['Plaintext'] = Buffer.alloc(32).toString('base64')),
    }
    await expect('InternalError', 500)
  })

  it('a key that was disabled is refused at once when nothing of it is cached, and no grace is given for that', async () => {
    const keys = dataKeys()
    const first = await keys.encrypting('b', 1)
    now += HOUR_MS + 1
    emulator.setState(id, 'Disabled')
    await assert.rejects(keys.encrypting('b', 1), (error) => isError(error, 'KMS.DisabledException'))
    await assert.rejects(keys.decrypting('b', first), (error) => isError(error, 'KMS.DisabledException'))
    keys.close()
  })

  it('keys made here are wrapped by Encrypt, and open the same way', async () => {
    const keys = dataKeys({ source: 'local' })
    const made = await keys.encrypting('b', 1)
    assert.deepEqual([emulator.count('Encrypt'), emulator.count('GenerateDataKey')], [1, 0])
    assert.ok(Buffer.from(made.plaintext).equals(Buffer.from(await keys.decrypting('b', made))))
    keys.close()
  })

  it('one call serves all who wait, for making and for opening', async () => {
    const keys = dataKeys()
    const made = await Promise.all(Array.from({ length: 100 }, () => keys.encrypting('b', 1)))
    const [first] = made
    assert.ok(first)
    await keys.decrypting('b', first)
    assert.deepEqual([emulator.count('GenerateDataKey'), emulator.count('Decrypt')], [1, 0])
    keys.close()
    const another = dataKeys()
    await Promise.all(Array.from({ length: 100 }, () => another.decrypting('b', first)))
    assert.deepEqual([emulator.count('GenerateDataKey'), emulator.count('Decrypt')], [1, 1])
    another.close()
  })
})
