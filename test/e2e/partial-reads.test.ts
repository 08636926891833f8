import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import {
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { fails, TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { send } from '../lib/raw-http.ts'

const MIB = 1024 * 1024
const Bucket = 'partial'
let gateway: TestGateway
let s3: S3Client
let bucket: TestBucket

before(async () => {
  gateway = await startGateway()
  s3 = gateway.client()
  bucket = await TestBucket.create(s3, Bucket)
})
after(() => gateway.close())

describe('partNumber', () => {
  const parts = [randomBytes(5 * MIB), randomBytes(5 * MIB + 3), randomBytes(77)]
  const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('base64')

  before(async () => {
    const id = await bucket.begin('parts', { ChecksumAlgorithm: 'SHA256' })
    const sent = []
    // Numbers may have gaps; whoever reads counts from 1.
    for (const [index, Body] of parts.entries()) {
      const PartNumber = 2 * index + 1
      const part = {
        Bucket,
        Key: 'parts',
        UploadId: id,
        PartNumber,
        Body,
        ChecksumAlgorithm: 'SHA256' as const,
      }
      const { ETag, ChecksumSHA256 } = await s3.send(new UploadPartCommand(part))
      sent.push({ PartNumber, ETag, ChecksumSHA256 })
    }
    await bucket.complete('parts', id, sent)
    await bucket.put('single', parts[2] ?? '')
  })

  it('gives one part, its place, the number of parts, and its own checksum when asked', async () => {
    const size = parts.reduce((sum, part) => sum + part.length, 0)
    let start = 0
    for (const [index, part] of parts.entries()) {
      const asked = { Bucket, Key: 'parts', PartNumber: index + 1, ChecksumMode: 'ENABLED' as const }
      const got = await s3.send(new GetObjectCommand(asked))
      const place = `bytes ${start}-${start + part.length - 1}/${size}`
      assert.deepEqual(
        [
          got.$metadata.httpStatusCode,
          got.ContentRange,
          got.ContentLength,
          got.PartsCount,
          got.ChecksumSHA256,
        ],
        [206, place, part.length, 3, sha256(part)],
      )
      assert.ok(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(part))
      const head = await s3.send(new HeadObjectCommand(asked))
      assert.deepEqual(
        [head.ContentRange, head.ContentLength, head.PartsCount, head.ChecksumSHA256],
        [place, part.length, 3, sha256(part)],
      )
      start += part.length
    }
    await fails(bucket.read('parts', { PartNumber: 4 }), 'InvalidPartNumber', 416)
  })

  it('1 is the whole of an object that has no parts, and 2 is not there', async () => {
    const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'single', PartNumber: 1 }))
    assert.deepEqual([got.$metadata.httpStatusCode, got.ContentLength, got.PartsCount], [206, 77, undefined])
    assert.equal(got.ContentRange, 'bytes 0-76/77')
    await fails(bucket.read('single', { PartNumber: 2 }), 'InvalidPartNumber', 416)
    for (const number of ['0', '10001', 'x']) {
      const answer = await send(gateway, { target: `/${Bucket}/single?partNumber=${number}` })
      assert.deepEqual([answer.status, answer.code], [400, 'InvalidArgument'], number)
    }
    await fails(bucket.read('single', { PartNumber: 1, Range: 'bytes=0-1' }), 'InvalidRequest', 400)
  })

  it('of GetObjectAttributes is page by page, with sizes and checksums of plaintext', async () => {
    const asked = { Bucket, Key: 'parts', ObjectAttributes: ['ObjectParts' as const, 'Checksum' as const] }
    const all = await s3.send(new GetObjectAttributesCommand(asked))
    assert.equal(all.ObjectParts?.TotalPartsCount, 3)
    assert.equal(all.Checksum?.ChecksumType, 'COMPOSITE')
    const seen: [number | undefined, number | undefined, string | undefined][] = []
    let PartNumberMarker: string | undefined
    do {
      const page = await s3.send(
        new GetObjectAttributesCommand({
          ...asked,
          MaxParts: 2,
          ...(PartNumberMarker && { PartNumberMarker }),
        }),
      )
      for (const { PartNumber, Size, ChecksumSHA256 } of page.ObjectParts?.Parts ?? [])
        seen.push([PartNumber, Size, ChecksumSHA256])
      PartNumberMarker =
        page.ObjectParts?.IsTruncated === true ? page.ObjectParts.NextPartNumberMarker : undefined
    } while (PartNumberMarker !== undefined)
    assert.deepEqual(
      seen,
      parts.map((part, index) => [index + 1, part.length, sha256(part)]),
    )
  })
})
