import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { Replicas } from './replicas.ts'

const OBJECTS = 10_000
const REPLICAS = 2
const EPOCHS = 3
/** So the third epoch of each replica ends below nine tenths, where the fourth would be fetched ahead. */
const SETTINGS = { SEALGATE_EPOCH_MAX_OBJECTS: '1800' }

let replicas: Replicas

before(async () => {
  replicas = await Replicas.start(REPLICAS, SETTINGS)
  await replicas.clients[0]?.send(new CreateBucketCommand({ Bucket: 'counted' }))
})
after(() => replicas.close())

async function put(s3: S3Client, n: number): Promise<void> {
  await s3.send(new PutObjectCommand({ Bucket: 'counted', Key: `k${n}`, Body: `value ${n}` }))
}

async function get(s3: S3Client, n: number): Promise<void> {
  const answer = await s3.send(new GetObjectCommand({ Bucket: 'counted', Key: `k${n}` }))
  assert.equal(await answer.Body?.transformToString(), `value ${n}`)
}

/** Every call since the last look. */
function calls(): { readonly made: number; readonly opened: number; readonly all: number } {
  const { kms } = replicas
  const counted = { made: kms.count('GenerateDataKey'), opened: kms.count('Decrypt'), all: kms.calls.length }
  kms.calls.length = 0
  return counted
}

describe(`calls to the key service: ${OBJECTS} objects, ${REPLICAS} replicas, ${EPOCHS} epochs each`, () => {
  it('writing makes one data key for each replica and epoch', async () => {
    await replicas.each(OBJECTS, (n) => n % REPLICAS, put)
    assert.deepEqual(calls(), { made: REPLICAS * EPOCHS, opened: 0, all: REPLICAS * EPOCHS })
  })

  it('reading what a replica wrote itself costs nothing', async () => {
    await replicas.each(OBJECTS, (n) => n % REPLICAS, get)
    assert.deepEqual(calls(), { made: 0, opened: 0, all: 0 })
  })

  it('reading what the others wrote opens each of their data keys once', async () => {
    await replicas.each(OBJECTS, (n) => (n + 1) % REPLICAS, get)
    const opened = REPLICAS * EPOCHS * (REPLICAS - 1)
    assert.deepEqual(calls(), { made: 0, opened, all: opened })
  })

  it('a restart under load opens each data key once in each replica, however many ask at the same time', async () => {
    await replicas.restart(SETTINGS)
    await replicas.each(OBJECTS, (n) => Math.floor(n / 7) % REPLICAS, get)
    const opened = REPLICAS * (REPLICAS * EPOCHS)
    assert.deepEqual(calls(), { made: 0, opened, all: opened })
  })
})
