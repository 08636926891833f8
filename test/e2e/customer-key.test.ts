import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  GetObjectAttributesCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { ENVELOPE_METADATA_NAME, parseEnvelope } from '../../src/envelope/index.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'

let running: TestGateway
let bucket: TestBucket
let s3: S3Client

before(async () => {
  running = await startGateway()
  s3 = running.client()
  bucket = await TestBucket.create(s3, 'customers')
})
after(() => running.close())

const keyA = randomBytes(32)
const keyB = randomBytes(32)
const md5Of = (key: Buffer) => createHash('md5').update(key).digest('base64')
const withKey = (key: Buffer) => ({
  SSECustomerAlgorithm: 'AES256',
  SSECustomerKey: key.toString('base64'),
  SSECustomerKeyMD5: md5Of(key),
})
const fromKey = (key: Buffer) => ({
  CopySourceSSECustomerAlgorithm: 'AES256',
  CopySourceSSECustomerKey: key.toString('base64'),
  CopySourceSSECustomerKeyMD5: md5Of(key),
})
const head = (Key: string, more: object = {}) =>
  s3.send(new HeadObjectCommand({ Bucket: 'customers', Key, ...more }))

describe("an object under a customer's own key", () => {
  it('is stored and read with that key, in whole and in part, and says so', async () => {
    const body = randomBytes(200_000)
    const put = await bucket.put('a', body, withKey(keyA))
    assert.deepEqual([put.SSECustomerAlgorithm, put.SSECustomerKeyMD5], ['AES256', md5Of(keyA)])
    assert.equal(put.ServerSideEncryption, undefined)
    assert.ok((await bucket.read('a', withKey(keyA))).equals(body))
    const part = await bucket.read('a', { ...withKey(keyA), Range: 'bytes=65530-131080' })
    assert.ok(part.equals(body.subarray(65530, 131081)))
    const found = await head('a', withKey(keyA))
    assert.deepEqual(
      [found.ContentLength, found.SSECustomerKeyMD5, found.ETag],
      [200_000, md5Of(keyA), put.ETag],
    )
    const listed = await s3.send(new ListObjectsV2Command({ Bucket: 'customers', Prefix: 'a' }))
    assert.equal(listed.Contents?.[0]?.Size, 200_000)
    const attributes = await s3.send(
      new GetObjectAttributesCommand({
        Bucket: 'customers',
        Key: 'a',
        ObjectAttributes: ['ObjectSize'],
        ...withKey(keyA),
      }),
    )
    assert.equal(attributes.ObjectSize, 200_000)
  })

  it('leaves nothing of the key in the store, and no key service can open it', async () => {
    const stored = await running.storage.headObject({ bucket: 'customers', key: 'a' })
    const envelope = parseEnvelope(stored.metadata[ENVELOPE_METADATA_NAME] ?? '')
    assert.equal(envelope.keySource, 'customer')
    const text =
      JSON.stringify(stored) +
      Buffer.from(stored.metadata[ENVELOPE_METADATA_NAME] ?? '', 'base64url').toString('latin1')
    for (const secret of [
      keyA.toString('latin1'),
      keyA.toString('base64'),
      md5Of(keyA),
      Buffer.from(md5Of(keyA), 'base64').toString('latin1'),
    ])
      assert.ok(!text.includes(secret))
  })

  it('is not read without the key, nor with another one', async () => {
    await fails(bucket.read('a'), 'InvalidRequest', 400)
    await fails(bucket.read('a', withKey(keyB)), 'AccessDenied', 403)
    await assert.rejects(
      head('a'),
      (error: { $metadata: { httpStatusCode: number } }) => error.$metadata.httpStatusCode === 400,
    )
    await assert.rejects(
      head('a', withKey(keyB)),
      (error: { $metadata: { httpStatusCode: number } }) => error.$metadata.httpStatusCode === 403,
    )
  })

  it('is no other object: a key where none belongs is refused', async () => {
    await bucket.put('plain', 'x')
    await fails(bucket.read('plain', withKey(keyA)), 'InvalidRequest', 400)
  })

  it('is copied by who has the key, to another key, from it and onto itself', async () => {
    const copy = (Key: string, more: object) =>
      s3.send(new CopyObjectCommand({ Bucket: 'customers', CopySource: 'customers/a', Key, ...more }))
    const body = await bucket.read('a', withKey(keyA))
    await fails(copy('c1', {}), 'InvalidRequest', 400)
    await fails(copy('c1', fromKey(keyB)), 'AccessDenied', 403)
    await copy('to-b', { ...fromKey(keyA), ...withKey(keyB) })
    assert.ok((await bucket.read('to-b', withKey(keyB))).equals(body))
    await fails(bucket.read('to-b', withKey(keyA)), 'AccessDenied', 403)
    const freed = await copy('to-kms', fromKey(keyA))
    assert.equal(freed.ServerSideEncryption, 'aws:kms')
    assert.ok((await bucket.read('to-kms')).equals(body))
    await copy('a', {
      ...fromKey(keyA),
      ...withKey(keyA),
      MetadataDirective: 'REPLACE',
      Metadata: { n: '1' },
    })
    assert.deepEqual((await head('a', withKey(keyA))).Metadata, { n: '1' })
    await s3.send(
      new CopyObjectCommand({
        Bucket: 'customers',
        CopySource: 'customers/plain',
        Key: 'from-kms',
        ...withKey(keyB),
      }),
    )
    assert.equal((await bucket.read('from-kms', withKey(keyB))).toString(), 'x')
  })

  it('comes in parts, each with the key; Complete needs none, and leaves no other way in', async () => {
    const parts = [randomBytes(5 * 1024 * 1024), randomBytes(100_000)]
    const UploadId = await bucket.begin('multi', withKey(keyA))
    const send = (PartNumber: number, more: object) =>
      s3.send(
        new UploadPartCommand({
          Bucket: 'customers',
          Key: 'multi',
          UploadId,
          PartNumber,
          Body: parts[PartNumber - 1] ?? Buffer.alloc(0),
          ...more,
        }),
      )
    await fails(send(1, {}), 'InvalidRequest', 400)
    await fails(send(1, withKey(keyB)), 'InvalidRequest', 400)
    const first = await send(1, withKey(keyA))
    assert.equal(first.SSECustomerKeyMD5, md5Of(keyA))
    // Another replica, which has nothing of the upload in its memory.
    running.gateway.uploads.clear()
    const second = await send(2, withKey(keyA))
    running.gateway.uploads.clear()
    const done = {
      Bucket: 'customers',
      Key: 'multi',
      UploadId,
      MultipartUpload: {
        Parts: [
          { PartNumber: 1, ETag: first.ETag },
          { PartNumber: 2, ETag: second.ETag },
        ],
      },
    }
    const completed = await s3.send(new CompleteMultipartUploadCommand(done))
    const again = await s3.send(new CompleteMultipartUploadCommand(done))
    assert.equal(again.ETag, completed.ETag)
    assert.ok((await bucket.read('multi', withKey(keyA))).equals(Buffer.concat(parts)))
    await fails(bucket.read('multi'), 'InvalidRequest', 400)
    const names = await running.storage.listObjects({
      bucket: 'sealgate-system',
      prefix: 'v1/mpu/customers/',
      delimiter: '',
      startAfter: '',
      maxKeys: 1000,
    })
    assert.deepEqual(
      names.objects.map(({ key }) => key.split('/').at(-1)),
      ['done'],
    )
  })

  it('is a source of parts for who has the key', async () => {
    const UploadId = await bucket.begin('joined')
    const copy = (more: object) =>
      s3.send(
        new UploadPartCopyCommand({
          Bucket: 'customers',
          Key: 'joined',
          UploadId,
          PartNumber: 1,
          CopySource: 'customers/multi',
          CopySourceRange: 'bytes=10-99999',
          ...more,
        }),
      )
    await fails(copy({}), 'InvalidRequest', 400)
    const { CopyPartResult } = await copy(fromKey(keyA))
    await bucket.complete('joined', UploadId, [{ PartNumber: 1, ETag: CopyPartResult?.ETag }])
    const body = await bucket.read('multi', withKey(keyA))
    assert.ok((await bucket.read('joined')).equals(body.subarray(10, 100_000)))
  })
})

it('a customer key that is not in order is refused before anything is stored', async () => {
  const put = (more: object) =>
    s3.send(new PutObjectCommand({ Bucket: 'customers', Key: 'refused', Body: 'x', ...more }))
  const sound = withKey(keyA)
  await fails(put({ ...sound, SSECustomerAlgorithm: 'AES128' }), 'InvalidEncryptionAlgorithmError', 400)
  await fails(put({ ...sound, SSECustomerKey: randomBytes(16).toString('base64') }), 'InvalidArgument', 400)
  await fails(put({ ...sound, ServerSideEncryption: 'aws:kms' }), 'InvalidArgument', 400)
  await fails(bucket.read('refused'), 'NoSuchKey', 404)
})
