import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, beforeEach, describe, it } from 'node:test'
import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { type Ignored, type S3Server, startS3Server } from '../emulators/s3-server.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { openStoreBefore } from '../lib/s3-storage.ts'

const MIB = 1024 * 1024
const Bucket = 'counted'

interface Stack {
  readonly server: S3Server
  readonly gateway: TestGateway
  readonly s3: S3Client
  readonly bucket: TestBucket
  close(): Promise<void>
}

async function start(ignores: readonly Ignored[] = []): Promise<Stack> {
  const server = await startS3Server({ ignores })
  const store = await openStoreBefore(server)
  const gateway = await startGateway({ store })
  // Checksums on reads would cost the footer of large objects.
  const s3 = gateway.client({ responseChecksumValidation: 'WHEN_REQUIRED' })
  const bucket = await TestBucket.create(s3, Bucket)
  // The first object of a bucket makes its data key, with its record in the key ring.
  await bucket.put('first', 'x')
  const close = async () => {
    await gateway.close()
    await server.close()
  }
  return { server, gateway, s3, bucket, close }
}

describe('calls to the store, counted at the store', () => {
  let stack: Stack
  let bucket: TestBucket
  before(async () => {
    stack = await start()
    bucket = stack.bucket
  })
  after(() => stack.close())
  beforeEach(() => void stack.server.counted())

  const calls = async (run: () => Promise<unknown>) => {
    stack.server.counted()
    await run()
    return stack.server.counted()
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
    const listed = await calls(() => stack.s3.send(new ListPartsCommand({ Bucket, Key: 'm', UploadId: id })))
    assert.deepEqual(listed.sort(), ['ListObjectsV2', 'ListParts'])
    const counted = await calls(() => bucket.complete('m', id, sent))
    const until = counted.indexOf('CompleteMultipartUpload') + 2
    assert.deepEqual(counted.slice(0, until), [
      'ListObjectsV2',
      'UploadPart',
      'CompleteMultipartUpload',
      'PutObject',
    ])
  })

  it('a copy is two and the footer, and an upload that is aborted leaves nothing', async () => {
    await bucket.put('source', randomBytes(MIB))
    stack.gateway.gateway.footers.clear()
    const copy = () =>
      stack.s3.send(new CopyObjectCommand({ Bucket, Key: 'to', CopySource: `${Bucket}/source` }))
    assert.deepEqual(await calls(copy), ['HeadObject', 'GetObject', 'CopyObject'])
    assert.deepEqual(await calls(copy), ['HeadObject', 'CopyObject'])
    const UploadId = await bucket.begin('gone')
    await bucket.send('gone', UploadId, 1, randomBytes(10))
    await stack.s3.send(new AbortMultipartUploadCommand({ Bucket, Key: 'gone', UploadId }))
    const records = await stack.server.storage.listObjects({
      ...{ bucket: 'records', prefix: 'v1/mpu/', delimiter: '', startAfter: '', maxKeys: 1000 },
    })
    assert.deepEqual(
      records.objects.filter(({ key }) => !key.endsWith('/done')),
      [],
    )
  })
})

it('a copy before a store that ignores conditions is pinned by parts of an upload', async () => {
  const stack = await start(['copy-source-if-match', 'copy', 'put', 'complete', 'delete'])
  try {
    const data = randomBytes(MIB)
    await stack.bucket.put('source', data)
    stack.server.counted()
    await stack.s3.send(new CopyObjectCommand({ Bucket, Key: 'to', CopySource: `${Bucket}/source` }))
    assert.deepEqual(
      stack.server.counted().filter((name) => name !== 'HeadObject' && name !== 'GetObject'),
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
