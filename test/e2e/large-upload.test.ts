/**
 * An upload of very many parts, before an S3 server that holds those that are read. LANE_PARTS says how many; S3's most are 10 000. Where it is
 * set the lanes send them to their real server, in which those that nobody reads are copies of one.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import {
  HeadObjectCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { sealPartRecord, segmentsSize } from '../../src/envelope/index.ts'
import { readInit, uploadPrefix } from '../../src/gateway/upload-state.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { storedUploadId } from '../../src/storage/wire/upload-id.ts'
import { startS3Server } from '../emulators/s3-server.ts'
import { type SentPart, TestBucket } from '../lib/bucket.ts'
import { oneChunk } from '../lib/bytes.ts'
import { openCountedStore, withoutLook } from '../lib/counted-store.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { realStore } from '../lib/real-store.ts'
import { openStoreBefore } from '../lib/s3-storage.ts'
import { SparseParts } from '../lib/sparse-parts.ts'

const MIB = 1024 * 1024
/** More than a page of records, and more than a footer that is found at once. */
const PARTS = Number(process.env['LANE_PARTS'] ?? 1100)
const PART = 5 * MIB
const Bucket = 'large'

interface Stack {
  readonly gateway: TestGateway
  /** By which the system bucket is filled. */
  readonly records: Storage
  /** Makes a part that nobody sends, and gives its ETag. */
  plant(key: string, uploadId: string, partNumber: number): Promise<string>
  /** How many at once. */
  readonly workers: number
  counted(): string[]
  close(): Promise<void>
}

async function startSparse(): Promise<Stack> {
  const sparse = new SparseParts()
  const server = await startS3Server({ wrap: sparse.wrap })
  const gateway = await startGateway({
    store: await openStoreBefore(server, { systemBucket: 'sealgate-system' }),
  })
  const plant = async (_: string, uploadId: string, partNumber: number) =>
    sparse.plant(uploadId, partNumber, segmentsSize(PART))
  const close = async () => {
    await gateway.close()
    await server.close()
  }
  return { gateway, records: server.storage, plant, workers: 64, counted: () => server.counted(), close }
}

async function startReal(): Promise<Stack> {
  const { store, behind, bucketPrefix, counted, close } = await openCountedStore()
  const gateway = await startGateway({ store })
  const there = { Bucket: bucketPrefix + Bucket }
  let source: Promise<unknown> | null = null
  const plant = async (Key: string, uploadId: string, PartNumber: number) => {
    source ??= behind.send(
      new PutObjectCommand({ ...there, Key: 'source', Body: Buffer.alloc(segmentsSize(PART)) }),
    )
    await source
    const UploadId = storedUploadId(uploadId)
    const CopySource = `${there.Bucket}/source`
    const copied = await behind.send(
      new UploadPartCopyCommand({ ...there, Key, UploadId, PartNumber, CopySource }),
    )
    return copied.CopyPartResult?.ETag?.replaceAll('"', '') ?? ''
  }
  const closeBoth = async () => {
    await gateway.close()
    await close()
  }
  return { gateway, records: store, plant, workers: 8, counted, close: closeBoth }
}

let stack: Stack
let gateway: TestGateway
let bucket: TestBucket

before(async () => {
  const isReal = realStore() !== null && process.env['LANE_PARTS'] !== undefined
  stack = isReal ? await startReal() : await startSparse()
  gateway = stack.gateway
  bucket = await TestBucket.create(gateway.client({ responseChecksumValidation: 'WHEN_REQUIRED' }), Bucket)
})
after(() => stack.close())

/** Parts as the gateway would have left them, but that nobody reads them. */
async function plant(key: string, uploadId: string, numbers: readonly number[]): Promise<SentPart[]> {
  const upload = { bucket: Bucket, key, uploadId }
  const { objectKey } = await readInit(gateway.gateway, upload)
  const reference = { realm: gateway.gateway.realm, ...upload }
  const planted: SentPart[] = []
  const remaining = numbers.values()
  const worker = async () => {
    for (const partNumber of remaining) {
      const etag = await stack.plant(key, uploadId, partNumber)
      const record = sealPartRecord(objectKey, reference, {
        ...{ partNumber, time: Date.now(), size: PART, location: 'part', etag },
        ...{ checksumAlgorithm: null, checksum: Buffer.alloc(0), salt: randomBytes(32) },
      })
      await stack.records.putObject({
        bucket: 'sealgate-system',
        key: `${uploadPrefix(upload)}p/${String(partNumber).padStart(5, '0')}.${record}`,
        ...{ headers: {}, metadata: {}, storageClass: 'STANDARD' },
        ...{ size: 0, body: oneChunk(Buffer.alloc(0)) },
      })
      planted.push({ PartNumber: partNumber, ETag: `"${etag}"` })
    }
  }
  await Promise.all(Array.from({ length: stack.workers }, worker))
  return planted
}

describe(`an upload of ${PARTS} parts`, () => {
  const middle = Math.floor(PARTS / 2)
  const real = new Map<number, Buffer>([
    [1, randomBytes(PART)],
    [middle, randomBytes(PART)],
    [PARTS - 1, randomBytes(PART)],
    [PARTS, randomBytes(1000)],
  ])
  const size = (PARTS - 1) * PART + 1000

  it('is listed and completed, one LIST for 1000 parts', async (t) => {
    const id = await bucket.begin('object')
    const others = Array.from({ length: PARTS }, (_, index) => index + 1).filter(
      (number) => !real.has(number),
    )
    const parts = await plant('object', id, others)
    for (const [number, data] of real) parts.push(await bucket.send('object', id, number, data))
    parts.sort((a, b) => a.PartNumber - b.PartNumber)
    const page = await bucket.s3.send(
      new ListPartsCommand({ Bucket, Key: 'object', UploadId: id, PartNumberMarker: String(PARTS - 3) }),
    )
    assert.deepEqual(
      page.Parts?.map(({ PartNumber, Size }) => [PartNumber, Size]),
      [
        [PARTS - 2, PART],
        [PARTS - 1, PART],
        [PARTS, 1000],
      ],
    )
    stack.counted()
    const started = performance.now()
    const { ETag } = await bucket.complete('object', id, parts)
    t.diagnostic(`Complete of ${PARTS} parts: ${Math.round(performance.now() - started)} ms`)
    assert.match(ETag ?? '', new RegExp(`-${PARTS}"$`))
    const counted = withoutLook(stack.counted())
    const until = counted.indexOf('PutObject') + 1
    const lists = Array<string>(Math.ceil(PARTS / 1000)).fill('ListObjectsV2')
    // The last part waited beside its record, and takes the footer with it.
    const want = [...lists, 'GetObject', 'UploadPart', 'CompleteMultipartUpload', 'PutObject']
    assert.deepEqual(counted.slice(0, until), want)
    // Then what it left goes, as many at once.
    const removals = Array<string>(Math.ceil((PARTS + 2) / 1000)).fill('DeleteObjects')
    assert.deepEqual(counted.slice(until), [...lists, ...removals])
  })

  it('has the size of all its parts, and its ranges are one call once its footer is known', async () => {
    gateway.gateway.footers.clear()
    const ranges = [...real.keys()].map((number) => [number, (number - 1) * PART + 100] as const)
    for (const [cold, [number, start]] of ranges.entries()) {
      const data = real.get(number)
      assert.ok(data !== undefined)
      const end = Math.min(start + MIB, size - 1)
      stack.counted()
      const read = await bucket.read('object', { Range: `bytes=${start}-${end}` })
      assert.ok(read.equals(data.subarray(100, 100 + end - start + 1)), `part ${number}`)
      const calls = stack.counted()
      assert.ok(cold === 0 ? calls.length <= 3 : calls.length === 1, calls.join())
      assert.ok(calls.every((name) => name === 'GetObject'))
    }
    const head = await bucket.s3.send(new HeadObjectCommand({ Bucket, Key: 'object', PartNumber: PARTS }))
    assert.deepEqual([head.ContentLength, head.PartsCount], [1000, PARTS])
    const { ContentLength } = await bucket.s3.send(new HeadObjectCommand({ Bucket, Key: 'object' }))
    assert.equal(ContentLength, size)
    assert.ok(
      (await bucket.read('object', { PartNumber: middle })).equals(real.get(middle) ?? Buffer.alloc(0)),
    )
  })
})
