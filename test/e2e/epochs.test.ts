import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import {
  DeleteBucketCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { ENVELOPE_METADATA_NAME } from '../../src/envelope/index.ts'
import { SealgateError } from '../../src/errors.ts'
import { systemObjects } from '../../src/gateway/system-bucket.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { parseDekEnvelope } from '../lib/dek-envelope.ts'
import { FaultyStorage } from '../lib/faults.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { WatchedKms } from '../lib/watched-kms.ts'

const MIB = 1024 ** 2
const CMK = 'local:0000000000000001'
const kms = new WatchedKms('', [CMK])
const faults = new FaultyStorage()
let gateway: TestGateway
let s3: S3Client

before(async () => {
  const epoch = { maxAgeMs: 3_600_000, maxObjects: 1000, maxBytes: 12 * MIB }
  const keys = { kms, policy: () => ({ cmk: CMK, retired: [] }), epoch }
  gateway = await startGateway({ keys, wrap: faults.wrap })
  s3 = gateway.client()
})
after(() => gateway.close())
beforeEach(() => {
  kms.calls.length = 0
  faults.clear()
})

async function dataKeyOf(Bucket: string, Key: string): Promise<string> {
  const { metadata } = await gateway.storage.headObject({ bucket: Bucket, key: Key })
  return parseDekEnvelope(metadata[ENVELOPE_METADATA_NAME]).dekId.toString('hex')
}

async function ringOf(bucket: string): Promise<string[]> {
  const names: string[] = []
  for await (const { key } of systemObjects(gateway.gateway, `v1/ring/${bucket}/`)) names.push(key)
  return names
}

describe('the data keys of a bucket, as clients make them', () => {
  it('each has its record before its first object, one for many objects', async () => {
    const bucket = await TestBucket.create(s3, 'photos')
    for (const key of ['a', 'b', 'c']) await bucket.put(key, 'x')
    const [dek] = new Set(await Promise.all(['a', 'b', 'c'].map((key) => dataKeyOf('photos', key))))
    assert.deepEqual(await ringOf('photos'), [`v1/ring/photos/${dek}/00000001`])
    assert.equal(kms.count('generateDataKey'), 1)
  })

  it('seal nothing when their record cannot be written', async () => {
    const bucket = await TestBucket.create(s3, 'unrecorded')
    faults.once('putObject', async () => {
      throw new SealgateError('ServiceUnavailable')
    })
    await fails(bucket.put('a', 'x'), 'ServiceUnavailable', 503)
    await fails(bucket.read('a'), 'NoSuchKey', 404)
    assert.deepEqual(await ringOf('unrecorded'), [])
    await bucket.put('a', 'x')
    assert.equal((await ringOf('unrecorded')).length, 1)
  })

  it('end when the parts of uploads have used up their bytes', async () => {
    const bucket = await TestBucket.create(s3, 'uploads')
    await bucket.put('before', 'x')
    await bucket.putParts('big', [Buffer.alloc(5 * MIB), Buffer.alloc(5 * MIB), Buffer.alloc(3 * MIB)])
    await bucket.put('after', 'x')
    const [before, big, behind] = await Promise.all(
      ['before', 'big', 'after'].map((key) => dataKeyOf('uploads', key)),
    )
    assert.equal(before, big)
    assert.notEqual(behind, big)
  })

  it('are made for no bucket that is not there, and cost no call', async () => {
    const nowhere = TestBucket.of(s3, 'never-made')
    for (let n = 0; n < 5; n += 1) await fails(nowhere.put('a', 'x'), 'NoSuchBucket', 404)
    await fails(nowhere.begin('a'), 'NoSuchBucket', 404)
    assert.deepEqual([kms.calls, await ringOf('never-made')], [[], []])
  })

  it('go on working when their bucket is deleted and made again, and their records stay', async () => {
    const bucket = await TestBucket.create(s3, 'reborn')
    await bucket.put('a', 'first')
    const records = await ringOf('reborn')
    await s3.send(new DeleteObjectCommand({ Bucket: 'reborn', Key: 'a' }))
    await s3.send(new DeleteBucketCommand({ Bucket: 'reborn' }))
    await fails(bucket.put('a', 'x'), 'NoSuchBucket', 404)
    await TestBucket.create(s3, 'reborn')
    await bucket.put('a', 'second')
    assert.equal((await bucket.read('a')).toString(), 'second')
    for (const name of records) assert.ok((await ringOf('reborn')).includes(name))
    const head = await s3.send(new HeadObjectCommand({ Bucket: 'reborn', Key: 'a' }))
    assert.equal(head.SSEKMSKeyId, CMK)
  })
})
