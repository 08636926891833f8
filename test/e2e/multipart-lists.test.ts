import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import {
  AbortMultipartUploadCommand,
  DeleteBucketCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListPartsCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { collectGarbage } from '../../src/gateway/collect-garbage.ts'
import { uploadPrefix } from '../../src/gateway/upload-state.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { listsByKey } from '../lib/lists-by-key.ts'
import { send } from '../lib/raw-http.ts'

const MIB = 1024 * 1024
const Bucket = 'multipart-lists'
let gateway: TestGateway
let s3: S3Client
let bucket: TestBucket

before(async () => {
  gateway = await startGateway()
  s3 = gateway.client()
  bucket = await TestBucket.create(s3, Bucket)
})
after(() => gateway.close())

describe('ListParts', () => {
  it('goes from page to page over parts of every place, with plaintext sizes and checksums', async () => {
    const Key = 'parts'
    const id = await bucket.begin(Key, { ChecksumAlgorithm: 'CRC32' })
    const sent = new Map<number, [size: number, etag: string | undefined, checksum: string | undefined]>()
    // In the store, inline in the system bucket, and the stash of part 10000.
    for (const [PartNumber, size] of [
      [10_000, 5 * MIB],
      [2, 10],
      [7, 5 * MIB],
      [3, 0],
      [9999, 20],
    ] as const) {
      const Body = randomBytes(size)
      const part = { Bucket, Key, UploadId: id, PartNumber, Body, ChecksumAlgorithm: 'CRC32' as const }
      const { ETag, ChecksumCRC32 } = await s3.send(new UploadPartCommand(part))
      sent.set(PartNumber, [size, ETag, ChecksumCRC32])
    }
    const expected = [...sent].sort(([a], [b]) => a - b)
    for (const MaxParts of [1, 2, 5, 1000]) {
      const seen: [number | undefined, unknown[]][] = []
      let PartNumberMarker: string | undefined
      do {
        const asked = { Bucket, Key, UploadId: id, MaxParts, ...(PartNumberMarker && { PartNumberMarker }) }
        const page = await s3.send(new ListPartsCommand(asked))
        assert.deepEqual([page.ChecksumAlgorithm, page.ChecksumType], ['CRC32', 'COMPOSITE'])
        assert.ok((page.Parts?.length ?? 0) <= MaxParts)
        for (const { PartNumber, Size, ETag, ChecksumCRC32 } of page.Parts ?? [])
          seen.push([PartNumber, [Size, ETag, ChecksumCRC32]])
        PartNumberMarker = page.IsTruncated === true ? page.NextPartNumberMarker : undefined
      } while (PartNumberMarker !== undefined)
      assert.deepEqual(seen, expected, `max-parts ${MaxParts}`)
    }
    const target = `/${Bucket}/${Key}?max-parts=0&uploadId=${id}`
    const zero = await send(gateway, { target })
    assert.equal([...zero.body.matchAll(/<PartNumber>/g)].length, 5, 'some clients mean the default')
    await s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId: id }))
  })

  it('of a new upload is empty, and markers outside of the numbers are refused or empty', async () => {
    const id = await bucket.begin('empty')
    const list = async (query: string) => {
      const { status, body } = await send(gateway, { target: `/${Bucket}/empty?${query}uploadId=${id}` })
      return [status, /<IsTruncated>(\w+)</.exec(body)?.[1], /<Part>/.test(body)]
    }
    assert.deepEqual(await list(''), [200, 'false', false])
    assert.deepEqual(await list('part-number-marker=10000&'), [200, 'false', false])
    for (const marker of ['-1', 'x', '99999999999'])
      assert.deepEqual(await list(`part-number-marker=${marker}&`), [400, undefined, false], marker)
  })
})

describe('ListMultipartUploads before a store that lists the uploads of one key at a time', () => {
  let one: TestGateway
  let other: TestGateway
  before(async () => {
    one = await startGateway({ wrap: listsByKey })
    other = await startGateway({ beside: one, wrap: listsByKey })
  })
  after(async () => {
    await other.close()
    await one.close()
  })

  it('has all that are under way, whichever process began or ended them, page by page', async () => {
    const [here, there] = [
      await TestBucket.create(one.client(), 'by-key'),
      TestBucket.of(other.client(), 'by-key'),
    ]
    const begun: string[] = []
    for (const key of ['u/b/1', 'ü 1', 'u/a', 'u/b/2', 'u/a', 'u/c'])
      begun.push(`${key} ${await here.begin(key)}`)
    const list = async (bucket: TestBucket, more: object) => {
      const seen: string[] = []
      let marker: object | null = {}
      while (marker !== null) {
        const page: ListMultipartUploadsCommandOutput = await bucket.s3.send(
          new ListMultipartUploadsCommand({ Bucket: 'by-key', ...more, ...marker }),
        )
        seen.push(...(page.CommonPrefixes ?? []).map(({ Prefix }) => `${Prefix}`))
        seen.push(...(page.Uploads ?? []).map(({ Key, UploadId }) => `${Key} ${UploadId}`))
        const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page
        marker = page.IsTruncated === true ? { KeyMarker, UploadIdMarker } : null
      }
      return seen
    }
    const under = (prefix: string) => begun.filter((upload) => upload.startsWith(prefix)).sort()
    for (const MaxUploads of [1, 2, 3, 1000]) {
      assert.deepEqual(await list(there, { MaxUploads }), [...begun].sort(), `max-uploads ${MaxUploads}`)
      assert.deepEqual(await list(there, { MaxUploads, Prefix: 'u/a' }), under('u/a'))
      const folded = [...under('u/a'), 'u/b/', ...under('u/c')]
      const asked = { MaxUploads, Prefix: 'u/', Delimiter: '/' }
      assert.deepEqual((await list(there, asked)).sort(), folded.sort())
    }
    for (const upload of [...under('u/b'), ...under('u/c')]) {
      const [Key, UploadId] = upload.split(' ')
      await here.s3.send(new AbortMultipartUploadCommand({ Bucket: 'by-key', Key, UploadId }))
    }
    const parts = await there.send('ü 1', begun[1]?.split(' ')[2] ?? '', 1, Buffer.from('x'))
    await there.complete('ü 1', begun[1]?.split(' ')[2] ?? '', [parts])
    for (const bucket of [here, there]) assert.deepEqual(await list(bucket, {}), under('u/a'))
    await fails(list(TestBucket.of(there.s3, 'by-key'), { Bucket: 'nowhere' }), 'NoSuchBucket', 404)
  })

  it('tells the collector which uploads are over, and which are not', async () => {
    const bucket = await TestBucket.create(one.client(), 'collected')
    const [open, over] = [await bucket.begin('open'), await bucket.begin('over')]
    const { storage, systemBucket } = one.gateway
    await storage.abortMultipartUpload({ bucket: 'collected', key: 'over', uploadId: over })
    const days = async (count: number) => {
      const now = () => Date.now() + count * 86_400_000
      return collectGarbage({ storage, systemBucket, now })
    }
    assert.equal((await days(0)).waiting, 1)
    assert.ok((await days(1.1)).collected > 0)
    const state = async (uploadId: string) => {
      const place = { bucket: systemBucket, key: `${uploadPrefix({ bucket: 'collected', uploadId })}init` }
      return storage.headObject(place).then(
        () => true,
        () => false,
      )
    }
    assert.deepEqual([await state(open), await state(over)], [true, false])
  })

  it('forgets those of a bucket that is deleted, also when another gets its name', async () => {
    const gone = await TestBucket.create(one.client(), 'soon-gone')
    const id = await gone.begin('open')
    await gone.send('open', id, 1, Buffer.from('x'))
    await gone.s3.send(new DeleteBucketCommand({ Bucket: 'soon-gone' }))
    const again = await TestBucket.create(other.client(), 'soon-gone')
    const { Uploads } = await again.s3.send(new ListMultipartUploadsCommand({ Bucket: 'soon-gone' }))
    assert.equal(Uploads, undefined)
    await fails(again.send('open', id, 2, Buffer.from('x')), 'NoSuchUpload', 404)
    const left = await one.storage.listObjects({
      ...{
        bucket: 'sealgate-system',
        prefix: 'v1/mpu/soon-gone/',
        delimiter: '',
        startAfter: '',
        maxKeys: 10,
      },
    })
    assert.deepEqual(left.objects, [])
  })
})

describe('ListMultipartUploads', () => {
  it('goes from page to page by key and upload, with prefixes folded', async () => {
    const begun: string[] = []
    for (const key of ['u/a', 'u/a', 'u/b/1', 'u/b/2', 'u/c']) begun.push(`${key} ${await bucket.begin(key)}`)
    await bucket.begin('other')
    const pages = async (more: object) => {
      const seen: string[] = []
      let marker: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } | undefined = {}
      while (marker !== undefined) {
        const page: Awaited<ReturnType<typeof next>> = await next(more, marker)
        seen.push(...(page.CommonPrefixes ?? []).map(({ Prefix }) => `${Prefix}`))
        seen.push(...(page.Uploads ?? []).map(({ Key, UploadId }) => `${Key} ${UploadId}`))
        marker =
          page.IsTruncated === true
            ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
            : undefined
      }
      return seen
    }
    const next = (more: object, marker: object) =>
      s3.send(new ListMultipartUploadsCommand({ Bucket, Prefix: 'u/', ...more, ...marker }))
    for (const MaxUploads of [1, 2, 3, 1000]) {
      assert.deepEqual((await pages({ MaxUploads })).sort(), [...begun].sort(), `max-uploads ${MaxUploads}`)
      const folded = begun.filter((upload) => !upload.startsWith('u/b/'))
      assert.deepEqual((await pages({ MaxUploads, Delimiter: '/' })).sort(), ['u/b/', ...folded].sort())
    }
    const encoded = await send(gateway, {
      target: `/${Bucket}?encoding-type=url&prefix=${encodeURIComponent('ü ')}&uploads`,
    })
    assert.match(encoded.body, /<Prefix>%C3%BC%20<\/Prefix>/)
  })
})
