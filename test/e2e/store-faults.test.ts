import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { CopyObjectCommand, DeleteObjectCommand, type S3Client, S3ServiceException } from '@aws-sdk/client-s3'
import type { Storage } from '../../src/storage/storage.ts'
import { TestBucket } from '../lib/bucket.ts'
import { FaultyStorage } from '../lib/faults.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'

const MIB = 1024 * 1024
const Bucket = 'store-faults'
const faults = new FaultyStorage()
let gateway: TestGateway
let s3: S3Client
let bucket: TestBucket

before(async () => {
  gateway = await startGateway({ wrap: faults.wrap })
  s3 = gateway.client()
  bucket = await TestBucket.create(s3, Bucket)
})
after(() => gateway.close())

const METHODS: readonly (keyof Storage)[] = [
  'putObject',
  'headObject',
  'getObject',
  'deleteObject',
  'copyObject',
  'listObjects',
  'createMultipartUpload',
  'uploadPart',
  'completeMultipartUpload',
  'listParts',
]

const older = randomBytes(3000)
const newer = Buffer.concat([randomBytes(5 * MIB), randomBytes(700)])

/** What a client does to bring a key from the older content to the newer, or away. */
const changes: Record<string, { run: (key: string) => Promise<unknown>; result: Buffer | null }> = {
  PUT: { run: (key) => bucket.put(key, newer), result: newer },
  'a multipart upload': {
    run: (key) => bucket.putParts(key, [newer.subarray(0, 5 * MIB), newer.subarray(5 * MIB)]),
    result: newer,
  },
  'a copy': {
    run: (Key) => s3.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/source` })),
    result: newer,
  },
  DELETE: { run: (Key) => s3.send(new DeleteObjectCommand({ Bucket, Key })), result: null },
}

async function contentOf(key: string): Promise<Buffer | null> {
  try {
    return await bucket.read(key)
  } catch (error) {
    if (error instanceof S3ServiceException && error.name === 'NoSuchKey') return null
    throw error
  }
}

const same = (a: Buffer | null, b: Buffer | null) => (a === null || b === null ? a === b : a.equals(b))

describe('a store that fails at one call', () => {
  before(() => bucket.put('source', newer))

  for (const [name, { run, result }] of Object.entries(changes)) {
    for (const moment of ['before', 'after'] as const) {
      it(`leaves ${name} done or not done, never half, when it fails ${moment} taking effect; the client's next try succeeds`, async () => {
        for (const method of METHODS) {
          const key = `${name} ${moment} ${method}`
          await bucket.put(key, older)
          let met = false
          faults.once(method, async (call) => {
            met = true
            if (moment === 'after') await call()
            throw new Error('the store broke')
          })
          const acknowledged = await run(key).then(
            () => true,
            (error: unknown) => {
              assert.ok(
                error instanceof S3ServiceException && (error.$metadata.httpStatusCode ?? 0) >= 500,
                String(error),
              )
              return false
            },
          )
          faults.clear()
          const found = await contentOf(key)
          if (acknowledged) assert.ok(same(found, result), `${key}: acknowledged, but not there`)
          else assert.ok(same(found, older) || same(found, result), `${key}: neither the older nor the newer`)
          assert.ok(met || acknowledged, key)
          await run(key)
          assert.ok(same(await contentOf(key), result), `${key}: the next try`)
        }
      })
    }
  }
})
