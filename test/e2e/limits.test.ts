/** The sizes and numbers at which S3's limits lie, and many requests at once. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { fails, TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { converse, parseAnswer, send, signed } from '../lib/raw-http.ts'

const MIB = 1024 * 1024
const GIB = 1024 * MIB
const Bucket = 'limits'
let gateway: TestGateway
let s3: S3Client
let bucket: TestBucket

before(async () => {
  gateway = await startGateway()
  s3 = gateway.client()
  bucket = await TestBucket.create(s3, Bucket)
})
after(() => gateway.close())

describe('sizes', () => {
  it('UploadPart_size is 5 MiB at least, but for the last part', async () => {
    for (const [size, code] of [
      [5 * MIB - 1, 'EntityTooSmall'],
      [5 * MIB, null],
      [5 * MIB + 1, null],
    ] as const) {
      const bodies = [randomBytes(size), randomBytes(1)]
      const done = bucket.putParts(`part-${size}`, bodies)
      if (code !== null) {
        await fails(done, code, 400)
        continue
      }
      await done
      assert.ok((await bucket.read(`part-${size}`)).equals(Buffer.concat(bodies)))
    }
  })

  it('PutObject_tooLarge and UploadPart_tooLarge are told before a byte of the body is asked for', async () => {
    const id = await bucket.begin('large')
    for (const path of ['large', `large?partNumber=1&uploadId=${id}`]) {
      const conversation = converse(gateway)
      conversation.socket.write(
        signed(gateway, {
          method: 'PUT',
          target: `/${Bucket}/${path}`,
          payload: 'UNSIGNED-PAYLOAD',
          headers: { 'content-length': String(6 * GIB), expect: '100-continue' },
        }),
      )
      const text = await conversation.until((received) => parseAnswer(received) !== null)
      conversation.socket.destroy()
      assert.doesNotMatch(text, /^HTTP\/1.1 100/)
      const answer = parseAnswer(text)
      assert.deepEqual([answer?.status, answer?.code], [400, 'EntityTooLarge'], path)
      assert.match(answer?.body ?? '', /<MaxSizeAllowed>\d+<\/MaxSizeAllowed>/)
    }
  })
})

describe('many requests at once', () => {
  it('PutObject_256atOnce are all answered, and so are their reads, through as many connections', async () => {
    const many = TestBucket.of(
      gateway.client({ requestHandler: { httpAgent: { maxSockets: 256 } }, maxAttempts: 1 }),
      Bucket,
    )
    const keys = Array.from({ length: 256 }, (_, n) => `many/${n}`)
    const etags = await Promise.all(keys.map((key) => many.put(key, key).then(({ ETag }) => ETag)))
    assert.equal(new Set(etags).size, 256)
    const read = await Promise.all(keys.map((key) => many.read(key)))
    assert.deepEqual(
      read.map((bytes) => bytes.toString()),
      keys,
    )
  })
})

describe('buckets that are removed', () => {
  it('DeleteBucket_openUpload takes the upload along, and nothing that no client sees holds it back', async () => {
    const gone = await TestBucket.create(s3, 'soon-gone')
    const id = await gone.begin('open')
    await gone.send('open', id, 1, randomBytes(5 * MIB))
    await gone.putParts('done', [randomBytes(5 * MIB), randomBytes(1)])
    await fails(s3.send(new DeleteBucketCommand({ Bucket: 'soon-gone' })), 'BucketNotEmpty', 409)
    assert.equal((await send(gateway, { method: 'DELETE', target: '/soon-gone/done' })).status, 204)
    await s3.send(new DeleteBucketCommand({ Bucket: 'soon-gone' }))
    await fails(gone.send('open', id, 2, randomBytes(10)), 'NoSuchBucket', 404)
    await s3.send(new CreateBucketCommand({ Bucket: 'soon-gone' }))
    await fails(gone.send('open', id, 2, randomBytes(10)), 'NoSuchUpload', 404)
    await fails(gone.complete('open', id, [{ PartNumber: 1, ETag: 'x' }]), 'NoSuchUpload', 404)
  })
})

describe('a multipart upload by presigned URLs alone', () => {
  it('CompleteMultipartUpload_presigned, as browsers do it: begun, sent, listed and completed without a header', async () => {
    const Key = 'from a browser/ü+1'
    const begin = await getSignedUrl(s3, new CreateMultipartUploadCommand({ Bucket, Key }))
    const begun = await (await fetch(begin, { method: 'POST' })).text()
    const UploadId = /<UploadId>([^<]+)</.exec(begun)?.[1]
    const bodies = [randomBytes(5 * MIB), randomBytes(1000)]
    const parts: string[] = []
    for (const [index, body] of bodies.entries()) {
      const part = new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: index + 1 })
      const sent = await fetch(await getSignedUrl(s3, part), { method: 'PUT', body: new Uint8Array(body) })
      assert.equal(sent.status, 200, await sent.text())
      const etag = sent.headers.get('etag')?.replaceAll('"', '')
      parts.push(`<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`)
    }
    const end = await getSignedUrl(s3, new CompleteMultipartUploadCommand({ Bucket, Key, UploadId }))
    const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`
    const done = await fetch(end, { method: 'POST', body })
    const text = await done.text()
    assert.equal(done.status, 200, text)
    assert.match(text, /<CompleteMultipartUploadResult xmlns=/)
    const path = Key.split('/').map(encodeURIComponent).join('/')
    for (const element of [
      `<Location>${gateway.endpoint}/${Bucket}/${path}</Location>`,
      `<Bucket>${Bucket}</Bucket>`,
      `<Key>${Key}</Key>`,
    ])
      assert.ok(text.includes(element), `${element} in ${text}`)
    assert.ok((await bucket.read(Key)).equals(Buffer.concat(bodies)))
  })
})
