import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  type S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { fails, TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'

const Bucket = 'conditions'
const STALE = '"00000000000000000000000000000000-0"'
let gateway: TestGateway
let s3: S3Client
let bucket: TestBucket

before(async () => {
  gateway = await startGateway()
  s3 = gateway.client()
  bucket = await TestBucket.create(s3, Bucket)
})
after(() => gateway.close())

const text = async (key: string) => (await bucket.read(key)).toString()

describe('conditions of writes', () => {
  it('CompleteMultipartUpload_conditions leave the upload to be completed without them', async () => {
    const { ETag } = await bucket.put('k', 'old')
    const id = await bucket.begin('k')
    const parts = [await bucket.send('k', id, 1, Buffer.from('new'))]
    await fails(bucket.complete('k', id, parts, { IfNoneMatch: '*' }), 'PreconditionFailed', 412)
    await fails(bucket.complete('k', id, parts, { IfMatch: STALE }), 'PreconditionFailed', 412)
    assert.equal(await text('k'), 'old')
    const done = await bucket.complete('k', id, parts, { IfMatch: ETag })
    assert.equal(await text('k'), 'new')
    // The answer was lost and the request is sent again: its condition does not hold any more, and it was met.
    assert.equal((await bucket.complete('k', id, parts, { IfMatch: ETag })).ETag, done.ETag)
    const other = await bucket.begin('absent')
    const only = [await bucket.send('absent', other, 1, Buffer.from('x'))]
    await fails(bucket.complete('absent', other, only, { IfMatch: ETag }), 'NoSuchKey', 404)
    await bucket.complete('absent', other, only, { IfNoneMatch: '*' })
  })

  it('DeleteObject_ifMatch deletes that version and no other', async () => {
    const { ETag } = await bucket.put('deleted', 'x')
    const remove = (IfMatch: string | undefined) =>
      s3.send(new DeleteObjectCommand({ Bucket, Key: 'deleted', IfMatch }))
    await fails(remove(STALE), 'PreconditionFailed', 412)
    assert.equal(await text('deleted'), 'x')
    await remove(ETag)
    await fails(bucket.read('deleted'), 'NoSuchKey', 404)
    await fails(remove(ETag), 'NoSuchKey', 404)
    await remove(undefined)
  })

  it('DeleteObjects_etags hold for each key by itself', async () => {
    const { ETag } = await bucket.put('one', '1')
    await bucket.put('two', '2')
    const Objects = [{ Key: 'one', ETag }, { Key: 'two', ETag: STALE }, { Key: 'never' }]
    const { Deleted, Errors } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
    assert.deepEqual(Deleted?.map(({ Key }) => Key).sort(), ['never', 'one'])
    assert.deepEqual(
      Errors?.map(({ Key, Code }) => [Key, Code]),
      [['two', 'PreconditionFailed']],
    )
    assert.equal(await text('two'), '2')
  })
})

describe('conditions on the source of a copy', () => {
  it('CopyObject and UploadPartCopy_sourceConditions are those of a read, and 412', async () => {
    const { ETag } = await bucket.put('source', randomBytes(10))
    const [past, future] = [new Date(0), new Date(Date.now() + 86_400_000)]
    const CopySource = `${Bucket}/source`
    const id = await bucket.begin('part')
    const ways = [
      (conditions: object) => s3.send(new CopyObjectCommand({ Bucket, Key: 'c', CopySource, ...conditions })),
      (conditions: object) =>
        s3.send(
          new UploadPartCopyCommand({
            ...{ Bucket, Key: 'part', UploadId: id, PartNumber: 1, CopySource },
            ...conditions,
          }),
        ),
    ]
    for (const copy of ways) {
      for (const conditions of [
        { CopySourceIfMatch: STALE },
        { CopySourceIfNoneMatch: ETag },
        { CopySourceIfModifiedSince: future },
        { CopySourceIfUnmodifiedSince: past },
      ])
        await fails(copy(conditions), 'PreconditionFailed', 412)
      await copy({ CopySourceIfMatch: ETag?.replaceAll('"', ''), CopySourceIfUnmodifiedSince: past })
      await copy({ CopySourceIfNoneMatch: STALE, CopySourceIfModifiedSince: future })
    }
  })
})
