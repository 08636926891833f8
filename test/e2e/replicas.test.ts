/** Uploads whose every request may reach another process, and processes that die in the middle of them. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import {
  CompleteMultipartUploadCommand,
  ListPartsCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { TestBucket } from '../lib/bucket.ts'
import { type RunningServer, startServer } from '../lib/server.ts'

const MIB = 1024 * 1024
const Bucket = 'replicas'
const WORKERS = 3
let server: RunningServer
let bucket: TestBucket

before(async () => {
  server = await startServer({ env: { SEALGATE_WORKERS: String(WORKERS) } })
  bucket = await TestBucket.create(client(), Bucket)
})
after(() => server.stop())

/** With a connection for each request: they go to the workers in turn. */
function client(): S3Client {
  return new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: server,
    maxAttempts: 8,
    requestHandler: { httpAgent: { keepAlive: false } },
  })
}

function workers(): number[] {
  const path = `/proc/${server.child.pid}/task/${server.child.pid}/children`
  return readFileSync(path, 'utf8').trim().split(' ').map(Number)
}

describe('a multipart upload through several processes', () => {
  it('CompleteMultipartUpload_otherProcess for every request: the object is whole, whichever sent what', async () => {
    const bodies = [...Array.from({ length: 3 }, () => randomBytes(5 * MIB)), randomBytes(99)]
    const id = await bucket.begin('in-turn', { Metadata: { a: 'b' } })
    const send = (n: number) => bucket.send('in-turn', id, n + 1, bodies[n] ?? Buffer.alloc(0))
    const parts = await Promise.all(bodies.map((_, n) => send(n)))
    parts[1] = await send(1)
    parts[3] = await send(3)
    // Every worker sees what the others took.
    for (let turn = 0; turn < WORKERS; turn++) {
      const { Parts } = await bucket.s3.send(new ListPartsCommand({ Bucket, Key: 'in-turn', UploadId: id }))
      assert.deepEqual(
        Parts?.map(({ PartNumber, ETag, Size }) => [PartNumber, ETag, Size]),
        parts.map(({ PartNumber, ETag }) => [PartNumber, ETag, bodies[PartNumber - 1]?.length]),
      )
    }
    const { ETag } = await bucket.complete('in-turn', id, parts)
    for (let turn = 0; turn < WORKERS; turn++) {
      assert.ok((await bucket.read('in-turn')).equals(Buffer.concat(bodies)))
      // The same answer to a Complete that is sent again.
      assert.equal((await bucket.complete('in-turn', id, parts)).ETag, ETag)
    }
  })

  it('UploadPart_resumed by what ListParts says, as clients that were cut off do', async () => {
    const bodies = [randomBytes(5 * MIB), randomBytes(6 * MIB), randomBytes(1000)]
    const id = await bucket.begin('resumed')
    for (const n of [0, 1]) await bucket.send('resumed', id, n + 1, bodies[n] ?? Buffer.alloc(0))
    const { Parts = [] } = await bucket.s3.send(
      new ListPartsCommand({ Bucket, Key: 'resumed', UploadId: id }),
    )
    const offset = Parts.reduce((sum, { Size = 0 }) => sum + Size, 0)
    assert.equal(offset, 11 * MIB)
    const rest = Buffer.concat(bodies).subarray(offset)
    const last = await bucket.send('resumed', id, Parts.length + 1, rest)
    const listed = Parts.map(({ PartNumber, ETag }) => ({ PartNumber, ETag }))
    await bucket.s3.send(
      new CompleteMultipartUploadCommand({
        Bucket,
        Key: 'resumed',
        UploadId: id,
        MultipartUpload: { Parts: [...listed, last] },
      }),
    )
    assert.ok((await bucket.read('resumed')).equals(Buffer.concat(bodies)))
  })

  it('UploadPart_killedProcess: a worker that dies in the middle costs a retry, and never a byte', {
    skip: existsSync('/proc/self/task') ? false : 'finds the workers in /proc',
  }, async () => {
    const bodies = [...Array.from({ length: 5 }, () => randomBytes(5 * MIB)), randomBytes(77)]
    const id = await bucket.begin('killed')
    const killed = workers()
    assert.equal(killed.length, WORKERS)
    const parts = await Promise.all(
      bodies.map(async (Body, index) => {
        const PartNumber = index + 1
        const command = new UploadPartCommand({ Bucket, Key: 'killed', UploadId: id, PartNumber, Body })
        const sent = bucket.s3.send(command)
        if (index === 1 || index === 3) process.kill(killed[index % WORKERS] ?? 0, 'SIGKILL')
        return { PartNumber, ETag: (await sent).ETag }
      }),
    )
    await bucket.complete('killed', id, parts)
    assert.ok((await bucket.read('killed')).equals(Buffer.concat(bodies)))
  })
})
