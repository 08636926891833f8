import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import {
  CopyObjectCommand,
  DeleteObjectTaggingCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectTaggingCommand,
  type S3Client,
  type Tag,
} from '@aws-sdk/client-s3'
import { fails, TestBucket } from '../lib/bucket.ts'
import { startGateway } from '../lib/gateway.ts'
import { realStore } from '../lib/real-store.ts'
import { type S3Stack, startEmulatedStack, startS3Stack } from '../lib/s3-stack.ts'

const Bucket = 'with-tags'
const PART = 5 * 1024 * 1024

const stacks: Readonly<Record<string, () => Promise<S3Stack>>> =
  realStore() === null
    ? {
        'over the fs store': async () => {
          const gateway = await startGateway()
          return { gateway, s3: gateway.client(), server: null, close: () => gateway.close() }
        },
        'over the s3 store': () => startEmulatedStack(),
        'over a server that pins no copies, and loses the tags of uploads': () =>
          startEmulatedStack({ ignores: ['copy-source-if-match', 'upload-marks'] }),
      }
    : { 'over the real server': () => startS3Stack() }

for (const [where, start] of Object.entries(stacks)) {
  describe(`tags of objects, ${where},`, () => {
    let stack: S3Stack
    let s3: S3Client
    let bucket: TestBucket
    before(async () => {
      stack = await start()
      s3 = stack.s3
      bucket = await TestBucket.create(s3, Bucket)
    })
    after(() => stack.close())

    const tagsOf = async (Key: string) =>
      (await s3.send(new GetObjectTaggingCommand({ Bucket, Key }))).TagSet?.sort((a, b) =>
        (a.Key ?? '') < (b.Key ?? '') ? -1 : 1,
      )
    const tag = (Key: string, TagSet: Tag[]) =>
      s3.send(new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet } }))
    const counted = async (Key: string) => [
      (await s3.send(new HeadObjectCommand({ Bucket, Key }))).TagCount,
      (await s3.send(new GetObjectCommand({ Bucket, Key, Range: 'bytes=0-0' }))).TagCount,
    ]
    const TAGS = [
      { Key: 'a b', Value: 'x/y:z+1=@' },
      { Key: 'empty', Value: '' },
    ]
    const HEADER = 'a%20b=x%2Fy%3Az%2B1%3D%40&empty='

    it('are put, counted, replaced and taken away, and the object stays as it is', async () => {
      await bucket.put('k', 'value')
      assert.deepEqual([await tagsOf('k'), await counted('k')], [[], [undefined, undefined]])
      await tag('k', [{ Key: 'old', Value: '1' }])
      await tag('k', TAGS)
      assert.deepEqual([await tagsOf('k'), await counted('k')], [TAGS, [2, 2]])
      assert.equal((await bucket.read('k')).toString(), 'value')
      await s3.send(new DeleteObjectTaggingCommand({ Bucket, Key: 'k' }))
      const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'k' }))
      assert.match(Contents?.[0]?.ETag ?? '', /^"[0-9a-f]{32}-0"$/)
      assert.deepEqual([await tagsOf('k'), await counted('k')], [[], [undefined, undefined]])
      await tag('k', [])
      await fails(tagsOf('missing'), 'NoSuchKey', 404)
      await fails(tag('missing', TAGS), 'NoSuchKey', 404)
    })

    it('come with the object, and go when it is written over', async () => {
      await bucket.put('w', 'value', { Tagging: HEADER })
      assert.deepEqual([await tagsOf('w'), await counted('w')], [TAGS, [2, 2]])
      await bucket.put('w', 'value', { Tagging: '' })
      assert.deepEqual(await tagsOf('w'), [])
    })

    it('come with an upload by parts', async () => {
      const id = await bucket.begin('parts', { Tagging: HEADER })
      const parts = [
        await bucket.send('parts', id, 1, randomBytes(PART)),
        await bucket.send('parts', id, 2, randomBytes(9)),
      ]
      await bucket.complete('parts', id, parts)
      assert.deepEqual([await tagsOf('parts'), await counted('parts')], [TAGS, [2, 2]])
    })

    it('are copied with the object, or replaced', async () => {
      await bucket.put('from', 'value', { Tagging: HEADER })
      const copy = (Key: string, more: object = {}) =>
        s3.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/from`, ...more }))
      await copy('to')
      assert.deepEqual(await tagsOf('to'), TAGS)
      await copy('to', { MetadataDirective: 'REPLACE', Metadata: { a: 'b' } })
      assert.deepEqual(await tagsOf('to'), TAGS)
      await copy('to', { Tagging: 'ignored=1' })
      assert.deepEqual(await tagsOf('to'), TAGS)
      await copy('to', { TaggingDirective: 'REPLACE', Tagging: 'new=1' })
      assert.deepEqual(await tagsOf('to'), [{ Key: 'new', Value: '1' }])
      await copy('to', { TaggingDirective: 'REPLACE' })
      assert.deepEqual(await tagsOf('to'), [])
      await fails(copy('to', { TaggingDirective: 'ALL' }), 'InvalidArgument', 400)
      // Sealed anew: the bytes go through the gateway.
      await copy('sealed', { ChecksumAlgorithm: 'SHA256' })
      assert.deepEqual(await tagsOf('sealed'), TAGS)
      assert.equal((await bucket.read('to')).toString(), 'value')
    })

    it('are held to the rules of S3, on every way in, and nothing is stored with others', async () => {
      await bucket.put('rules', 'value')
      const many = Array.from({ length: 11 }, (_, n) => ({ Key: `k${n}`, Value: 'v' }))
      await tag('rules', many.slice(0, 10))
      await fails(tag('rules', many), 'BadRequest', 400)
      const put = (Tagging: string) => bucket.put('refused', 'x', { Tagging })
      await fails(put(many.map(({ Key }) => `${Key}=v`).join('&')), 'BadRequest', 400)
      for (const [header, code] of [
        ['a=1&a=2', 'InvalidArgument'],
        ['a=1=2', 'InvalidArgument'],
        ['a=%zz', 'InvalidArgument'],
        ['a=%ff', 'InvalidArgument'],
        ['=v', 'InvalidTag'],
        [`${'k'.repeat(129)}=v`, 'InvalidTag'],
        [`k=${'v'.repeat(257)}`, 'InvalidTag'],
        ['k=%3Cv%3E', 'InvalidTag'],
        ['aws:k=v', 'InvalidTag'],
      ] as const) {
        await fails(put(header), code, 400)
        await fails(bucket.begin('refused', { Tagging: header }), code, 400)
      }
      await fails(bucket.read('refused'), 'NoSuchKey', 404)
      assert.equal((await tagsOf('rules'))?.length, 10)
      await put(`${'k'.repeat(128)}=${'v'.repeat(256)}`)
      assert.equal((await tagsOf('refused'))?.[0]?.Value?.length, 256)
    })
  })
}
