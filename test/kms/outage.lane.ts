import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3'
import type { Fault } from '../emulators/emulator.ts'
import { Replicas } from './replicas.ts'

const GRACE_MS = 6000
const EPOCH_MS = 2000
const SETTINGS = {
  SEALGATE_EPOCH_MAX_AGE_MS: String(EPOCH_MS),
  SEALGATE_KMS_GRACE_MS: String(GRACE_MS),
  SEALGATE_KMS_TIMEOUT_MS: '1000',
}
const BUCKET = 'outage'

let replicas: Replicas

before(async () => {
  replicas = await Replicas.start(2, SETTINGS)
  await replicas.clients[0]?.send(new CreateBucketCommand({ Bucket: BUCKET }))
})
after(() => replicas.close())
afterEach(() => {
  replicas.kms.outage = undefined
})

interface Report {
  readonly stored: string[]
  readonly refused: { readonly key: string; readonly error: unknown }[]
}

/** Writes and reads through both replicas without pause, until told to stop. */
function load(name: string): { stop(): Promise<Report> } {
  const report: Report = { stored: [], refused: [] }
  let running = true
  const client = async (s3: S3Client, id: string) => {
    for (let n = 0; running; n++) {
      const key = `${name}/${id}/${n}`
      try {
        await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: key }))
        report.stored.push(key)
        await read(s3, key)
      } catch (error) {
        report.refused.push({ key, error })
        await sleep(20)
      }
    }
  }
  const clients = replicas.clients.flatMap((s3, n) =>
    Array.from({ length: 8 }, (_, m) => client(s3, `${n}.${m}`)),
  )
  return {
    async stop() {
      running = false
      await Promise.all(clients)
      return report
    },
  }
}

async function read(s3: S3Client, key: string): Promise<void> {
  const answer = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: key }))
  assert.equal(await answer.Body?.transformToString(), key)
}

async function listed(prefix: string): Promise<string[]> {
  const keys: string[] = []
  let ContinuationToken: string | undefined
  do {
    const page = await replicas.clients[0]?.send(
      new ListObjectsV2Command({ Bucket: BUCKET, Prefix: prefix, ContinuationToken }),
    )
    for (const { Key = '' } of page?.Contents ?? []) keys.push(Key)
    ContinuationToken = page?.NextContinuationToken
  } while (ContinuationToken !== undefined)
  return keys
}

const OUTAGES: readonly { readonly name: string; readonly fault: Fault }[] = [
  { name: 'cut', fault: { kind: 'cut' } },
  { name: 'silent', fault: { kind: 'silence' } },
  { name: 'throttling', fault: { kind: 'error', code: 'RequestLimitExceeded' } },
  { name: '502', fault: { kind: 'status', status: 502 } },
]

for (const { name, fault } of OUTAGES) {
  describe(`a key service that is ${name} under load`, () => {
    it('fails nothing within grace, says SlowDown after it, and is used again without a restart', async () => {
      const before = load(`${name}-before`)
      await freshKeys()
      assert.deepEqual((await before.stop()).refused, [])
      replicas.kms.outage = fault
      const within = await (await startedLoad(`${name}-within`, GRACE_MS - 2000)).stop()
      assert.deepEqual(within.refused, [])
      assert.ok(within.stored.length > 100, `${within.stored.length} stored within grace`)

      await sleep(2000 + EPOCH_MS + 1000)
      const beyond = await (await startedLoad(`${name}-beyond`, 1500)).stop()
      assert.deepEqual(beyond.stored, [])
      assert.ok(beyond.refused.length >= 16)
      for (const { error } of beyond.refused) assertSlowDown(error)
      assert.deepEqual(await listed(`${name}-beyond/`), [])

      replicas.kms.outage = undefined
      // The circuit breaker leaves the service alone for some seconds.
      const back = await startedLoad(`${name}-back`, 8000)
      const { stored } = await back.stop()
      for (const n of replicas.clients.keys())
        assert.ok(
          stored.some((key) => key.startsWith(`${name}-back/${n}.`)),
          `replica ${n} is back`,
        )
      const kept = [...within.stored, ...stored]
      assert.deepEqual((await listed(`${name}-`)).filter((key) => kept.includes(key)).length, kept.length)
      for (const key of within.stored.slice(0, 50)) for (const s3 of replicas.clients) await read(s3, key)
    })
  })
}

/** Until each replica has begun an epoch from now on. */
async function freshKeys(): Promise<void> {
  const before = replicas.kms.count('GenerateDataKey')
  const deadline = Date.now() + 20_000
  while (replicas.kms.count('GenerateDataKey') < before + 2 * replicas.clients.length) {
    assert.ok(Date.now() < deadline, 'no new epochs')
    await sleep(10)
  }
}

async function startedLoad(name: string, forMs: number) {
  const running = load(name)
  await sleep(forMs)
  return running
}

function assertSlowDown(error: unknown): void {
  assert.ok(error instanceof S3ServiceException, String(error))
  assert.deepEqual([error.name, error.$metadata.httpStatusCode], ['SlowDown', 503])
  assert.ok(Number(error.$response?.headers['retry-after']) > 0, 'Retry-After')
}
