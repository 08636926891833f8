import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectAttributesCommand,
  HeadObjectCommand,
  type S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { fails, TestBucket } from '../lib/bucket.ts'
import { oneChunk } from '../lib/bytes.ts'
import { FaultyStorage } from '../lib/faults.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { takesName } from '../lib/real-store.ts'

const MIB = 1024 * 1024
const Bucket = 'second-call'
const faults = new FaultyStorage()
let gateway: TestGateway
let s3: S3Client
let bucket: TestBucket

before(async () => {
  gateway = await startGateway({ wrap: faults.wrap })
  s3 = gateway.client()
  bucket = await TestBucket.create(s3, Bucket)
})
after(() => gateway.close())

/** Two versions of a key, so different in size that a mixture of them would show. */
const versions = (): [Buffer, Buffer] => [randomBytes(300_000), randomBytes(1_500_000)]

/** Something else is put under the key between the first call to the store and the second. */
function overwriteBeforeGet(put: () => Promise<unknown>): void {
  faults.once('getObject', async (call) => {
    await put()
    return call()
  })
}

describe('an operation of several calls to the store, whose object is overwritten in between', () => {
  it('GetObject_range gives the range of one version', async () => {
    const [older, newer] = versions()
    await bucket.put('range', older)
    overwriteBeforeGet(() => bucket.put('range', newer))
    assert.ok((await bucket.read('range', { Range: 'bytes=100000-' })).equals(newer.subarray(100_000)))
    // A closed range of one that came by parts needs the footer after it, and here is not where it was looked for.
    const parts = [randomBytes(5 * MIB + 1), randomBytes(5 * MIB + 1), randomBytes(9)]
    await bucket.putParts('range', parts)
    const again = () =>
      faults.once('getObject', async (call) => {
        const answer = await call()
        await bucket.put('range', older)
        return answer
      })
    again()
    assert.ok((await bucket.read('range', { Range: 'bytes=200000-6000000' })).equals(older.subarray(200_000)))
  })

  it('GetObject_multipart becomes a single PUT, and the other way round', async () => {
    const parts = [randomBytes(5 * MIB), randomBytes(2 * MIB)]
    const whole = Buffer.concat(parts)
    const [single] = versions()
    await bucket.putParts('kinds', parts)
    overwriteBeforeGet(() => bucket.put('kinds', single))
    assert.ok((await bucket.read('kinds')).equals(single))
    overwriteBeforeGet(() => bucket.putParts('kinds', parts))
    assert.ok((await bucket.read('kinds', { Range: 'bytes=7-' })).equals(whole.subarray(7)))
  })

  it('HeadObject and GetObjectAttributes of a multipart object are of one version', async () => {
    const parts = [randomBytes(5 * MIB), randomBytes(100)]
    await bucket.putParts('head', parts)
    overwriteBeforeGet(() => bucket.put('head', 'short'))
    assert.equal(
      (await s3.send(new HeadObjectCommand({ Bucket, Key: 'head', ChecksumMode: 'ENABLED' }))).ContentLength,
      5,
    )
    await bucket.putParts('head', parts)
    overwriteBeforeGet(() => bucket.put('head', 'short'))
    const attributes = new GetObjectAttributesCommand({
      Bucket,
      Key: 'head',
      ObjectAttributes: ['ObjectSize'],
    })
    assert.equal((await s3.send(attributes)).ObjectSize, 5)
  })

  it('GetObject_deleted is NoSuchKey', async () => {
    await bucket.put('deleted', randomBytes(300_000))
    overwriteBeforeGet(() => s3.send(new DeleteObjectCommand({ Bucket, Key: 'deleted' })))
    await fails(bucket.read('deleted', { Range: 'bytes=9-' }), 'NoSuchKey', 404)
  })

  it('GetObject_always overwritten gives up with SlowDown', async () => {
    await bucket.put('busy', randomBytes(300_000))
    const again = async (call: () => Promise<unknown>): Promise<unknown> => {
      await bucket.put('busy', randomBytes(300_000))
      faults.once('getObject', again)
      return call()
    }
    faults.once('getObject', again)
    await fails(bucket.read('busy', { Range: 'bytes=9-' }), 'SlowDown', 503)
    faults.once('getObject', (call) => call())
  })

  it('UploadPartCopy takes a part of one version', async () => {
    const [older, newer] = versions()
    await bucket.put('source', older)
    const id = await bucket.begin('target')
    overwriteBeforeGet(() => bucket.put('source', newer))
    const { CopyPartResult } = await s3.send(
      new UploadPartCopyCommand({
        Bucket,
        Key: 'target',
        UploadId: id,
        PartNumber: 1,
        CopySource: `${Bucket}/source`,
        CopySourceRange: 'bytes=10-200009',
      }),
    )
    await bucket.complete('target', id, [{ PartNumber: 1, ETag: CopyPartResult?.ETag }])
    assert.ok((await bucket.read('target')).equals(newer.subarray(10, 200_010)))
  })

  it('CopyObject_conditions on the source are those of the version that is copied', async () => {
    const { ETag } = await bucket.put('conditional', 'older')
    faults.once('copyObject', async (call) => {
      await bucket.put('conditional', 'newer')
      return call()
    })
    const CopySource = `${Bucket}/conditional`
    const copy = s3.send(new CopyObjectCommand({ Bucket, Key: 'c', CopySource, CopySourceIfMatch: ETag }))
    await fails(copy, 'PreconditionFailed', 412)
  })
})

describe('sources of copies', () => {
  it('are named as clients name them: with a slash in front, encoded or plain, with ?, + and blanks', async () => {
    for (const Key of ['plain', 'a+b', 'a b', 'what?', 'x/../y', 'ü', 'per%25cent'].filter(takesName)) {
      await bucket.put(Key, Key)
      for (const CopySource of [
        `/${Bucket}/${encodeURIComponent(Key)}`,
        `${Bucket}/${encodeURI(Key).replaceAll('?', '%3F').replaceAll('+', '%2B')}`,
      ]) {
        await s3.send(new CopyObjectCommand({ Bucket, Key: 'named', CopySource }))
        assert.equal((await bucket.read('named')).toString(), Key, CopySource)
      }
    }
  })

  it('that were not sealed here are refused, and so are ranges behind the end', async () => {
    const attributes = { headers: {}, metadata: {}, storageClass: 'STANDARD' }
    await gateway.storage.putObject({
      bucket: Bucket,
      key: 'foreign',
      ...attributes,
      size: 5,
      body: oneChunk('plain'),
    })
    const CopySource = `${Bucket}/foreign`
    await fails(s3.send(new CopyObjectCommand({ Bucket, Key: 'f', CopySource })), 'AccessDenied', 403)
    await fails(bucket.read('foreign'), 'AccessDenied', 403)
    await bucket.put('short', 'ten bytes.')
    const id = await bucket.begin('target-2')
    const part = { Bucket, Key: 'target-2', UploadId: id, PartNumber: 1, CopySource: `${Bucket}/short` }
    await fails(
      s3.send(new UploadPartCopyCommand({ ...part, CopySourceRange: 'bytes=5-10' })),
      'InvalidArgument',
      400,
    )
  })

  it('a copy under a changed store condition leaves the target alone', async () => {
    await bucket.put('from', 'new')
    const { ETag } = await bucket.put('to', 'old')
    const copy = (more: object) =>
      s3.send(new CopyObjectCommand({ Bucket, Key: 'to', CopySource: `${Bucket}/from`, ...more }))
    await fails(copy({ IfNoneMatch: '*' }), 'PreconditionFailed', 412)
    await fails(copy({ IfMatch: '"00000000000000000000000000000000-0"' }), 'PreconditionFailed', 412)
    assert.equal((await bucket.read('to')).toString(), 'old')
    await copy({ IfMatch: ETag })
    assert.equal((await bucket.read('to')).toString(), 'new')
  })
})
