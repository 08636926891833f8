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
  type StorageClass,
} from '@aws-sdk/client-s3'
import { fails, TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { storageClasses } from '../lib/real-store.ts'

const Bucket = 'attributes'
let gateway: TestGateway
let s3: S3Client
let bucket: TestBucket

before(async () => {
  gateway = await startGateway()
  s3 = gateway.client()
  bucket = await TestBucket.create(s3, Bucket)
  if (gateway.storage.capabilities.headers[REDIRECT] !== false) return
  SYSTEM.WebsiteRedirectLocation = undefined
  ALL.WebsiteRedirectLocation = undefined
})
after(() => gateway.close())

/** The header that a store may be unable to keep, and is then refused. */
const REDIRECT = 'x-amz-website-redirect-location'
const [CLASS = '', OTHER_CLASS = CLASS] = storageClasses()
const SYSTEM = {
  ContentType: 'application/x-tar',
  ContentEncoding: 'gzip',
  ContentLanguage: 'de, en',
  ContentDisposition: 'attachment; filename="a b.tar"',
  CacheControl: 'max-age=3600',
  ExpiresString: 'Thu, 01 Dec 2033 16:00:00 GMT',
  WebsiteRedirectLocation: '/elsewhere' as string | undefined,
}
const ALL = {
  ...SYSTEM,
  Expires: new Date(SYSTEM.ExpiresString),
  Metadata: { colour: 'red', 's3cmd-attrs': 'uid:1000/mode:33188' },
  StorageClass: CLASS as StorageClass,
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
    await s3.send(
      new CopyObjectCommand({ Bucket, Key: 'cold', CopySource, StorageClass: OTHER_CLASS as StorageClass }),
    )
    assert.equal((await head('cold')).StorageClass, OTHER_CLASS)
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource, MetadataDirective: 'REPLACE' }))
    const bare = await head('copy')
    assert.deepEqual([bare.Metadata, bare.ContentType], [{}, 'binary/octet-stream'])
  })

  it('without a storage class is STANDARD, which HEAD leaves out and lists say', async () => {
    await bucket.put('class/standard', 'x')
    await bucket.put('class/other', 'x', { StorageClass: OTHER_CLASS })
    assert.equal((await head('class/standard')).StorageClass, undefined)
    assert.equal((await head('class/other')).StorageClass, OTHER_CLASS)
    const lists = [
      await s3.send(new ListObjectsCommand({ Bucket, Prefix: 'class/' })),
      await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'class/' })),
    ]
    for (const { Contents } of lists)
      assert.deepEqual(
        Contents?.map(({ StorageClass }) => StorageClass),
        [OTHER_CLASS, 'STANDARD'],
      )
    const asked = { Bucket, Key: 'class/other', ObjectAttributes: ['StorageClass' as const] }
    const attributes = await s3.send(new GetObjectAttributesCommand(asked))
    assert.equal(attributes.StorageClass, OTHER_CLASS)
  })

  it('of an upload under way is its storage class, which its lists tell', async () => {
    const id = await bucket.begin('class/upload', { StorageClass: CLASS })
    const upload = { Bucket, Key: 'class/upload', UploadId: id }
    assert.equal((await s3.send(new ListPartsCommand(upload))).StorageClass, CLASS)
    const { Uploads } = await s3.send(new ListMultipartUploadsCommand({ Bucket, Prefix: 'class/' }))
    assert.equal(Uploads?.[0]?.StorageClass, CLASS)
  })

  it('is kept whole or refused: never an object that lacks what it was sent with', async () => {
    const [put, location] = [bucket.put('redirect', 'x', { WebsiteRedirectLocation: '/there' }), '/there']
    if (SYSTEM.WebsiteRedirectLocation === undefined) {
      await fails(put, 'NotImplemented', 501)
      await fails(head('redirect'), 'NotFound', 404)
    } else {
      await put
      assert.equal((await head('redirect')).WebsiteRedirectLocation, location)
    }
    await fails(bucket.put('refused', 'x', { StorageClass: 'NONE' }), 'InvalidStorageClass', 400)
    await fails(head('refused'), 'NotFound', 404)
  })

  it('has no aws-chunked among its codings, and keeps the others', async () => {
    const Body = Readable.from([Buffer.from('streamed')])
    await s3.send(
      new PutObjectCommand({ Bucket, Key: 'coded', Body, ContentLength: 8, ContentEncoding: 'gzip, br' }),
    )
    assert.equal((await head('coded')).ContentEncoding, 'gzip, br')
  })
})
