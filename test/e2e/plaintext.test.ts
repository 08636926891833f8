import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import {
  CopyObjectCommand,
  CreateBucketCommand,
  GetObjectAttributesCommand,
  HeadObjectCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { type S3Server, startS3Server } from '../emulators/s3-server.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { send } from '../lib/raw-http.ts'
import { openStoreBefore } from '../lib/s3-storage.ts'

const MIB = 1024 * 1024
const Bucket = 'mixed'

let server: S3Server
let gateway: TestGateway
/** Clients of the gateway and of the store behind it. */
let s3: S3Client
let behind: S3Client
let bucket: TestBucket
let store: TestBucket

before(async () => {
  server = await startS3Server()
  const { endpoint, accessKeyId, secretAccessKey } = server
  const credentials = { accessKeyId, secretAccessKey }
  const readsPlaintext = (name: string) => name === Bucket
  gateway = await startGateway({ store: await openStoreBefore(server), readsPlaintext })
  s3 = gateway.client({ responseChecksumValidation: 'WHEN_REQUIRED' })
  behind = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
  bucket = await TestBucket.create(s3, Bucket)
  store = TestBucket.of(behind, Bucket)
})
after(async () => {
  behind.destroy()
  await gateway.close()
  await server.close()
})

const head = (Key: string, more: object = {}) => s3.send(new HeadObjectCommand({ Bucket, Key, ...more }))
const calls = async (run: () => Promise<unknown>) => {
  server.counted()
  await run()
  return server.counted()
}

/** All that the store has of an object. */
async function stored(key: string) {
  const { object, body } = await server.storage.getObject({ bucket: Bucket, key })
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return { object, bytes: Buffer.concat(chunks) }
}

/** Puts bytes into the store behind the gateway's back, as it likes. */
async function plant(key: string, bytes: Buffer, metadata: Record<string, string> = {}) {
  const attributes = { headers: { 'content-type': 'text/plain' }, metadata, storageClass: 'STANDARD' }
  const body = (async function* () {
    if (bytes.length > 0) yield bytes
  })()
  await server.storage.putObject({ bucket: Bucket, key, ...attributes, size: bytes.length, body })
}

describe('a bucket with plaintext: read', () => {
  it('GetObject_notSealed gives what lies there, whole and in ranges, and claims no encryption for it', async () => {
    for (const size of [0, 1, 39, 40, 368, 70_000, 3 * MIB + 5]) {
      const data = randomBytes(size)
      await store.put('old', data, { ContentType: 'text/old', Metadata: { owner: 'them' } })
      assert.ok((await bucket.read('old')).equals(data), `${size}`)
      const answer = await send(gateway, { target: `/${Bucket}/old`, method: 'HEAD' })
      assert.deepEqual(
        ['content-length', 'content-type', 'x-amz-meta-owner', 'x-sealgate-plaintext'].map((name) =>
          answer.headers.get(name),
        ),
        [String(size), 'text/old', 'them', 'true'],
      )
      const names = [...answer.headers.keys()]
      assert.deepEqual(
        names.filter((name) => name.includes('encryption') || name.includes('checksum')),
        [],
      )
      if (size < 40) continue
      for (const [range, from, to] of [
        ['0-0', 0, 1],
        ['10-19', 10, 20],
        [`${size - 1}-`, size - 1, size],
        ['-7', size - 7, size],
        [`5-${size * 2}`, 5, size],
        ['0-999999999999', 0, size],
      ] as const) {
        const part = await bucket.read('old', { Range: `bytes=${range}` })
        assert.ok(part.equals(data.subarray(from, to)), range)
        const { ContentLength, ContentRange } = await head('old', { Range: `bytes=${range}` })
        assert.deepEqual([ContentLength, ContentRange], [to - from, `bytes ${from}-${to - 1}/${size}`])
      }
      await fails(bucket.read('old', { Range: `bytes=${size}-` }), 'InvalidRange', 416)
    }
  })

  it('GetObject_conditions, parts and attributes of it are those of any object', async () => {
    await store.put('cond', 'plain')
    const { ETag = '', LastModified } = await head('cond')
    assert.match(ETag, /^"[0-9a-f]{32}-0"$/)
    assert.equal((await bucket.read('cond', { IfMatch: ETag })).toString(), 'plain')
    await fails(bucket.read('cond', { IfMatch: '"other"' }), 'PreconditionFailed', 412)
    await fails(bucket.read('cond', { IfMatch: '"other"', Range: 'bytes=0-1' }), 'PreconditionFailed', 412)
    const stale = await send(gateway, {
      target: `/${Bucket}/cond`,
      headers: { range: 'bytes=0-1', 'if-range': '"other"' },
    })
    assert.deepEqual([stale.status, stale.body], [200, 'plain'])
    assert.equal((await bucket.read('cond', { PartNumber: 1 })).toString(), 'plain')
    await fails(bucket.read('cond', { PartNumber: 2 }), 'InvalidPartNumber', 416)
    const found = await s3.send(
      new GetObjectAttributesCommand({
        ...{ Bucket, Key: 'cond' },
        ObjectAttributes: ['ETag', 'ObjectSize', 'Checksum', 'ObjectParts'],
      }),
    )
    assert.deepEqual(
      [found.ObjectSize, found.ETag, found.Checksum, found.ObjectParts, found.LastModified],
      [5, ETag.replaceAll('"', ''), undefined, undefined, LastModified],
    )
    const withKey = bucket.read('cond', { SSECustomerAlgorithm: 'AES256', SSECustomerKey: 'k'.repeat(32) })
    await fails(withKey, 'InvalidRequest', 400)
  })

  it('ListObjects_mixed tells the true size of each, which it looks at once', async () => {
    const sizes = new Map<string, number>()
    for (const [index, size] of [0, 1, 367, 368, 369, 4464, 70_000].entries()) {
      await store.put(`list/plain-${index}`, randomBytes(size))
      await bucket.put(`list/sealed-${index}`, randomBytes(size))
      sizes.set(`list/plain-${index}`, size).set(`list/sealed-${index}`, size)
    }
    const list = async () => {
      const page = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'list/' }))
      return new Map(page.Contents?.map(({ Key = '', Size = -1 }) => [Key, Size]))
    }
    assert.deepEqual(await list(), new Map([...sizes].sort()))
    assert.deepEqual(await calls(list), ['ListObjectsV2'])
    await store.put('list/plain-6', randomBytes(4464))
    sizes.set('list/plain-6', 4464)
    assert.deepEqual(await calls(list), ['ListObjectsV2', 'HeadObject'])
    const { Contents = [] } = await s3.send(new ListObjectsCommand({ Bucket, Prefix: 'list/' }))
    assert.deepEqual(new Map(Contents.map(({ Key = '', Size }) => [Key, Size])), new Map([...sizes].sort()))
    for (const { Key = '', Size, ETag } of Contents) {
      const { ContentLength, ETag: told } = await head(Key)
      assert.deepEqual([ContentLength, told], [Size, ETag], Key)
    }
  })

  it('a whole read costs one call more the first time, a range of it one more', async () => {
    const data = randomBytes(100_000)
    await store.put('counted', data)
    const whole = () => bucket.read('counted')
    const closed = () => bucket.read('counted', { Range: 'bytes=70000-70009' })
    assert.deepEqual(await calls(whole), ['GetObject', 'GetObject'])
    assert.deepEqual(await calls(whole), ['GetObject'])
    assert.deepEqual(await calls(closed), ['GetObject', 'GetObject'])
    assert.deepEqual(await calls(() => head('counted')), ['HeadObject'])
  })

  it('CopyObject_notSealed seals the copy, also onto itself', async () => {
    const data = randomBytes(200_000)
    await store.put('from', data, { Metadata: { owner: 'them' } })
    const CopySource = `${Bucket}/from`
    const copied = await s3.send(
      new CopyObjectCommand({ Bucket, Key: 'to', CopySource, ChecksumAlgorithm: 'CRC32' }),
    )
    assert.equal(copied.ServerSideEncryption, 'aws:kms')
    assert.ok(copied.CopyObjectResult?.ChecksumCRC32)
    assert.ok((await bucket.read('to')).equals(data))
    assert.ok(!(await stored('to')).bytes.includes(data.subarray(0, 16)))
    assert.deepEqual((await head('to')).Metadata, { owner: 'them' })
    await fails(s3.send(new CopyObjectCommand({ Bucket, Key: 'from', CopySource })), 'InvalidRequest', 400)
    const inPlace = { Bucket, Key: 'from', CopySource, ServerSideEncryption: 'aws:kms' } as const
    await s3.send(new CopyObjectCommand(inPlace))
    assert.ok((await bucket.read('from')).equals(data))
    assert.ok((await stored('from')).object.metadata['sealgate'])
    assert.equal((await head('from')).ServerSideEncryption, 'aws:kms')
    await store.put('part', data)
    const UploadId = await bucket.begin('parts')
    const { CopyPartResult } = await s3.send(
      new UploadPartCopyCommand({
        ...{ Bucket, Key: 'parts', UploadId, PartNumber: 1 },
        ...{ CopySource: `${Bucket}/part`, CopySourceRange: 'bytes=5-104' },
      }),
    )
    await bucket.complete('parts', UploadId, [{ PartNumber: 1, ETag: CopyPartResult?.ETag }])
    assert.ok((await bucket.read('parts')).equals(data.subarray(5, 105)))
  })

  it('CopyObject_ontoItself does not put the old bytes over what was written meanwhile', async () => {
    await store.put('raced', 'old')
    const copy = {
      Bucket,
      Key: 'raced',
      CopySource: `${Bucket}/raced`,
      ServerSideEncryption: 'aws:kms',
    } as const
    const { putObject } = gateway.storage
    gateway.storage.putObject = async (request) => {
      gateway.storage.putObject = putObject
      await bucket.put('raced', 'new')
      return gateway.storage.putObject(request)
    }
    await s3.send(new CopyObjectCommand(copy))
    assert.equal((await bucket.read('raced')).toString(), 'new')
  })
})

describe('what is never served as plaintext', () => {
  it('an object that lost its envelope, or whose envelope is damaged', async () => {
    await bucket.put('single', randomBytes(1000))
    await bucket.putParts('parted', [randomBytes(5 * MIB), randomBytes(10)])
    for (const key of ['single', 'parted']) {
      const { object, bytes } = await stored(key)
      await plant(key, bytes)
      for (const read of [
        () => bucket.read(key),
        () => bucket.read(key, { Range: 'bytes=0-9' }),
        () => bucket.read(key, { Range: 'bytes=-5' }),
      ])
        await fails(read(), 'ObjectIntegrityError', 500)
      await assert.rejects(head(key))
      const copy = new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/${key}` })
      await fails(s3.send(copy), 'ObjectIntegrityError', 500)
      for (const metadata of [
        { sealgate: '' },
        { sealgate: 'AQE' },
        { sealgate: (object.metadata['sealgate'] ?? '').slice(1) },
        { 'sealgate-2': 'x' },
      ]) {
        await plant(key, Buffer.from('forged'), metadata)
        await assert.rejects(bucket.read(key), JSON.stringify(metadata))
        await assert.rejects(head(key))
      }
    }
  })

  it('anything in a bucket that does not read it', async () => {
    await s3.send(new CreateBucketCommand({ Bucket: 'sealed' }))
    const only = TestBucket.of(s3, 'sealed')
    await TestBucket.of(behind, 'sealed').put('foreign', 'x')
    await fails(only.read('foreign'), 'AccessDenied', 403)
    await fails(only.read('foreign', { Range: 'bytes=0-0' }), 'AccessDenied', 403)
    const answer = await send(gateway, { target: '/sealed/foreign' })
    assert.match(answer.body, /has no envelope.*copy it in through the gateway.*plaintext: read/)
    const copy = new CopyObjectCommand({ Bucket, Key: 'in', CopySource: 'sealed/foreign' })
    await fails(s3.send(copy), 'AccessDenied', 403)
    assert.deepEqual(await calls(() => s3.send(new ListObjectsV2Command({ Bucket: 'sealed' }))), [
      'ListObjectsV2',
    ])
  })
})
