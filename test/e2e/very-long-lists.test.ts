/** Very many objects in one bucket: what clients are told of them is the store's own list, with true sizes. LANE_OBJECTS says how many. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3'
import { storedSize } from '../../src/envelope/index.ts'
import type { ListObjectsResult } from '../../src/storage/storage.ts'
import { TestBucket } from '../lib/bucket.ts'
import { oneChunk } from '../lib/bytes.ts'
import { type CountedStore, openCountedStore } from '../lib/counted-store.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'

const OBJECTS = Number(process.env['LANE_OBJECTS'] ?? 3500)
const Bucket = 'very-long'

/** Keys whose order is not that of their numbers, some of them in folders. */
const keyOf = (index: number) => `${index % 7 === 0 ? 'folder/' : ''}${(index * 7919) % OBJECTS}-ä ${index}`
const sizeOf = (key: string) => Number(key.split(' ').at(-1)) % 97

describe(`a list of ${OBJECTS} objects`, () => {
  let stack: CountedStore
  let gateway: TestGateway
  let s3: S3Client
  before(async () => {
    stack = await openCountedStore()
    gateway = await startGateway({ store: stack.store })
    s3 = gateway.client()
    await TestBucket.create(s3, Bucket)
    const remaining = Array.from({ length: OBJECTS }, (_, index) => keyOf(index)).values()
    // A list is told by lengths alone, so these need not be sealed.
    const worker = async () => {
      for (const key of remaining) {
        const bytes = Buffer.alloc(storedSize(sizeOf(key)))
        const put = { bucket: Bucket, key, headers: {}, metadata: {}, storageClass: 'STANDARD' }
        await stack.fill.putObject({ ...put, size: bytes.length, body: oneChunk(bytes) })
      }
    }
    await Promise.all(Array.from({ length: 64 }, worker))
  })
  after(async () => {
    await gateway.close()
    await stack.close()
  })

  it('has the pages of the store, in its order, with true sizes, one call a page', async (t) => {
    const request = { bucket: Bucket, prefix: '', delimiter: '', startAfter: '', maxKeys: 1000 }
    let own: ListObjectsResult | undefined
    let token: string | undefined
    let [pages, seen, last] = [0, 0, Buffer.alloc(0)]
    let [ownMs, ms] = [0, 0]
    do {
      const asked = performance.now()
      own = await stack.store.listObjects({ ...request, continuationToken: own?.next })
      const answered = performance.now()
      stack.counted()
      const page = await s3.send(new ListObjectsV2Command({ Bucket, ContinuationToken: token }))
      ms += performance.now() - answered
      ownMs += answered - asked
      assert.deepEqual(stack.counted(), ['ListObjectsV2'])
      const listed = page.Contents ?? []
      assert.deepEqual(
        listed.map(({ Key, ETag, LastModified, Size }) => [Key, ETag, LastModified?.getTime(), Size]),
        own.objects.map(({ key, etag, lastModified }) => [key, `"${etag}-0"`, lastModified, sizeOf(key)]),
      )
      for (const { Key = '' } of listed) {
        assert.ok(Buffer.compare(last, Buffer.from(Key)) < 0, Key)
        last = Buffer.from(Key)
      }
      assert.equal(page.IsTruncated, own.next !== undefined)
      token = page.NextContinuationToken
      // A store may end with a page of nothing.
      if (listed.length > 0) pages += 1
      seen += listed.length
    } while (token !== undefined)
    assert.deepEqual([seen, pages], [OBJECTS, Math.ceil(OBJECTS / 1000)])
    t.diagnostic(
      `a page of 1000: ${Math.round(ms / pages)} ms by client and gateway, ${Math.round(ownMs / pages)} ms by the store alone`,
    )
  })

  it('folds into its folders, and goes on behind any key', async () => {
    const folded = await s3.send(new ListObjectsV2Command({ Bucket, Delimiter: '/', StartAfter: 'f' }))
    assert.deepEqual(folded.CommonPrefixes, [{ Prefix: 'folder/' }])
    assert.equal(folded.Contents, undefined)
    const inFolder = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'folder/', MaxKeys: 10 }))
    const [first, second] = inFolder.Contents ?? []
    const behind = await s3.send(new ListObjectsV2Command({ Bucket, StartAfter: first?.Key, MaxKeys: 1 }))
    assert.deepEqual(behind.Contents?.[0], second)
  })
})
