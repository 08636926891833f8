import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { prepare, type RunningApp, startApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/config.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { TencentKmsEmulator } from '../emulators/tencent-kms.ts'

const OBJECTS = 10_000
const REPLICAS = 2
const EPOCHS = 3
/** Of one epoch. So the third one ends below nine tenths, where the fourth would be fetched ahead. */
const MAX_OBJECTS = 1800

const dataDir = mkdtempSync(join(tmpdir(), 'sealgate-calls-'))
const credentials = { accessKeyId: 'AKIDCALLS', secretAccessKey: 'a-secret-of-the-lane' }
let emulator: TencentKmsEmulator
const replicas: { app: RunningApp; s3: S3Client }[] = []

before(async () => {
  emulator = await TencentKmsEmulator.start()
  emulator.setAccount('AKIDGATEWAY', 'gateway-secret')
  emulator.createKey('sealgate')
  await startReplicas()
  await replicas[0]?.s3.send(new CreateBucketCommand({ Bucket: 'counted' }))
})

after(async () => {
  await stopReplicas()
  await emulator.close()
  rmSync(dataDir, { recursive: true })
})

async function startReplicas(): Promise<void> {
  const config = loadConfig(undefined, {
    SEALGATE_LISTEN: '127.0.0.1:0',
    SEALGATE_DATA_DIR: dataDir,
    SEALGATE_KMS: 'tencent',
    SEALGATE_TENCENT_REGION: emulator.region,
    SEALGATE_TENCENT_KMS_ENDPOINT: emulator.endpoint,
    SEALGATE_TENCENT_KMS_KEY_ID: 'alias/sealgate',
    SEALGATE_TENCENT_SECRET_ID: 'AKIDGATEWAY',
    SEALGATE_TENCENT_SECRET_KEY: 'gateway-secret',
    SEALGATE_EPOCH_MAX_OBJECTS: String(MAX_OBJECTS),
  })
  const log = createLog('error')
  await prepare(config, log)
  for (let n = 0; n < REPLICAS; n++) {
    const app = await startApp(config, credentials, log)
    const endpoint = `http://${app.host}:${app.port}`
    replicas.push({
      app,
      s3: new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials, maxAttempts: 1 }),
    })
  }
  emulator.calls.length = 0
}

async function stopReplicas(): Promise<void> {
  for (const { app, s3 } of replicas.splice(0)) {
    s3.destroy()
    await app.close()
  }
}

/** Object `n` through replica `of(n)`, 32 at once. */
async function each(
  work: (s3: S3Client, n: number) => Promise<void>,
  of: (n: number) => number,
): Promise<void> {
  const numbers = Array.from({ length: OBJECTS }, (_, n) => n).values()
  const worker = async () => {
    for (const n of numbers) {
      const replica = replicas[of(n)]
      if (replica !== undefined) await work(replica.s3, n)
    }
  }
  await Promise.all(Array.from({ length: 32 }, worker))
}

async function put(s3: S3Client, n: number): Promise<void> {
  await s3.send(new PutObjectCommand({ Bucket: 'counted', Key: `k${n}`, Body: `value ${n}` }))
}

async function get(s3: S3Client, n: number): Promise<void> {
  const answer = await s3.send(new GetObjectCommand({ Bucket: 'counted', Key: `k${n}` }))
  assert.equal(await answer.Body?.transformToString(), `value ${n}`)
}

function calls(): Record<string, number> {
  return Object.fromEntries(
    ['GenerateDataKey', 'Encrypt', 'Decrypt', 'ReEncrypt'].map((action) => [action, emulator.count(action)]),
  )
}

describe(`calls to the key service: ${OBJECTS} PUTs and ${OBJECTS} GETs, ${REPLICAS} replicas, ${EPOCHS} epochs each`, () => {
  it('writing makes one data key for each replica and epoch', async () => {
    await each(put, (n) => n % REPLICAS)
    assert.deepEqual(calls(), { GenerateDataKey: REPLICAS * EPOCHS, Encrypt: 0, Decrypt: 0, ReEncrypt: 0 })
  })

  it('reading what a replica wrote itself costs nothing', async () => {
    emulator.calls.length = 0
    await each(get, (n) => n % REPLICAS)
    assert.deepEqual(calls(), { GenerateDataKey: 0, Encrypt: 0, Decrypt: 0, ReEncrypt: 0 })
  })

  it('reading what the others wrote opens each of their data keys once', async () => {
    await each(get, (n) => (n + 1) % REPLICAS)
    assert.deepEqual(calls(), {
      GenerateDataKey: 0,
      Encrypt: 0,
      Decrypt: REPLICAS * EPOCHS * (REPLICAS - 1),
      ReEncrypt: 0,
    })
  })

  it('a restart under load opens each data key once in each replica, however many ask at the same time', async () => {
    await stopReplicas()
    await startReplicas()
    await each(get, (n) => Math.floor(n / 7) % REPLICAS)
    assert.deepEqual(calls(), {
      GenerateDataKey: 0,
      Encrypt: 0,
      Decrypt: REPLICAS * (REPLICAS * EPOCHS),
      ReEncrypt: 0,
    })
  })
})
