import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { after, before, describe, it } from 'node:test'
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  GetObjectTorrentCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
  type S3ServiceException,
} from '@aws-sdk/client-s3'
import { createChecksum } from '../../src/base/checksum.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { namesTaken } from '../lib/real-store.ts'

let gateway: TestGateway
let s3: S3Client
let bucket: TestBucket
const Bucket = 'objects'

before(async () => {
  gateway = await startGateway()
  s3 = gateway.client()
  bucket = await TestBucket.create(s3, Bucket)
})
after(() => gateway.close())

describe('objects through the JavaScript SDK', () => {
  for (const size of [0, 1, 4096, 65535, 65536, 65537, 131072, 1024 * 1024, 1024 * 1024 + 1, 3_000_001]) {
    it(`PutObject_roundTrip of ${size} bytes, with equal sizes in HEAD, GET and LIST`, async () => {
      const body = randomBytes(size)
      const Key = `round/${size}`
      const put = await s3.send(
        new PutObjectCommand({
          Bucket,
          Key,
          Body: body,
          ContentType: 'text/x-test',
          Metadata: { Colour: 'blue' },
        }),
      )
      assert.match(put.ETag ?? '', /^"[0-9a-f]{32}-0"$/)
      assert.equal(put.ServerSideEncryption, 'aws:kms')
      assert.ok(put.ChecksumCRC32)
      const head = await s3.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }))
      assert.equal(head.ContentLength, size)
      assert.equal(head.ETag, put.ETag)
      assert.equal(head.ContentType, 'text/x-test')
      assert.deepEqual(head.Metadata, { colour: 'blue' })
      assert.equal(head.ChecksumCRC32, put.ChecksumCRC32)
      const got = await s3.send(new GetObjectCommand({ Bucket, Key }))
      assert.equal(got.ChecksumCRC32, put.ChecksumCRC32)
      assert.ok(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(body))
      const list = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: Key }))
      const entry = list.Contents?.find((object) => object.Key === Key)
      assert.equal(entry?.Size, size)
      assert.equal(entry?.ETag, put.ETag)
      assert.equal(
        Math.floor((entry?.LastModified?.getTime() ?? 0) / 1000),
        (head.LastModified?.getTime() ?? 0) / 1000,
      )
    })
  }

  it('PutObject_streamBody arrives by unsigned chunks with a trailer', async () => {
    const body = randomBytes(300_000)
    await s3.send(
      new PutObjectCommand({
        Bucket,
        Key: 'stream',
        Body: Readable.from([body]),
        ContentLength: body.length,
      }),
    )
    assert.ok((await bucket.read('stream')).equals(body))
  })

  for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const) {
    it(`PutObject_checksum ${ChecksumAlgorithm} is checked, kept and returned`, async () => {
      const body = randomBytes(100_000)
      const checksum = createChecksum(ChecksumAlgorithm)
      checksum.update(body)
      const expected = checksum.digest().toString('base64')
      const put = await s3.send(new PutObjectCommand({ Bucket, Key: 'sum', Body: body, ChecksumAlgorithm }))
      assert.equal(put[`Checksum${ChecksumAlgorithm}`], expected)
      const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'sum', ChecksumMode: 'ENABLED' }))
      assert.equal(got[`Checksum${ChecksumAlgorithm}`], expected)
      assert.ok(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(body))
    })
  }

  it('GetObject_range equals the slice, for every shape of range', async () => {
    const body = randomBytes(400_000)
    await s3.send(new PutObjectCommand({ Bucket, Key: 'range', Body: body }))
    const cases: [string, number, number][] = [
      ['bytes=0-0', 0, 1],
      ['bytes=65535-65536', 65535, 65537],
      ['bytes=100-', 100, 400_000],
      ['bytes=-5', 399_995, 400_000],
      ['bytes=-999999', 0, 400_000],
      ['bytes=399999-999999', 399_999, 400_000],
      ['bytes=131072-196607', 131_072, 196_608],
    ]
    for (const [Range, start, end] of cases) {
      const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'range', Range }))
      assert.equal(got.ContentRange, `bytes ${start}-${end - 1}/400000`)
      assert.equal(got.ChecksumCRC32, undefined)
      assert.ok(
        Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(body.subarray(start, end)),
        Range,
      )
    }
    await fails(bucket.read('range', { Range: 'bytes=400000-' }), 'InvalidRange', 416)
    assert.equal((await bucket.read('range', { Range: 'bytes=junk' })).length, 400_000)
    assert.equal((await bucket.read('range', { Range: 'bytes=0-1,5-6' })).length, 400_000)
  })

  it('GetObject_conditions follow RFC 9110', async () => {
    const { ETag } = await s3.send(new PutObjectCommand({ Bucket, Key: 'cond', Body: 'x' }))
    assert.equal((await bucket.read('cond', { IfMatch: ETag })).length, 1)
    assert.equal((await bucket.read('cond', { IfMatch: ETag?.replaceAll('"', '') })).length, 1)
    await fails(
      bucket.read('cond', { IfMatch: '"00000000000000000000000000000000-0"' }),
      'PreconditionFailed',
      412,
    )
    await assert.rejects(
      bucket.read('cond', { IfNoneMatch: ETag }),
      (error: S3ServiceException) => error.$metadata.httpStatusCode === 304,
    )
    await assert.rejects(
      bucket.read('cond', { IfModifiedSince: new Date() }),
      (error: S3ServiceException) => error.$metadata.httpStatusCode === 304,
    )
    assert.equal((await bucket.read('cond', { IfModifiedSince: new Date(Date.now() + 60_000) })).length, 1)
    await fails(bucket.read('cond', { IfUnmodifiedSince: new Date(0) }), 'PreconditionFailed', 412)
  })

  it('PutObject_conditions are atomic: one winner of many', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 16 }, (_, index) =>
        s3.send(new PutObjectCommand({ Bucket, Key: 'once', Body: `${index}`, IfNoneMatch: '*' })),
      ),
    )
    assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1)
    const { ETag } = await s3.send(new HeadObjectCommand({ Bucket, Key: 'once' }))
    await s3.send(new PutObjectCommand({ Bucket, Key: 'once', Body: 'new', IfMatch: ETag }))
    await fails(
      s3.send(new PutObjectCommand({ Bucket, Key: 'once', Body: 'newer', IfMatch: ETag })),
      'PreconditionFailed',
      412,
    )
  })

  it('PutObject_wrongDigest stores nothing', async () => {
    const ContentMD5 = createHash('md5').update('other').digest('base64')
    await fails(
      s3.send(new PutObjectCommand({ Bucket, Key: 'bad', Body: 'x', ContentMD5 })),
      'BadDigest',
      400,
    )
    await fails(
      s3.send(new PutObjectCommand({ Bucket, Key: 'bad', Body: 'x', ChecksumCRC32: 'AAAAAA==' })),
      'BadDigest',
      400,
    )
    await fails(bucket.read('bad'), 'NoSuchKey', 404)
  })

  it('CopyObject_directives copy or replace metadata, also onto itself', async () => {
    const body = randomBytes(200_000)
    await s3.send(
      new PutObjectCommand({
        Bucket,
        Key: 'src ä+b',
        Body: body,
        Metadata: { a: '1' },
        ContentType: 'text/a',
      }),
    )
    const CopySource = `${Bucket}/${encodeURIComponent('src ä+b')}`
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource }))
    const copy = await s3.send(new HeadObjectCommand({ Bucket, Key: 'copy' }))
    assert.deepEqual([copy.Metadata, copy.ContentType, copy.ContentLength], [{ a: '1' }, 'text/a', 200_000])
    assert.ok((await bucket.read('copy')).equals(body))
    await fails(
      s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/copy` })),
      'InvalidRequest',
      400,
    )
    await s3.send(
      new CopyObjectCommand({
        Bucket,
        Key: 'copy',
        CopySource: `${Bucket}/copy`,
        MetadataDirective: 'REPLACE',
        Metadata: { b: '2' },
      }),
    )
    assert.deepEqual((await s3.send(new HeadObjectCommand({ Bucket, Key: 'copy' }))).Metadata, { b: '2' })
    assert.ok((await bucket.read('copy')).equals(body))
    await fails(
      s3.send(new CopyObjectCommand({ Bucket, Key: 'copy2', CopySource, CopySourceIfMatch: '"x"' })),
      'PreconditionFailed',
      412,
    )
    await fails(
      s3.send(new CopyObjectCommand({ Bucket, Key: 'copy2', CopySource: 'sealgate-system/v1/realm' })),
      'NoSuchBucket',
      404,
    )
  })

  it('DeleteObjects_and_names: every legal name is its own', async () => {
    const names = namesTaken([
      'a',
      'a/',
      'a/b',
      'a/../b',
      './c',
      '//',
      'd//e',
      'blank name',
      'plus+name',
      'per%cent',
      'é',
      'é'.normalize('NFD'),
      '日本',
      "q'(!*)~",
      'x'.repeat(255),
      'x'.repeat(1024),
    ])
    for (const name of names) await s3.send(new PutObjectCommand({ Bucket, Key: name, Body: name }))
    for (const name of names) assert.equal((await bucket.read(name)).toString(), name)
    const list = await s3.send(new ListObjectsV2Command({ Bucket, EncodingType: 'url' }))
    const listed = new Set(
      list.Contents?.map((object) => decodeURIComponent((object.Key ?? '').replaceAll('+', '%20'))),
    )
    for (const name of names) assert.ok(listed.has(name), name)
    const { Deleted } = await s3.send(
      new DeleteObjectsCommand({
        Bucket,
        Delete: { Objects: [...names, 'missing'].map((Key) => ({ Key })) },
      }),
    )
    assert.equal(Deleted?.length, names.length + 1)
    for (const name of names) await fails(bucket.read(name), 'NoSuchKey', 404)
    await fails(
      s3.send(new PutObjectCommand({ Bucket, Key: 'x'.repeat(1025), Body: '' })),
      'KeyTooLongError',
      400,
    )
  })

  it('ListObjects_paging by delimiter, marker and token sees each name once', async () => {
    const Bucket = 'listing'
    await s3.send(new CreateBucketCommand({ Bucket }))
    const names = ['a', 'b/1', 'b/2', 'c', 'd/1', 'e']
    for (const Key of names) await s3.send(new PutObjectCommand({ Bucket, Key, Body: '' }))
    for (const MaxKeys of [1, 2, 3, 1000]) {
      const seen: (string | undefined)[] = []
      let Marker: string | undefined
      do {
        const page = await s3.send(new ListObjectsCommand({ Bucket, MaxKeys, Delimiter: '/', Marker }))
        seen.push(
          ...(page.Contents ?? []).map((object) => object.Key),
          ...(page.CommonPrefixes ?? []).map((prefix) => prefix.Prefix),
        )
        Marker = page.IsTruncated === true ? page.NextMarker : undefined
      } while (Marker !== undefined)
      assert.deepEqual(seen.sort(), ['a', 'b/', 'c', 'd/', 'e'])
      const all: (string | undefined)[] = []
      let ContinuationToken: string | undefined
      do {
        const page = await s3.send(new ListObjectsV2Command({ Bucket, MaxKeys, ContinuationToken }))
        all.push(...(page.Contents ?? []).map((object) => object.Key))
        ContinuationToken = page.NextContinuationToken
      } while (ContinuationToken !== undefined)
      assert.deepEqual(all, names)
    }
    await fails(s3.send(new DeleteBucketCommand({ Bucket })), 'BucketNotEmpty', 409)
    await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: names.map((Key) => ({ Key })) } }))
    await s3.send(new DeleteBucketCommand({ Bucket }))
  })

  it('buckets: the system bucket is not there for clients', async () => {
    const { Buckets } = await s3.send(new ListBucketsCommand({}))
    assert.ok(Buckets?.some(({ Name }) => Name === Bucket))
    assert.ok(!Buckets?.some(({ Name }) => Name === 'sealgate-system'))
    await fails(s3.send(new ListObjectsV2Command({ Bucket: 'sealgate-system' })), 'NoSuchBucket', 404)
    await fails(s3.send(new CreateBucketCommand({ Bucket: 'sealgate-system' })), 'BucketAlreadyExists', 409)
    await fails(s3.send(new CreateBucketCommand({ Bucket })), 'BucketAlreadyOwnedByYou', 409)
    await assert.rejects(
      s3.send(new HeadBucketCommand({ Bucket: 'nowhere-at-all' })),
      (error: S3ServiceException) => error.$metadata.httpStatusCode === 404,
    )
    assert.equal((await s3.send(new GetBucketLocationCommand({ Bucket }))).LocationConstraint, undefined)
  })

  it('GetObjectAttributes and what is not there', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'attr', Body: 'hello' }))
    const found = await s3.send(
      new GetObjectAttributesCommand({
        Bucket,
        Key: 'attr',
        ObjectAttributes: ['ETag', 'ObjectSize', 'Checksum', 'StorageClass'],
      }),
    )
    assert.equal(found.ObjectSize, 5)
    assert.match(found.ETag ?? '', /^[0-9a-f]{32}-0$/)
    assert.ok(found.Checksum?.ChecksumCRC32)
    assert.deepEqual((await s3.send(new GetObjectTaggingCommand({ Bucket, Key: 'attr' }))).TagSet, [])
    await fails(s3.send(new GetObjectTorrentCommand({ Bucket, Key: 'attr' })), 'NotImplemented', 501)
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'attr' }))
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'attr' }))
  })
})
