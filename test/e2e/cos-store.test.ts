/** A gateway before Tencent COS: what its clients see of what COS is not. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectTaggingCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import type { CosServer } from '../emulators/cos-server.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { openCos } from '../lib/cos-store.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'

const MIB = 1024 * 1024
const Bucket = 'of-clients'

let server: CosServer
let gateway: TestGateway
let s3: S3Client
let bucket: TestBucket
before(async () => {
  const opened = await openCos()
  server = opened.server
  gateway = await startGateway({ store: opened.storage })
  // Checksums on reads would cost the footer of large objects.
  s3 = gateway.client({ responseChecksumValidation: 'WHEN_REQUIRED' })
  bucket = await TestBucket.create(s3, Bucket)
  await bucket.put('first', 'x')
})
after(async () => {
  await gateway.close()
  await server.close()
})
beforeEach(() => void server.counted())
afterEach(() => {
  server.lagLists(0)
  server.faults.clear()
})

async function calls(run: () => Promise<unknown>): Promise<string[]> {
  server.counted()
  await run()
  return server.counted()
}

describe('calls to COS', () => {
  it('are those that the s3 store makes of S3', async () => {
    for (const size of [0, 70_000, 3 * MIB]) {
      const data = randomBytes(size)
      assert.deepEqual(await calls(() => bucket.put('k', data)), ['PutObject'])
      assert.deepEqual(await calls(async () => assert.ok((await bucket.read('k')).equals(data))), [
        'GetObject',
      ])
      assert.deepEqual(await calls(() => s3.send(new HeadObjectCommand({ Bucket, Key: 'k' }))), [
        'HeadObject',
      ])
      assert.deepEqual(await calls(() => s3.send(new ListObjectsV2Command({ Bucket }))), ['ListObjects'])
      const copy = new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/k` })
      assert.deepEqual(await calls(() => s3.send(copy)), ['HeadObject', 'CopyObject'])
      assert.ok((await bucket.read('copy')).equals(data))
      assert.deepEqual(await calls(() => s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))), [
        'DeleteObject',
      ])
    }
  })

  it('of an upload are two to begin it, two for each part, and to end it a list and a few', async () => {
    let id = ''
    const begun = await calls(async () => {
      id = await bucket.begin('parts')
    })
    assert.deepEqual(begun, ['CreateMultipartUpload', 'PutObject'])
    const part = randomBytes(5 * MIB)
    const sent = [await bucket.send('parts', id, 1, part)]
    assert.deepEqual(server.counted(), ['UploadPart', 'PutObject'])
    sent.push(await bucket.send('parts', id, 2, part))
    const ended = await calls(() => bucket.complete('parts', id, sent))
    assert.deepEqual(ended, [
      'ListObjects',
      'UploadPart',
      'CompleteMultipartUpload',
      'PutObject',
      'ListObjects',
      'DeleteObjects',
    ])
    assert.ok((await bucket.read('parts')).equals(Buffer.concat([part, part])))
  })
})

describe('uploads before COS', () => {
  it('are completed though lists do not show yet what was uploaded', async () => {
    server.lagLists(700)
    const bodies = [randomBytes(5 * MIB), randomBytes(5 * MIB), randomBytes(10)]
    await bucket.putParts('lagging', bodies)
    assert.ok((await bucket.read('lagging')).equals(Buffer.concat(bodies)))
  })

  it('with a gap in the numbers of their parts are refused in words, and are still there', async () => {
    const id = await bucket.begin('gaps')
    const bodies = [randomBytes(5 * MIB), randomBytes(5 * MIB), randomBytes(5 * MIB)]
    const [one, , three] = [
      await bucket.send('gaps', id, 1, bodies[0] as Buffer),
      await bucket.send('gaps', id, 2, bodies[1] as Buffer),
      await bucket.send('gaps', id, 3, bodies[2] as Buffer),
    ]
    const complete = bucket.complete('gaps', id, [one, three])
    await fails(complete, 'NotImplemented', 501)
    await complete.catch((error: Error) =>
      assert.match(error.message, /1, 2, 3 and so on: part 2 is missing/),
    )
    // Those behind the last one that is named do not count.
    await bucket.complete('gaps', id, [one])
    assert.ok((await bucket.read('gaps')).equals(bodies[0] as Buffer))
  })

  it('are over a key that is there only without If-None-Match', async () => {
    await bucket.put('taken', 'there')
    const id = await bucket.begin('taken')
    const parts = [await bucket.send('taken', id, 1, randomBytes(100))]
    const command = new CompleteMultipartUploadCommand({
      ...{ Bucket, Key: 'taken', UploadId: id, MultipartUpload: { Parts: parts } },
      IfNoneMatch: '*',
    })
    await fails(s3.send(command), 'PreconditionFailed', 412)
    await fails(bucket.put('taken', 'again', { IfNoneMatch: '*' }), 'PreconditionFailed', 412)
    await fails(bucket.put('taken', 'again', { IfMatch: '"0"' }), 'NotImplemented', 501)
    assert.equal((await bucket.read('taken')).toString(), 'there')
    await bucket.complete('taken', id, parts)
    assert.equal((await bucket.read('taken')).length, 100)
  })
})

describe('limits of COS', () => {
  it('are told before a byte is stored', async () => {
    await fails(bucket.put('k'.repeat(851), 'x'), 'KeyTooLongError', 400)
    await fails(bucket.put('/slash', 'x'), 'InvalidURI', 400)
    await fails(bucket.put('metadata', 'x', { Metadata: { a: 'x'.repeat(1700) } }), 'MetadataTooLarge', 400)
    assert.deepEqual(server.counted(), [])
    await bucket.put('k'.repeat(850), 'x', { Metadata: { under_score: 'kept' } })
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'k'.repeat(850) }))
    assert.deepEqual(head.Metadata, { under_score: 'kept' })
  })
})

describe('tags at COS', () => {
  it('come back, are replaced and removed', async () => {
    const name = { Bucket, Key: 'tagged' }
    await bucket.put('tagged', 'x')
    assert.deepEqual((await s3.send(new GetObjectTaggingCommand(name))).TagSet, [])
    for (const TagSet of [[{ Key: 'a', Value: '1' }], [{ Key: 'b', Value: 'ü /' }], []]) {
      await s3.send(new PutObjectTaggingCommand({ ...name, Tagging: { TagSet } }))
      assert.deepEqual((await s3.send(new GetObjectTaggingCommand(name))).TagSet, TagSet)
    }
  })
})
