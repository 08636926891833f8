import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { TencentKmsEmulator } from '../emulators/tencent-kms.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { type RunningServer, startServer } from '../lib/server.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'sealgate-tencent-'))
let emulator: TencentKmsEmulator
let cmk: string
let retired: string
let server: RunningServer | undefined

before(async () => {
  emulator = await TencentKmsEmulator.start()
  emulator.setAccount('AKIDGATEWAY', 'gateway-secret')
  cmk = emulator.createKey('sealgate')
  retired = emulator.createKey('former')
})
after(async () => {
  await server?.stop()
  await emulator.close()
  rmSync(dataDir, { recursive: true })
})

function settings(more: Record<string, string> = {}): Record<string, string> {
  return {
    SEALGATE_KMS: 'tencent',
    SEALGATE_TENCENT_REGION: emulator.region,
    SEALGATE_TENCENT_KMS_ENDPOINT: emulator.endpoint,
    SEALGATE_TENCENT_KMS_KEY_ID: 'alias/sealgate',
    SEALGATE_TENCENT_SECRET_ID: 'AKIDGATEWAY',
    SEALGATE_TENCENT_SECRET_KEY: 'gateway-secret',
    ...more,
  }
}

async function restart(more: Record<string, string> = {}): Promise<S3Client> {
  await server?.stop()
  server = await startServer({ dataDir, env: settings(more) })
  const { endpoint, accessKeyId, secretAccessKey } = server
  const credentials = { accessKeyId, secretAccessKey }
  return new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials, maxAttempts: 1 })
}

describe('a gateway with Tencent KMS', () => {
  it('asks for one data key for many objects, keeps no keyring, and opens all of them after a restart with one call', async () => {
    const bucket = await TestBucket.create(await restart(), 'orders')
    for (let n = 0; n < 50; n++) await bucket.put(`k${n}`, `value ${n}`)
    for (let n = 0; n < 50; n++) assert.equal((await bucket.read(`k${n}`)).toString(), `value ${n}`)
    assert.equal(emulator.count('GenerateDataKey'), 1)
    assert.equal(emulator.count('Decrypt'), 0)
    assert.ok(!readdirSync(dataDir).includes('keyring.json'))
    const again = TestBucket.of(await restart(), 'orders')
    emulator.calls.length = 0
    for (let n = 0; n < 50; n++) assert.equal((await again.read(`k${n}`)).toString(), `value ${n}`)
    assert.deepEqual([emulator.count('GenerateDataKey'), emulator.count('Decrypt')], [0, 1])
    const head = await again.s3.send(new HeadObjectCommand({ Bucket: 'orders', Key: 'k0' }))
    assert.deepEqual([head.ServerSideEncryption, head.SSEKMSKeyId], ['aws:kms', `tencent:${cmk}`])
  })

  it('binds every call to deployment, bucket and data key, in one text', () => {
    const contexts = emulator.calls
      .filter(({ action }) => action === 'Decrypt')
      .map(({ body }) => String(body['EncryptionContext']))
    assert.ok(contexts.length > 0)
    for (const text of contexts)
      assert.match(text, /^\{"bucket":"orders","dekId":"[0-9a-f]{32}","realm":"[0-9a-f-]{36}"\}$/)
  })

  it('opens what was sealed under a retired CMK only where a rule says so', async () => {
    const former = TestBucket.of(await restart({ SEALGATE_TENCENT_KMS_KEY_ID: retired }), 'orders')
    await former.put('former', 'under the former key')
    const strict = TestBucket.of(await restart(), 'orders')
    await fails(strict.read('former'), 'ObjectIntegrityError', 500)
    const rules = JSON.stringify([{ match: 'ord*', cmk: 'alias/sealgate', retired: ['alias/former'] }])
    const bucket = TestBucket.of(await restart({ SEALGATE_BUCKETS: rules }), 'orders')
    assert.equal((await bucket.read('former')).toString(), 'under the former key')
    await bucket.put('after', 'x')
    const head = await bucket.s3.send(new HeadObjectCommand({ Bucket: 'orders', Key: 'after' }))
    assert.equal(head.SSEKMSKeyId, `tencent:${cmk}`)
  })

  it('keys that are made here are wrapped by Encrypt', async () => {
    const bucket = TestBucket.of(await restart({ SEALGATE_KMS_DATA_KEYS: 'local' }), 'orders')
    emulator.calls.length = 0
    await bucket.put('local', 'made here')
    assert.equal((await bucket.read('local')).toString(), 'made here')
    assert.deepEqual([emulator.count('Encrypt'), emulator.count('GenerateDataKey')], [1, 0])
  })

  it('keeps as many opened keys as it is told, and for as long', async () => {
    const opened = async (bucket: TestBucket, keys: readonly string[]) => {
      emulator.calls.length = 0
      for (const key of keys) await bucket.read(key)
      return emulator.count('Decrypt')
    }
    const keys = ['k0', 'local', 'k0', 'local']
    const one = TestBucket.of(await restart({ SEALGATE_DECRYPT_CACHE_MAX_ENTRIES: '1' }), 'orders')
    assert.equal(await opened(one, keys), 4)
    const short = TestBucket.of(await restart({ SEALGATE_DECRYPT_CACHE_MAX_AGE_MS: '1000' }), 'orders')
    assert.equal(await opened(short, ['local']), 1)
    await sleep(1001)
    assert.equal(await opened(short, ['local']), 1)
    const usual = TestBucket.of(await restart(), 'orders')
    assert.equal(await opened(usual, keys), 2)
    await sleep(1001)
    assert.equal(await opened(usual, keys), 0)
  })

  it('goes on within the time of grace, says SlowDown after it, and comes back without a restart', async () => {
    const more = {
      SEALGATE_EPOCH_MAX_AGE_MS: '1000',
      SEALGATE_KMS_GRACE_MS: '3000',
      SEALGATE_KMS_TIMEOUT_MS: '200',
    }
    const bucket = TestBucket.of(await restart(more), 'orders')
    await bucket.put('grace', 'one')
    emulator.outage = { kind: 'cut' }
    const started = Date.now()
    while (Date.now() - started < 2500) await bucket.put('grace', 'two')
    await sleep(2000)
    await fails(
      bucket.s3.send(new PutObjectCommand({ Bucket: 'orders', Key: 'late', Body: 'x' })),
      'SlowDown',
      503,
    )
    await fails(bucket.read('late'), 'NoSuchKey', 404)
    assert.equal((await bucket.read('grace')).toString(), 'two')
    emulator.outage = undefined
    const deadline = Date.now() + 15_000
    let back = false
    while (!back && Date.now() < deadline)
      back = await bucket.put('late', 'back').then(
        () => true,
        () => false,
      )
    assert.ok(back)
    assert.equal((await bucket.read('late')).toString(), 'back')
  })

  it('a disabled CMK stores nothing, and is said as S3 says it', async () => {
    const bucket = TestBucket.of(await restart(), 'orders')
    emulator.setState(cmk, 'Disabled')
    await fails(bucket.put('disabled', 'x'), 'KMS.DisabledException', 400)
    await fails(bucket.read('k0'), 'KMS.DisabledException', 400)
    emulator.setState(cmk, 'Enabled')
    await fails(bucket.read('disabled'), 'NoSuchKey', 404)
    await bucket.put('enabled', 'written again')
    // This process remembers for some seconds that the key of k0 was refused.
    const afresh = TestBucket.of(await restart(), 'orders')
    assert.equal((await afresh.read('k0')).toString(), 'value 0')
    assert.equal((await afresh.read('enabled')).toString(), 'written again')
  })

  it('does not start without a key that it may use, and says why', async () => {
    await server?.stop()
    server = undefined
    const start = (more: Record<string, string>) =>
      startServer({ dataDir, env: settings(more), readyTimeoutMs: 10_000 })
    await assert.rejects(
      start({ SEALGATE_TENCENT_KMS_KEY_ID: 'alias/nothing' }),
      /key service cannot be used: NoSuchAlias: no CMK has the alias nothing/,
    )
    await assert.rejects(
      start({ SEALGATE_TENCENT_SECRET_KEY: 'wrong' }),
      /key service cannot be used: AuthFailure\.SignatureFailure/,
    )
    await assert.rejects(start({ SEALGATE_TENCENT_REGION: '' }), /SEALGATE_TENCENT_REGION/)
  })
})
