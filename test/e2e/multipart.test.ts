import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { systemObjects } from '../../src/gateway/system-bucket.ts'
import { fails, type SentPart, TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'

const MIB = 1024 * 1024
const Bucket = 'multipart'
let gateway: TestGateway
let s3: S3Client
let bucket: TestBucket

before(async () => {
  gateway = await startGateway()
  s3 = gateway.client()
  bucket = await TestBucket.create(s3, Bucket)
})
after(() => gateway.close())

async function leftovers(): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of systemObjects(gateway.gateway, 'v1/mpu/'))
    if (!key.endsWith('/done')) keys.push(key)
  return keys
}

describe('multipart uploads through the JavaScript SDK', () => {
  const shapes: [string, number[]][] = [
    ['one empty part', [0]],
    ['one small part', [1000]],
    ['a last part under 5 MiB', [5 * MIB, 5 * MIB + 7, 12345]],
    ['a last part of 5 MiB, so that the footer is a part of its own', [5 * MIB, 5 * MIB]],
    ['an empty last part', [5 * MIB, 0]],
  ]
  for (const [name, sizes] of shapes) {
    it(`CompleteMultipartUpload_roundTrip with ${name}`, async () => {
      const Key = name
      const bodies = sizes.map((size) => randomBytes(size))
      const whole = Buffer.concat(bodies)
      const id = await bucket.begin(Key, { Metadata: { a: 'b' }, ContentType: 'text/m' })
      // Backwards: parts may come in any order.
      const parts = await Promise.all(
        bodies.map((body, index) => bucket.send(Key, id, index + 1, body)).reverse(),
      )
      const done = await bucket.complete(Key, id, parts.reverse())
      assert.match(done.ETag ?? '', /^"[0-9a-f]{32}-\d+"$/)
      const head = await s3.send(new HeadObjectCommand({ Bucket, Key }))
      assert.deepEqual(
        [head.ContentLength, head.ETag, head.Metadata, head.ContentType],
        [whole.length, done.ETag, { a: 'b' }, 'text/m'],
      )
      const list = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: Key }))
      assert.deepEqual(
        list.Contents?.map(({ Size, ETag }) => [Size, ETag]),
        [[whole.length, done.ETag]],
      )
      assert.ok((await bucket.read(Key)).equals(whole))
      const edge = sizes[0] ?? 0
      if (whole.length > edge + 10)
        assert.ok(
          (await bucket.read(Key, { Range: `bytes=${edge - 10}-${edge + 9}` })).equals(
            whole.subarray(edge - 10, edge + 10),
          ),
        )
      assert.deepEqual(await leftovers(), [])
    })
  }

  it('UploadPart_again replaces the part, also big by small and small by big', async () => {
    const id = await bucket.begin('again')
    const big = randomBytes(5 * MIB)
    await bucket.send('again', id, 1, randomBytes(100))
    const first = await bucket.send('again', id, 1, big)
    const stale = await bucket.send('again', id, 2, randomBytes(5 * MIB))
    const small = randomBytes(50)
    const second = await bucket.send('again', id, 2, small)
    const listed = await s3.send(new ListPartsCommand({ Bucket, Key: 'again', UploadId: id }))
    assert.deepEqual(
      listed.Parts?.map(({ PartNumber, Size, ETag }) => [PartNumber, Size, ETag]),
      [
        [1, 5 * MIB, first.ETag],
        [2, 50, second.ETag],
      ],
    )
    await fails(
      bucket.complete('again', id, [first, { PartNumber: 2, ETag: '"00000000000000000000000000000000"' }]),
      'InvalidPart',
      400,
    )
    assert.notEqual(stale.ETag, second.ETag)
    await bucket.complete('again', id, [first, second])
    assert.ok((await bucket.read('again')).equals(Buffer.concat([big, small])))
  })

  it('CompleteMultipartUpload_mistakes get S3 errors, and a repeated one the same answer', async () => {
    const id = await bucket.begin('mistakes')
    const one = await bucket.send('mistakes', id, 1, randomBytes(100))
    const two = await bucket.send('mistakes', id, 2, randomBytes(100))
    await fails(bucket.complete('mistakes', id, [two, one]), 'InvalidPartOrder', 400)
    await fails(bucket.complete('mistakes', id, [one, two]), 'EntityTooSmall', 400)
    await fails(bucket.complete('mistakes', id, []), 'MalformedXML', 400)
    await fails(bucket.complete('mistakes', 'nothing', [one]), 'NoSuchUpload', 404)
    await fails(bucket.complete('another', id, [one]), 'NoSuchUpload', 404)
    const first = await bucket.complete('mistakes', id, [one])
    assert.equal((await bucket.complete('mistakes', id, [one])).ETag, first.ETag)
    await fails(s3.send(new ListPartsCommand({ Bucket, Key: 'mistakes', UploadId: id })), 'NoSuchUpload', 404)
    await fails(bucket.send('mistakes', id, 3, randomBytes(10)), 'NoSuchUpload', 404)
  })

  it('AbortMultipartUpload_forgets the upload and its parts', async () => {
    const id = await bucket.begin('abort')
    await bucket.send('abort', id, 1, randomBytes(5 * MIB))
    const { Uploads } = await s3.send(new ListMultipartUploadsCommand({ Bucket, Prefix: 'abort' }))
    assert.deepEqual(
      Uploads?.map(({ Key, UploadId }) => [Key, UploadId]),
      [['abort', id]],
    )
    await s3.send(new AbortMultipartUploadCommand({ Bucket, Key: 'abort', UploadId: id }))
    await fails(s3.send(new ListPartsCommand({ Bucket, Key: 'abort', UploadId: id })), 'NoSuchUpload', 404)
    assert.deepEqual(
      (await s3.send(new ListMultipartUploadsCommand({ Bucket, Prefix: 'abort' }))).Uploads ?? [],
      [],
    )
  })

  it('UploadPartCopy_ranges, also of the key that the upload replaces', async () => {
    const source = randomBytes(6 * MIB)
    await s3.send(new PutObjectCommand({ Bucket, Key: 'self', Body: source }))
    const id = await bucket.begin('self')
    const CopySource = `${Bucket}/self`
    const whole = await s3.send(
      new UploadPartCopyCommand({ Bucket, Key: 'self', UploadId: id, PartNumber: 1, CopySource }),
    )
    const range = await s3.send(
      new UploadPartCopyCommand({
        Bucket,
        Key: 'self',
        UploadId: id,
        PartNumber: 2,
        CopySource,
        CopySourceRange: 'bytes=65530-65549',
      }),
    )
    await bucket.complete('self', id, [
      { PartNumber: 1, ETag: whole.CopyPartResult?.ETag },
      { PartNumber: 2, ETag: range.CopyPartResult?.ETag },
    ])
    assert.ok((await bucket.read('self')).equals(Buffer.concat([source, source.subarray(65530, 65550)])))
  })

  it('lib-storage Upload_defaults, partNumber reads, attributes and a copy of it', async () => {
    const body = randomBytes(12 * MIB + 3)
    const done = await new Upload({ client: s3, params: { Bucket, Key: 'upload', Body: body } }).done()
    assert.ok(done.ETag)
    assert.ok((await bucket.read('upload')).equals(body))
    const part = await s3.send(new GetObjectCommand({ Bucket, Key: 'upload', PartNumber: 2 }))
    assert.deepEqual(
      [part.PartsCount, part.ContentLength, part.ContentRange],
      [3, 5 * MIB, `bytes ${5 * MIB}-${10 * MIB - 1}/${body.length}`],
    )
    assert.ok(
      Buffer.from((await part.Body?.transformToByteArray()) ?? []).equals(body.subarray(5 * MIB, 10 * MIB)),
    )
    await assert.rejects(bucket.read('upload', { PartNumber: 4 }), {
      name: 'InvalidPartNumber',
      PartNumberRequested: '4',
      ActualPartCount: '3',
    })
    const attributes = await s3.send(
      new GetObjectAttributesCommand({
        Bucket,
        Key: 'upload',
        ObjectAttributes: ['ObjectParts', 'ObjectSize', 'Checksum'],
      }),
    )
    assert.deepEqual([attributes.ObjectSize, attributes.ObjectParts?.TotalPartsCount], [body.length, 3])
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'upload-copy', CopySource: `${Bucket}/upload` }))
    assert.ok((await bucket.read('upload-copy')).equals(body))
  })

  it('CompleteMultipartUpload_fullObject checksum is that of the whole', async () => {
    const bodies = [randomBytes(5 * MIB), randomBytes(777)]
    const id = await bucket.begin('full', { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' })
    const parts: SentPart[] = []
    for (const [index, Body] of bodies.entries()) {
      const { ETag, ChecksumCRC32 } = await s3.send(
        new UploadPartCommand({ Bucket, Key: 'full', UploadId: id, PartNumber: index + 1, Body }),
      )
      parts.push({ PartNumber: index + 1, ETag, ChecksumCRC32 })
    }
    await fails(
      bucket.complete('full', id, parts, { ChecksumCRC32: 'AAAAAA==', ChecksumType: 'FULL_OBJECT' }),
      'BadDigest',
      400,
    )
    const put = await s3.send(
      new PutObjectCommand({ Bucket, Key: 'full-single', Body: Buffer.concat(bodies) }),
    )
    const done = await bucket.complete('full', id, parts, {
      ChecksumCRC32: put.ChecksumCRC32,
      ChecksumType: 'FULL_OBJECT',
    })
    assert.equal(done.ChecksumCRC32, put.ChecksumCRC32)
    assert.equal(done.ChecksumType, 'FULL_OBJECT')
    assert.equal(
      createHash('sha256')
        .update(await bucket.read('full'))
        .digest('hex'),
      createHash('sha256').update(Buffer.concat(bodies)).digest('hex'),
    )
  })

  it('CompleteMultipartUpload_otherChecksum than the upload has is refused, never left unchecked', async () => {
    for (const [begun, sent, code] of [
      [{}, { ChecksumCRC64NVME: 'AAAAAAAAAAA=' }, 'BadDigest'],
      [{ ChecksumAlgorithm: 'CRC32' }, { ChecksumCRC32C: 'AAAAAA==' }, 'BadDigest'],
      [{ ChecksumAlgorithm: 'CRC32' }, { ChecksumType: 'FULL_OBJECT' }, 'InvalidRequest'],
      [{}, { ChecksumType: 'COMPOSITE' }, 'InvalidRequest'],
      [{}, { MpuObjectSize: 8 }, 'InvalidRequest'],
    ] as const) {
      const id = await bucket.begin('checked', begun)
      const parts = [await bucket.send('checked', id, 1, Buffer.from('content'))]
      await fails(bucket.complete('checked', id, parts, sent), code, 400)
      await bucket.complete('checked', id, parts, { MpuObjectSize: 7 })
    }
  })

  it('UploadPart_withoutChecksum gets the one that the upload was begun with; another one is refused', async () => {
    const plain = gateway.client({ requestChecksumCalculation: 'WHEN_REQUIRED' })
    const id = await bucket.begin('computed', { ChecksumAlgorithm: 'SHA256' })
    const part = { Bucket, Key: 'computed', UploadId: id }
    const body = randomBytes(5 * MIB)
    const sent = await plain.send(new UploadPartCommand({ ...part, PartNumber: 1, Body: body }))
    assert.equal(sent.ChecksumSHA256, createHash('sha256').update(body).digest('base64'))
    await bucket.put('from', body.subarray(0, 1000))
    const { CopyPartResult } = await s3.send(
      new UploadPartCopyCommand({ ...part, PartNumber: 2, CopySource: `${Bucket}/from` }),
    )
    const digest = createHash('sha256').update(body.subarray(0, 1000)).digest('base64')
    assert.equal(CopyPartResult?.ChecksumSHA256, digest)
    const wrong = s3.send(
      new UploadPartCommand({ ...part, PartNumber: 3, Body: 'x', ChecksumAlgorithm: 'CRC32' }),
    )
    await fails(wrong, 'InvalidRequest', 400)
    const done = await bucket.complete('computed', id, [
      { PartNumber: 1, ETag: sent.ETag },
      { PartNumber: 2, ETag: CopyPartResult?.ETag },
    ])
    assert.match(done.ChecksumSHA256 ?? '', /-2$/)
  })

  it('CopyObject_checksumAlgorithm computes what the source lacks, and keeps the bytes', async () => {
    const body = randomBytes(200_000)
    await bucket.put('copy-from', body, { Metadata: { a: '1' } })
    const CopySource = `${Bucket}/copy-from`
    const copy = new CopyObjectCommand({ Bucket, Key: 'copy-to', CopySource, ChecksumAlgorithm: 'SHA256' })
    const { CopyObjectResult } = await s3.send(copy)
    assert.equal(CopyObjectResult?.ChecksumSHA256, createHash('sha256').update(body).digest('base64'))
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'copy-to', ChecksumMode: 'ENABLED' }))
    assert.deepEqual([head.ChecksumSHA256, head.Metadata], [CopyObjectResult?.ChecksumSHA256, { a: '1' }])
    assert.ok((await bucket.read('copy-to')).equals(body))
  })
})
