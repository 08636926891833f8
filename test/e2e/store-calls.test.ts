import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, beforeEach, describe, it } from 'node:test'
import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import type { Storage } from '../../src/storage/storage.ts'
import type { WireCapabilities } from '../../src/storage/wire/capabilities.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { type CountedStore, openCountedStore, openEmulatedStore, withoutLook } from '../lib/counted-store.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'

const MIB = 1024 * 1024
const Bucket = 'counted'

interface Stack {
  readonly counted: () => string[]
  readonly store: Storage
  readonly gateway: TestGateway
  readonly s3: S3Client
  readonly bucket: TestBucket
  close(): Promise<void>
}

async function start(opened: CountedStore): Promise<Stack> {
  const { store, counted, close } = opened
  const gateway = await startGateway({ store })
  // Checksums on reads would cost the footer of large objects.
  const s3 = gateway.client({ responseChecksumValidation: 'WHEN_REQUIRED' })
  const bucket = await TestBucket.create(s3, Bucket)
  // The first object of a bucket makes its data key, with its record in the key ring.
  await bucket.put('first', 'x')
  const closeBoth = async () => {
    await gateway.close()
    await close()
  }
  return { counted, store, gateway, s3, bucket, close: closeBoth }
}

describe('calls to the store, counted at the store', () => {
  let stack: Stack
  let bucket: TestBucket
  let can: WireCapabilities
  let copied: string[] = []
  before(async () => {
    stack = await start(await openCountedStore())
    bucket = stack.bucket
    can = stack.store.capabilities as WireCapabilities
    // Where a server does not pin the source of a copy, a copy is an upload of one part.
    copied = can.copySourceIfMatch
      ? ['CopyObject']
      : ['HeadObject', 'CreateMultipartUpload', 'UploadPartCopy', 'HeadObject', 'CompleteMultipartUpload']
  })
  after(() => stack.close())
  beforeEach(() => void stack.counted())

  const calls = async (run: () => Promise<unknown>) => {
    stack.counted()
    await run()
    return stack.counted()
  }
  const head = (Key: string) => stack.s3.send(new HeadObjectCommand({ Bucket, Key }))

  it('PUT, GET, HEAD and DELETE are one each, whatever the size, and LIST is one a page', async () => {
    for (const size of [0, 1, 70_000, 3 * MIB]) {
      const data = randomBytes(size)
      assert.deepEqual(await calls(() => bucket.put('k', data)), ['PutObject'])
      assert.deepEqual(await calls(async () => assert.ok((await bucket.read('k')).equals(data))), [
        'GetObject',
      ])
      assert.deepEqual(await calls(() => head('k')), ['HeadObject'])
      const list = () => stack.s3.send(new ListObjectsV2Command({ Bucket }))
      assert.deepEqual(await calls(list), ['ListObjectsV2'])
      const remove = () => stack.s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))
      assert.deepEqual(await calls(remove), ['DeleteObject'])
    }
    assert.deepEqual(await calls(() => fails(bucket.read('k'), 'NoSuchKey', 404)), ['GetObject'])
  })

  it('DeleteObjects is two in a bucket without versions, however many, and what is not there is deleted', async () => {
    for (const key of ['d/1', 'd/ü & 2']) await bucket.put(key, 'x')
    const Objects = ['d/1', 'd/ü & 2', 'd/3'].map((Key) => ({ Key }))
    const remove = async () => {
      const { Deleted, Errors } = await stack.s3.send(
        new DeleteObjectsCommand({ Bucket, Delete: { Objects } }),
      )
      assert.deepEqual([Deleted?.length, Errors], [3, undefined])
    }
    assert.deepEqual(await calls(remove), ['GetBucketVersioning', 'DeleteObjects'])
    const { KeyCount } = await stack.s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'd/' }))
    assert.equal(KeyCount, 0)
  })

  it('a closed range of an object that came by one PUT is one, also over its end', async () => {
    const data = randomBytes(3 * MIB + 5)
    await bucket.put('ranges', data)
    for (const [first, last] of [
      [0, 0],
      [65_535, 65_536],
      [100, MIB],
      [3 * MIB, 3 * MIB + 4],
      [2 * MIB, 9 * MIB],
      [0, 999_999_999_999],
    ] as const) {
      const read = () => bucket.read('ranges', { Range: `bytes=${first}-${last}` })
      assert.deepEqual(
        await calls(async () => assert.ok((await read()).equals(data.subarray(first, last + 1)))),
        ['GetObject'],
      )
    }
    await fails(bucket.read('ranges', { Range: 'bytes=3145733-3145740' }), 'InvalidRange', 416)
    await fails(bucket.read('ranges', { Range: 'bytes=99999999-99999999' }), 'InvalidRange', 416)
  })

  it('a closed range of a multipart object is at most three cold, and one or two warm', async () => {
    for (const [odd, warm] of [
      [0, 1],
      [7, 2],
    ] as const) {
      const parts = [randomBytes(5 * MIB + odd), randomBytes(5 * MIB + odd), randomBytes(100)]
      const whole = Buffer.concat(parts)
      await bucket.putParts('parts', parts)
      stack.gateway.gateway.footers.clear()
      const read = async () => {
        const bytes = await bucket.read('parts', { Range: `bytes=${6 * MIB}-${7 * MIB}` })
        assert.ok(bytes.equals(whole.subarray(6 * MIB, 7 * MIB + 1)))
      }
      assert.equal((await calls(read)).length, warm + 1)
      assert.equal((await calls(read)).length, warm)
    }
  })

  it('Create is two, a part two or one, and Complete three and one LIST for 1000 parts, before its state goes', async () => {
    let id = ''
    assert.deepEqual(
      await calls(async () => {
        id = await bucket.begin('m')
      }),
      ['CreateMultipartUpload', 'PutObject'],
    )
    const sent: Awaited<ReturnType<TestBucket['send']>>[] = []
    const send = (number: number, size: number) => async () => {
      sent.push(await bucket.send('m', id, number, randomBytes(size)))
    }
    assert.deepEqual(await calls(send(1, 5 * MIB)), ['UploadPart', 'PutObject'])
    assert.deepEqual(await calls(send(2, 5 * MIB)), ['UploadPart', 'PutObject'])
    // Another replica reads the record of the upload first.
    stack.gateway.gateway.uploads.clear()
    const cold = await calls(send(3, 5 * MIB))
    assert.deepEqual(cold, ['GetObject', 'UploadPart', 'PutObject'])
    const listed = await calls(() => stack.s3.send(new ListPartsCommand({ Bucket, Key: 'm', UploadId: id })))
    assert.deepEqual(listed.sort(), ['ListObjectsV2', 'ListParts'])
    const counted = withoutLook(await calls(() => bucket.complete('m', id, sent)))
    const until = counted.indexOf('CompleteMultipartUpload') + 2
    assert.deepEqual(counted.slice(0, until), [
      'ListObjectsV2',
      'UploadPart',
      'CompleteMultipartUpload',
      'PutObject',
    ])
  })

  it('a part that waits is two, and at Complete one more; an abort is two and its removals; a list of uploads is one', async () => {
    const id = await bucket.begin('waits')
    const small = randomBytes(100)
    const sent: Awaited<ReturnType<TestBucket['send']>>[] = []
    const send = async () => void sent.push(await bucket.send('waits', id, 1, small))
    // Whether its upload is still there has to be asked: no part of it goes to the store's own upload.
    assert.deepEqual(await calls(send), ['ListParts', 'PutObject'])
    const counted = withoutLook(await calls(() => bucket.complete('waits', id, sent)))
    const until = counted.indexOf('CompleteMultipartUpload') + 2
    const joins = ['GetObject', 'UploadPart', 'CompleteMultipartUpload', 'PutObject']
    assert.deepEqual(counted.slice(0, until), ['ListObjectsV2', ...joins])
    assert.deepEqual(counted.slice(until).sort(), ['DeleteObjects', 'ListObjectsV2'])
    assert.ok((await bucket.read('waits')).equals(small))

    const other = await bucket.begin('aborted')
    await bucket.send('aborted', other, 1, small)
    const uploads = () => stack.s3.send(new ListMultipartUploadsCommand({ Bucket }))
    if (can.listsUploads) assert.deepEqual(await calls(uploads), ['ListMultipartUploads'])
    const abort = () =>
      stack.s3.send(new AbortMultipartUploadCommand({ Bucket, Key: 'aborted', UploadId: other }))
    // Where any abort succeeds the upload is looked for.
    const looked = can.abortsUnknown ? ['ListParts'] : []
    const removed = ['AbortMultipartUpload', 'DeleteObjects', 'ListObjectsV2']
    assert.deepEqual((await calls(abort)).sort(), [...removed, ...looked])
  })

  it('HEAD and a whole GET of a multipart object are two cold, for its footer, and one warm', async () => {
    const parts = [randomBytes(5 * MIB), randomBytes(1000)]
    await bucket.putParts('headed', parts)
    const read = async () => assert.ok((await bucket.read('headed')).equals(Buffer.concat(parts)))
    for (const [ask, cold, warm] of [
      [() => head('headed'), 2, 1],
      [read, 2, 1],
    ] as const) {
      stack.gateway.gateway.footers.clear()
      assert.equal((await calls(ask)).length, cold)
      assert.equal((await calls(ask)).length, warm)
    }
  })

  it('a copy is two and the footer, and an upload that is aborted leaves nothing', async () => {
    await bucket.put('source', randomBytes(MIB))
    stack.gateway.gateway.footers.clear()
    const copy = () =>
      stack.s3.send(new CopyObjectCommand({ Bucket, Key: 'to', CopySource: `${Bucket}/source` }))
    assert.deepEqual(withoutLook(await calls(copy)), ['HeadObject', 'GetObject', ...copied])
    assert.deepEqual(withoutLook(await calls(copy)), ['HeadObject', ...copied])
    const UploadId = await bucket.begin('gone')
    await bucket.send('gone', UploadId, 1, randomBytes(10))
    await stack.s3.send(new AbortMultipartUploadCommand({ Bucket, Key: 'gone', UploadId }))
    const records = await stack.store.listObjects({
      ...{ bucket: 'sealgate-system', prefix: 'v1/mpu/', delimiter: '', startAfter: '', maxKeys: 1000 },
    })
    assert.deepEqual(
      records.objects.filter(({ key }) => !key.endsWith('/done')),
      [],
    )
  })
})

it('a copy before a store that ignores conditions is pinned by parts of an upload', async () => {
  const ignores = ['copy-source-if-match', 'copy', 'put', 'complete', 'delete'] as const
  const stack = await start(await openEmulatedStore({ ignores }))
  try {
    const data = randomBytes(MIB)
    await stack.bucket.put('source', data)
    stack.counted()
    await stack.s3.send(new CopyObjectCommand({ Bucket, Key: 'to', CopySource: `${Bucket}/source` }))
    assert.deepEqual(
      stack.counted().filter((name) => name !== 'HeadObject' && name !== 'GetObject'),
      ['CreateMultipartUpload', 'UploadPartCopy', 'CompleteMultipartUpload'],
    )
    assert.ok((await stack.bucket.read('to')).equals(data))
    const refused = stack.bucket.put('to', 'x', { IfNoneMatch: '*' })
    await fails(refused, 'NotImplemented', 501)
    assert.ok((await stack.bucket.read('to')).equals(data))
  } finally {
    await stack.close()
  }
})
