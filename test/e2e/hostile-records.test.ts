import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListPartsCommand,
  type S3Client,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { systemObjects } from '../../src/gateway/system-bucket.ts'
import { uploadPrefix } from '../../src/gateway/upload-state.ts'
import { collect, oneChunk } from '../lib/bytes.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'

const SYSTEM = 'sealgate-system'
const Bucket = 'records'
let gateway: TestGateway
let s3: S3Client

before(async () => {
  gateway = await startGateway()
  s3 = gateway.client()
  await s3.send(new CreateBucketCommand({ Bucket }))
})
after(() => gateway.close())

interface StartedUpload {
  readonly Key: string
  readonly UploadId: string
  readonly prefix: string
  readonly parts: { PartNumber: number; ETag: string | undefined }[]
}

async function start(Key: string, ...bodies: readonly Buffer[]): Promise<StartedUpload> {
  const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }))
  const parts = []
  for (const [index, Body] of bodies.entries()) {
    const PartNumber = index + 1
    const { ETag } = await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }))
    parts.push({ PartNumber, ETag })
  }
  return { Key, UploadId, prefix: uploadPrefix({ bucket: Bucket, uploadId: UploadId }), parts }
}

const complete = ({ Key, UploadId, parts }: StartedUpload) =>
  s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts: parts } }))

async function load(key: string): Promise<Buffer> {
  const { body } = await gateway.storage.getObject({ bucket: SYSTEM, key })
  return collect(body)
}

async function save(key: string, bytes: Buffer): Promise<void> {
  await gateway.storage.putObject({
    bucket: SYSTEM,
    key,
    headers: {},
    metadata: {},
    storageClass: 'STANDARD',
    size: bytes.length,
    body: oneChunk(bytes),
  })
}

const remove = (key: string) => gateway.storage.deleteObject({ bucket: SYSTEM, key })

async function markers({ prefix }: StartedUpload): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of systemObjects(gateway.gateway, `${prefix}p/`)) keys.push(key)
  return keys
}

async function moveMarker(from: string, to: string): Promise<void> {
  const bytes = await load(from)
  await remove(from)
  await save(to, bytes)
}

/** Another replica, or this one after a restart: nothing of an upload is remembered. */
const forget = () => gateway.gateway.uploads.clear()

async function refuses(promise: Promise<unknown>, ...codes: readonly string[]): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof S3ServiceException, String(error))
    assert.ok(codes.includes(error.name), `${error.name} is none of ${codes.join(', ')}`)
    return true
  })
}

describe('a store that tampers with the records of uploads', () => {
  it('a record under another number, or in another upload, is an error', async () => {
    const [one, two] = [await start('one', randomBytes(10)), await start('two', randomBytes(10))]
    const [marker = ''] = await markers(one)
    const renumbered = marker.replace('/00001.', '/00002.')
    await moveMarker(marker, renumbered)
    await refuses(complete(one), 'ObjectIntegrityError')
    await refuses(
      s3.send(new ListPartsCommand({ Bucket, Key: one.Key, UploadId: one.UploadId })),
      'ObjectIntegrityError',
    )
    await moveMarker(renumbered, marker)
    const [stranger = ''] = await markers(two)
    const moved = stranger.replace(two.prefix, one.prefix)
    await save(moved, await load(stranger))
    await refuses(complete(one), 'ObjectIntegrityError')
    await remove(moved)
    await complete(one)
  })

  it('every character of a record is bound', async () => {
    const upload = await start('bits', randomBytes(10))
    const [marker = ''] = await markers(upload)
    const at = marker.lastIndexOf('.') + 1
    for (let index = at; index < marker.length; index += 1) {
      const other = marker[index] === 'A' ? 'B' : 'A'
      const changed = marker.slice(0, index) + other + marker.slice(index + 1)
      await moveMarker(marker, changed)
      await refuses(complete(upload), 'ObjectIntegrityError')
      await moveMarker(changed, marker)
    }
    await complete(upload)
  })

  it('a record that is gone makes its part unknown', async () => {
    const upload = await start('gone', randomBytes(10))
    const [marker = ''] = await markers(upload)
    const bytes = await load(marker)
    await remove(marker)
    await refuses(complete(upload), 'InvalidPart')
    await save(marker, bytes)
    await complete(upload)
  })

  it('a beginning that is altered, replaced or gone ends the upload, and never lets another key in', async () => {
    const [one, two] = [await start('init-1', randomBytes(10)), await start('init-2', randomBytes(10))]
    const init = await load(`${one.prefix}init`)
    for (let byte = 0; byte < init.length; byte += 1) {
      const copy = Buffer.from(init)
      copy.writeUInt8(copy.readUInt8(byte) ^ (1 << (byte % 8)), byte)
      await save(`${one.prefix}init`, copy)
      forget()
      await refuses(complete(one), 'NoSuchUpload', 'ObjectIntegrityError')
    }
    for (const other of [await load(`${two.prefix}init`), Buffer.alloc(0), randomBytes(20_000)]) {
      await save(`${one.prefix}init`, other)
      forget()
      await refuses(complete(one), 'NoSuchUpload', 'ObjectIntegrityError')
    }
    await remove(`${one.prefix}init`)
    forget()
    await refuses(complete(one), 'NoSuchUpload')
    await save(`${one.prefix}init`, init)
    await complete(one)
  })

  it("another upload's end is not taken for this one's", async () => {
    const [one, two] = [await start('done-1', randomBytes(10)), await start('done-2', randomBytes(10))]
    await complete(one)
    await complete(two)
    await save(`${one.prefix}done`, await load(`${two.prefix}done`))
    forget()
    await refuses(complete(one), 'NoSuchUpload', 'ObjectIntegrityError')
  })

  it('a small part that was altered while it waited never reads as anything else', async () => {
    const upload = await start('waiting', randomBytes(1000))
    const [marker = ''] = await markers(upload)
    const bytes = await load(marker)
    bytes.writeUInt8(bytes.readUInt8(500) ^ 1, 500)
    await save(marker, bytes)
    await complete(upload)
    await refuses(s3.send(new GetObjectCommand({ Bucket, Key: 'waiting' })), 'ObjectIntegrityError')
    const cut = await start('waiting-cut', randomBytes(1000))
    const [short = ''] = await markers(cut)
    await save(short, (await load(short)).subarray(1))
    await refuses(complete(cut), 'ObjectIntegrityError')
  })
})
