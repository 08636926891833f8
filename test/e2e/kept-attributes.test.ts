import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { after, before, describe, it } from 'node:test'
import {
  CopyObjectCommand,
  GetObjectAttributesCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListMultipartUploadsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'

const Bucket = 'attributes'
let gateway: TestGateway
let s3: S3Client
let bucket: TestBucket

before(async () => {
  gateway = await startGateway()
  s3 = gateway.client()
  bucket = await TestBucket.create(s3, Bucket)
})
after(() => gateway.close())

const SYSTEM = {
  ContentType: 'application/x-tar',
  ContentEncoding: 'gzip',
  ContentLanguage: 'de, en',
  ContentDisposition: 'attachment; filename="a b.tar"',
  CacheControl: 'max-age=3600',
  ExpiresString: 'Thu, 01 Dec 2033 16:00:00 GMT',
  WebsiteRedirectLocation: '/elsewhere',
}
const ALL = {
  ...SYSTEM,
  Expires: new Date(SYSTEM.ExpiresString),
  Metadata: { colour: 'red', 's3cmd-attrs': 'uid:1000/mode:33188' },
  StorageClass: 'STANDARD_IA' as const,
}

const head = (Key: string) => s3.send(new HeadObjectCommand({ Bucket, Key }))
const systemOf = (answer: HeadObjectCommandOutput) =>
  Object.fromEntries(Object.keys(SYSTEM).map((name) => [name, answer[name as keyof typeof SYSTEM]]))

describe('what is kept with an object', () => {
  it('is told by HEAD as it was sent, however the object came', async () => {
    const source = `${Bucket}/put`
    const ways: Record<string, () => Promise<unknown>> = {
      put: () => bucket.put('put', 'x', ALL),
      multipart: async () => {
        const id = await bucket.begin('multipart', ALL)
        await bucket.complete('multipart', id, [await bucket.send('multipart', id, 1, randomBytes(10))])
      },
      replaced: () =>
        s3.send(
          new CopyObjectCommand({
            ...{ Bucket, Key: 'replaced', CopySource: source, MetadataDirective: 'REPLACE' },
            ...ALL,
          }),
        ),
    }
    for (const [Key, make] of Object.entries(ways)) {
      await make()
      const answer = await head(Key)
      assert.deepEqual(systemOf(answer), SYSTEM, Key)
      assert.deepEqual([answer.Metadata, answer.StorageClass], [ALL.Metadata, ALL.StorageClass], Key)
    }
  })

  it('goes with a copy, but for the storage class, which is the one that the copy asks for', async () => {
    await bucket.put('from', 'x', ALL)
    const CopySource = `${Bucket}/from`
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource }))
    const copy = await head('copy')
    assert.deepEqual([systemOf(copy), copy.Metadata, copy.StorageClass], [SYSTEM, ALL.Metadata, undefined])
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'cold', CopySource, StorageClass: 'GLACIER_IR' }))
    assert.equal((await head('cold')).StorageClass, 'GLACIER_IR')
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource, MetadataDirective: 'REPLACE' }))
    const bare = await head('copy')
    assert.deepEqual([bare.Metadata, bare.ContentType], [{}, 'binary/octet-stream'])
  })

  it('without a storage class is STANDARD, which HEAD leaves out and lists say', async () => {
    await bucket.put('class/standard', 'x')
    await bucket.put('class/reduced', 'x', { StorageClass: 'REDUCED_REDUNDANCY' })
    assert.equal((await head('class/standard')).StorageClass, undefined)
    assert.equal((await head('class/reduced')).StorageClass, 'REDUCED_REDUNDANCY')
    const lists = [
      await s3.send(new ListObjectsCommand({ Bucket, Prefix: 'class/' })),
      await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'class/' })),
    ]
    for (const { Contents } of lists)
      assert.deepEqual(
        Contents?.map(({ StorageClass }) => StorageClass),
        ['REDUCED_REDUNDANCY', 'STANDARD'],
      )
    const asked = { Bucket, Key: 'class/reduced', ObjectAttributes: ['StorageClass' as const] }
    const attributes = await s3.send(new GetObjectAttributesCommand(asked))
    assert.equal(attributes.StorageClass, 'REDUCED_REDUNDANCY')
    const id = await bucket.begin('class/upload', { StorageClass: 'ONEZONE_IA' })
    const upload = { Bucket, Key: 'class/upload', UploadId: id }
    assert.equal((await s3.send(new ListPartsCommand(upload))).StorageClass, 'ONEZONE_IA')
    const { Uploads } = await s3.send(new ListMultipartUploadsCommand({ Bucket, Prefix: 'class/' }))
    assert.equal(Uploads?.[0]?.StorageClass, 'ONEZONE_IA')
  })

  it('has no aws-chunked among its codings, and keeps the others', async () => {
    const Body = Readable.from([Buffer.from('streamed')])
    await s3.send(
      new PutObjectCommand({ Bucket, Key: 'coded', Body, ContentLength: 8, ContentEncoding: 'gzip, br' }),
    )
    assert.equal((await head('coded')).ContentEncoding, 'gzip, br')
  })
})
