import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { abortMultipartUpload } from '../../src/gateway/abort-multipart-upload.ts'
import { collectGarbage, lastCollected } from '../../src/gateway/collect-garbage.ts'
import { createGateway } from '../../src/gateway/gateway.ts'
import { putSystemObject, systemObjects } from '../../src/gateway/system-bucket.ts'
import { uploadPrefix } from '../../src/gateway/upload-state.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { collect, oneChunk } from '../lib/bytes.ts'
import { FaultyStorage } from '../lib/faults.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { takesName } from '../lib/real-store.ts'

const MIB = 1024 * 1024
const DAY_MS = 86_400_000
const Bucket = 'races'

const faults = new FaultyStorage()
let gateway: TestGateway
let s3: S3Client
let bucket: TestBucket
let clock = 0

before(async () => {
  gateway = await startGateway({ wrap: faults.wrap, gatewayNow: () => Date.now() + clock })
  s3 = gateway.client()
  bucket = await TestBucket.create(s3, Bucket)
})
after(() => gateway.close())

async function state(part = ''): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of systemObjects(gateway.gateway, 'v1/mpu/'))
    if (key.includes(part)) keys.push(key)
  return keys
}

function codeOf(result: PromiseSettledResult<unknown>): string {
  if (result.status === 'fulfilled') return 'ok'
  return result.reason instanceof S3ServiceException ? result.reason.name : String(result.reason)
}

describe('multipart uploads under races and faults', () => {
  it('CompleteMultipartUpload_racing: every one of many at once gets the one same answer', async () => {
    for (let round = 0; round < 5; round++) {
      const Key = `racing-${round}`
      const id = await bucket.begin(Key)
      const whole = randomBytes(10 * MIB)
      const parts = [
        await bucket.send(Key, id, 1, whole.subarray(0, 5 * MIB)),
        await bucket.send(Key, id, 2, whole.subarray(5 * MIB)),
      ]
      const answers = await Promise.all(Array.from({ length: 6 }, () => bucket.complete(Key, id, parts)))
      assert.equal(new Set(answers.map(({ ETag }) => ETag)).size, 1)
      assert.ok((await bucket.read(Key)).equals(whole))
    }
  })

  it('CompleteMultipartUpload_racing for a part that waits: whoever comes late gets the same answer', async () => {
    for (let round = 0; round < 10; round++) {
      const Key = `racing-waiting-${round}`
      const id = await bucket.begin(Key)
      const whole = randomBytes(200_000)
      const parts = [await bucket.send(Key, id, 1, whole)]
      const answers = await Promise.all(Array.from({ length: 6 }, () => bucket.complete(Key, id, parts)))
      assert.equal(new Set(answers.map(({ ETag }) => ETag)).size, 1)
      assert.ok((await bucket.read(Key)).equals(whole))
    }
  })

  it('CompleteMultipartUpload_waiting part that is gone names nothing of the system bucket', async () => {
    const Key = 'waiting-gone'
    const id = await bucket.begin(Key)
    const part = await bucket.send(Key, id, 1, randomBytes(200_000))
    const prefix = `${uploadPrefix({ bucket: Bucket, uploadId: id })}s/`
    for await (const { key } of systemObjects(gateway.gateway, prefix))
      await gateway.storage.deleteObject({ bucket: 'sealgate-system', key })
    await assert.rejects(bucket.complete(Key, id, [part]), (error: Error & { Key?: string }) => {
      assert.deepEqual([error.name, error.Key], ['InvalidPart', undefined])
      return true
    })
  })

  it('CompleteMultipartUpload_otherList racing: the object is one list or the other, whole', async () => {
    const Key = 'lists'
    const id = await bucket.begin(Key)
    const [one, two] = [randomBytes(5 * MIB), randomBytes(5 * MIB)]
    const parts = [await bucket.send(Key, id, 1, one), await bucket.send(Key, id, 2, two)]
    const results = await Promise.allSettled([
      bucket.complete(Key, id, parts),
      bucket.complete(Key, id, parts.slice(0, 1)),
    ])
    assert.ok(
      results.some(({ status }) => status === 'fulfilled'),
      results.map(codeOf).join(),
    )
    const got = await bucket.read(Key)
    assert.ok(got.equals(one) || got.equals(Buffer.concat([one, two])))
  })

  it('CompleteMultipartUpload_unlisted part survives a Complete that fails', async () => {
    const Key = 'unlisted'
    const id = await bucket.begin(Key)
    const [one, two] = [randomBytes(5 * MIB), randomBytes(5 * MIB)]
    const parts = [await bucket.send(Key, id, 1, one), await bucket.send(Key, id, 2, two)]
    await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'in the way' }))
    const refused = bucket.complete(Key, id, parts.slice(0, 1), { IfNoneMatch: '*' })
    const { ifNoneMatch } = gateway.storage.capabilities.conditions.complete
    await assert.rejects(refused, { name: ifNoneMatch ? 'PreconditionFailed' : 'NotImplemented' })
    await bucket.complete(Key, id, parts)
    assert.ok((await bucket.read(Key)).equals(Buffer.concat([one, two])))
  })

  it('CompleteMultipartUpload_lostAnswer: after a crash behind the commit the same answer is given, with its checksums', async () => {
    const Key = 'lost'
    const { UploadId = '' } = await s3.send(
      new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: 'CRC32' }),
    )
    const body = randomBytes(1000)
    const part = await s3.send(
      new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: body, ChecksumAlgorithm: 'CRC32' }),
    )
    const parts = [{ PartNumber: 1, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32 }]
    faults.once('completeMultipartUpload', async (call) => {
      await call()
      throw new Error('the connection to the store broke')
    })
    await assert.rejects(bucket.complete(Key, UploadId, parts), { name: 'InternalError' })
    const again = await bucket.complete(Key, UploadId, parts)
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }))
    assert.equal(again.ETag, head.ETag)
    assert.equal(again.ChecksumCRC32, head.ChecksumCRC32)
    assert.match(again.ChecksumCRC32 ?? '', /-1$/)
    assert.deepEqual((await bucket.complete(Key, UploadId, parts)).ETag, head.ETag)
  })

  it('CompleteMultipartUpload_sentAgain: a condition that was met is not asked a second time', async () => {
    const { ETag } = await bucket.put('again', 'old')
    const id = await bucket.begin('again')
    const parts = [await bucket.send('again', id, 1, Buffer.from('new'))]
    // Without one before a store that would ignore it.
    const condition = gateway.storage.capabilities.conditions.complete.ifMatch ? { IfMatch: ETag } : {}
    const first = await bucket.complete('again', id, parts, condition)
    assert.equal((await bucket.complete('again', id, parts, condition)).ETag, first.ETag)
    assert.equal((await bucket.read('again')).toString(), 'new')
  })

  it('AbortMultipartUpload_racing UploadPart ends with no upload and no object', async () => {
    const Key = 'aborted'
    const id = await bucket.begin(Key)
    await bucket.send(Key, id, 1, randomBytes(5 * MIB))
    const results = await Promise.allSettled([
      bucket.send(Key, id, 2, randomBytes(5 * MIB)),
      bucket.send(Key, id, 3, randomBytes(10)),
      s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId: id })),
    ])
    assert.equal(results[2]?.status, 'fulfilled')
    for (const result of results) assert.match(codeOf(result), /^(ok|NoSuchUpload)$/)
    await assert.rejects(s3.send(new ListPartsCommand({ Bucket, Key, UploadId: id })), {
      name: 'NoSuchUpload',
    })
    await assert.rejects(bucket.read(Key), { name: 'NoSuchKey' })
  })

  it('AbortMultipartUpload by another replica ends an upload whose key is remembered here', async () => {
    const { keys, realm, systemBucket } = gateway.gateway
    const replica = createGateway({ storage: gateway.storage, keys, realm, systemBucket })
    const Key = 'elsewhere'
    const id = await bucket.begin(Key)
    const part = await bucket.send(Key, id, 1, randomBytes(10))
    await abortMultipartUpload(replica, { bucket: Bucket, key: Key, uploadId: id })
    for (const [number, size] of [
      [1, 10],
      [2, 5 * MIB],
      [10_000, 5 * MIB],
    ] as const)
      await fails(bucket.send(Key, id, number, randomBytes(size)), 'NoSuchUpload', 404)
    await fails(bucket.complete(Key, id, [part]), 'NoSuchUpload', 404)
  })

  it('CompleteMultipartUpload_mistake is told as such where a foreign object lies under the key', async () => {
    const Key = 'foreign'
    const attributes = { headers: {}, metadata: {}, storageClass: 'STANDARD' }
    await gateway.storage.putObject({
      bucket: Bucket,
      key: Key,
      ...attributes,
      size: 5,
      body: oneChunk('plain'),
    })
    const id = await bucket.begin(Key)
    const part = await bucket.send(Key, id, 1, randomBytes(10))
    await fails(bucket.complete(Key, id, [{ ...part, PartNumber: 2 }]), 'InvalidPart', 400)
    await bucket.complete(Key, id, [part])
  })

  it('UploadPart_twice at once: Complete takes the one that ListParts shows', async () => {
    const Key = 'twice'
    const id = await bucket.begin(Key)
    const bodies = [randomBytes(5 * MIB), randomBytes(5 * MIB)] as const
    const sent = await Promise.all(bodies.map((body) => bucket.send(Key, id, 1, body)))
    const { Parts = [] } = await s3.send(new ListPartsCommand({ Bucket, Key, UploadId: id }))
    assert.equal(Parts.length, 1)
    const winner = sent.findIndex(({ ETag }) => ETag === Parts[0]?.ETag)
    await bucket.complete(Key, id, [{ PartNumber: 1, ETag: Parts[0]?.ETag }])
    assert.ok((await bucket.read(Key)).equals(bodies[winner] ?? Buffer.alloc(0)))
  })

  it('UploadPart_sparse numbers, and part 10000 as the last, small or large', async () => {
    for (const size of [100, 5 * MIB]) {
      const Key = `sparse-${size}`
      const id = await bucket.begin(Key)
      const bodies = [randomBytes(5 * MIB), randomBytes(5 * MIB), randomBytes(size)] as const
      const numbers = [7, 9999, 10_000]
      const parts = await Promise.all(
        bodies.map((body, index) => bucket.send(Key, id, numbers[index] ?? 0, body)),
      )
      await bucket.complete(Key, id, parts)
      assert.ok((await bucket.read(Key)).equals(Buffer.concat(bodies)))
    }
    await assert.rejects(bucket.send('sparse-100', 'x', 10_001, Buffer.alloc(1)), { name: 'InvalidArgument' })
    await assert.rejects(bucket.send('sparse-100', 'x', 0, Buffer.alloc(1)), { name: 'InvalidArgument' })
  })

  it('CopyObject_overwritten source: the copy is one whole version, and a condition on the target is answered as such', async () => {
    const versions = [randomBytes(2000), randomBytes(3000)] as const
    await s3.send(new PutObjectCommand({ Bucket, Key: 'source', Body: versions[0] }))
    faults.once('copyObject', async (call) => {
      await s3.send(new PutObjectCommand({ Bucket, Key: 'source', Body: versions[1] }))
      return call()
    })
    const CopySource = `${Bucket}/source`
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'copied', CopySource }))
    assert.ok((await bucket.read('copied')).equals(versions[1]))
    const refused = s3.send(new CopyObjectCommand({ Bucket, Key: 'copied', CopySource, IfNoneMatch: '*' }))
    await assert.rejects(refused, (error: S3ServiceException) => error.$metadata.httpStatusCode === 412)
  })
})

describe('collectGarbage', () => {
  it('removes the record of a completed upload after a day, and nothing of one that goes on', async () => {
    const [done, open] = [await bucket.begin('collect-done'), await bucket.begin('collect-open')]
    await bucket.complete('collect-done', done, [await bucket.send('collect-done', done, 1, randomBytes(10))])
    const part = await bucket.send('collect-open', open, 1, randomBytes(10))
    assert.ok((await state('/done')).length > 0)
    await collectGarbage(gateway.gateway)
    assert.ok((await state('/done')).length > 0)
    clock = 2 * DAY_MS
    await collectGarbage(gateway.gateway)
    assert.deepEqual(await state('/done'), [])
    await bucket.complete('collect-open', open, [part])
  })

  it('removes state without an upload once it was seen so in two runs a day apart', async () => {
    await s3.send(new CreateBucketCommand({ Bucket: 'short-lived' }))
    const upload = { Bucket: 'short-lived', Key: 'k' }
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(upload))
    await s3.send(new UploadPartCommand({ ...upload, UploadId, PartNumber: 1, Body: 'part' }))
    // By the store itself, as a lifecycle rule and whoever else may delete there.
    await gateway.storage.abortMultipartUpload({ bucket: 'short-lived', key: 'k', uploadId: UploadId ?? '' })
    await gateway.storage.deleteBucket('short-lived')
    assert.equal((await state('/short-lived/')).length, 2)
    assert.equal((await collectGarbage(gateway.gateway)).waiting, 1)
    clock += DAY_MS / 2
    await collectGarbage(gateway.gateway)
    assert.equal((await state('/short-lived/')).length, 2)
    clock += DAY_MS / 2
    assert.ok((await collectGarbage(gateway.gateway)).collected >= 1)
    assert.deepEqual(await state('/short-lived/'), [])
  })

  it('removes what a start that died left of its try of the store, after a day', async () => {
    await putSystemObject(gateway.gateway, 'v1/probe/dead/put', Buffer.from('probe'))
    clock = 0
    assert.equal((await collectGarbage(gateway.gateway)).records, 0)
    clock = 2 * DAY_MS
    assert.equal((await collectGarbage(gateway.gateway, { dryRun: true })).records, 1)
    assert.equal((await collectGarbage(gateway.gateway)).records, 1)
    assert.deepEqual(await state('v1/probe/'), [])
  })

  it('is kept from nothing by records that nobody here made, and removes them in time', async () => {
    const id = await bucket.begin('beside-strangers')
    const part = await bucket.send('beside-strangers', id, 1, randomBytes(10))
    const names = ['', '..', 'no bucket', 'a:b@c#', 'sealgate-system', '\uff5e', '\u{1f600}']
    const strangers = names.map((name) => `v1/mpu/${name}/x/init`).filter(takesName)
    for (const name of strangers) await putSystemObject(gateway.gateway, name, Buffer.from('?'))
    for (let day = 0; day < 2; day++) {
      await collectGarbage(gateway.gateway)
      clock += DAY_MS
    }
    await collectGarbage(gateway.gateway)
    assert.deepEqual(await state('/x/init'), [])
    await bucket.complete('beside-strangers', id, [part])
  })

  it('takes no upload for an orphan where the store does not list all its uploads', async () => {
    await s3.send(new CreateBucketCommand({ Bucket: 'unlisted' }))
    const upload = { Bucket: 'unlisted', Key: 'k' }
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(upload))
    await s3.send(new UploadPartCommand({ ...upload, UploadId, PartNumber: 1, Body: 'part' }))
    // Of which there is no note either.
    const [init = ''] = await state('/unlisted/')
    const { body } = await gateway.storage.getObject({ bucket: 'sealgate-system', key: init })
    await putSystemObject(gateway.gateway, init, await collect(body))
    const { storage } = gateway.gateway
    const blind = new Proxy(storage, {
      get(target, name) {
        if (name === 'capabilities') return { ...storage.capabilities, listsUploads: false }
        if (name === 'listMultipartUploads') return async () => ({ uploads: [], isTruncated: false })
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    for (let day = 0; day < 3; day++) {
      await collectGarbage({ ...gateway.gateway, storage: blind })
      clock += DAY_MS
    }
    assert.equal((await state('/unlisted/')).length, 2)
  })

  it('takes a memory that is damaged, foreign or too large for none', async () => {
    const id = await bucket.begin('forgotten')
    const part = await bucket.send('forgotten', id, 1, randomBytes(10))
    for (const memory of [
      '',
      '{',
      'null',
      '{"ranAt":1,"orphans":null}',
      '{"ranAt":1,"orphans":{"v1/x":"y"}}',
    ]) {
      await putSystemObject(gateway.gateway, 'v1/gc', Buffer.from(memory))
      assert.equal(await lastCollected(gateway.gateway), 0)
      await collectGarbage(gateway.gateway)
      assert.ok((await lastCollected(gateway.gateway)) > 0)
    }
    await putSystemObject(gateway.gateway, 'v1/gc', Buffer.alloc(17 * MIB, ' '))
    assert.equal((await collectGarbage(gateway.gateway)).waiting, 0)
    await bucket.complete('forgotten', id, [part])
  })

  it('removes nothing when a list of the store fails', async () => {
    const id = await bucket.begin('listed')
    const part = await bucket.send('listed', id, 1, randomBytes(10))
    clock += 3 * DAY_MS
    faults.once('listMultipartUploads', () => Promise.reject(new Error('the store is away')))
    await assert.rejects(collectGarbage(gateway.gateway), /the store is away/)
    await bucket.complete('listed', id, [part])
  })
})
