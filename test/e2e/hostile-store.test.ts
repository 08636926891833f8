import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import type { GetObjectResult, Storage, StoredObject } from '../../src/storage/storage.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'

/** What the store does to its answers, and how often it was asked. */
interface Malice {
  bytes: (stored: Buffer) => Buffer
  object: (object: StoredObject) => StoredObject
}

const honest: Malice = { bytes: (stored) => stored, object: (object) => object }
let malice: Malice = honest
const calls = new Map<string, number>()

/** A store that lies as told. Only clients' objects are touched; every call is counted. */
function hostile(storage: Storage): Storage {
  const lying: Partial<Storage> = {
    async getObject(request) {
      const answer = await storage.getObject(request)
      if (malice === honest) return answer
      const chunks: Uint8Array[] = []
      for await (const chunk of answer.body) chunks.push(chunk)
      const bytes = malice.bytes(Buffer.concat(chunks))
      const body: GetObjectResult['body'] = {
        destroy: () => undefined,
        async *[Symbol.asyncIterator]() {
          yield bytes
        },
      }
      return { ...answer, object: malice.object(answer.object), body }
    },
    headObject: async (request) => malice.object(await storage.headObject(request)),
  }
  return new Proxy(storage, {
    get(target, name: keyof Storage) {
      const method = lying[name] ?? target[name]
      if (typeof method !== 'function') return method
      return (...values: never[]) => {
        calls.set(name, (calls.get(name) ?? 0) + 1)
        return (method as (...values: never[]) => unknown).apply(target, values)
      }
    },
  })
}

const Bucket = 'hostile'
let gateway: TestGateway
let s3: S3Client

before(async () => {
  gateway = await startGateway({ wrap: hostile })
  s3 = gateway.client()
  await s3.send(new CreateBucketCommand({ Bucket }))
})
after(() => gateway.close())

async function read(Key: string, more: object = {}): Promise<Buffer> {
  const answer = await s3.send(new GetObjectCommand({ Bucket, Key, ...more }))
  return Buffer.from((await answer.Body?.transformToByteArray()) ?? [])
}

async function under<T>(evil: Partial<Malice>, run: () => Promise<T>): Promise<T> {
  malice = { ...honest, ...evil }
  try {
    return await run()
  } finally {
    malice = honest
  }
}

describe('a hostile store', () => {
  for (const size of [0, 1, 100]) {
    it(`GetObject_everyBit of a stored object of ${size} bytes flipped is an error, padding included`, async () => {
      const Key = `bits-${size}`
      await s3.send(new PutObjectCommand({ Bucket, Key, Body: randomBytes(size) }))
      const { size: stored } = await gateway.storage.headObject({ bucket: Bucket, key: Key })
      for (let bit = 0; bit < stored * 8; bit += size === 100 ? 3 : 1) {
        const flip = (bytes: Buffer) => {
          const copy = Buffer.from(bytes)
          copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
          return copy
        }
        await assert.rejects(
          under({ bytes: flip }, () => read(Key)),
          { name: 'ObjectIntegrityError' },
          `bit ${bit}`,
        )
      }
    })
  }

  it('GetObject_cut at every length is an error, and so are added bytes', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'cut', Body: randomBytes(50) }))
    const { size } = await gateway.storage.headObject({ bucket: Bucket, key: 'cut' })
    for (let length = 0; length < size; length++) {
      await assert.rejects(
        under({ bytes: (bytes) => bytes.subarray(0, length) }, () => read('cut')),
        { name: 'ObjectIntegrityError' },
      )
      await assert.rejects(
        under(
          { bytes: (bytes) => bytes.subarray(0, length), object: (object) => ({ ...object, size: length }) },
          () => read('cut'),
        ),
      )
    }
    await assert.rejects(
      under({ bytes: (bytes) => Buffer.concat([bytes, Buffer.from('x')]) }, () => read('cut')),
      { name: 'ObjectIntegrityError' },
    )
  })

  it('GetObject_sampled flips in a large object never give wrong bytes or a short body that looks whole', async () => {
    const body = randomBytes(2_500_000)
    await s3.send(new PutObjectCommand({ Bucket, Key: 'large', Body: body }))
    const { size } = await gateway.storage.headObject({ bucket: Bucket, key: 'large' })
    for (let at = 11; at < size; at += 99_991) {
      const flip = (bytes: Buffer) => {
        const copy = Buffer.from(bytes)
        copy.writeUInt8(copy.readUInt8(at) ^ 4, at)
        return copy
      }
      await assert.rejects(
        under({ bytes: flip }, () => read('large')),
        `offset ${at}`,
      )
    }
    assert.ok((await read('large')).equals(body))
  })

  it('metadata, size and envelope are bound: HEAD and GET refuse what was changed, swapped or stripped', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'aaaa', Metadata: { colour: 'red' } }))
    await s3.send(new PutObjectCommand({ Bucket, Key: 'b', Body: 'bbbb', Metadata: { colour: 'red' } }))
    const other = await gateway.storage.headObject({ bucket: Bucket, key: 'b' })
    const lies: [string, (object: StoredObject) => StoredObject][] = [
      ['metadata value', (object) => ({ ...object, metadata: { ...object.metadata, colour: 'blue' } })],
      ['metadata added', (object) => ({ ...object, metadata: { ...object.metadata, more: '' } })],
      [
        'content type',
        (object) => ({ ...object, headers: { ...object.headers, 'content-type': 'text/html' } }),
      ],
      [
        'content encoding',
        (object) => ({ ...object, headers: { ...object.headers, 'content-encoding': 'gzip' } }),
      ],
      ['size', (object) => ({ ...object, size: object.size - 1 })],
      ['envelope of another key', (object) => ({ ...object, metadata: other.metadata })],
    ]
    for (const [name, lie] of lies) {
      await assert.rejects(
        under({ object: lie }, () => read('a')),
        { name: 'ObjectIntegrityError' },
        name,
      )
      await assert.rejects(
        under({ object: lie }, () => s3.send(new HeadObjectCommand({ Bucket, Key: 'a' }))),
        (error: { $metadata: { httpStatusCode: number } }) => error.$metadata.httpStatusCode === 500,
        name,
      )
    }
    await assert.rejects(
      under({ object: (object) => ({ ...object, metadata: { colour: 'red' } }) }, () => read('a')),
      { name: 'ObjectNotEncrypted' },
    )
  })

  it('swapped parts of a multipart object are an error', async () => {
    const part = 5 * 1024 * 1024
    await new Upload({
      client: s3,
      params: { Bucket, Key: 'parts', Body: randomBytes(2 * part + 10) },
    }).done()
    const sealed = part + 16 * (part / 65536)
    const swap = (bytes: Buffer) =>
      bytes.length < 2 * sealed
        ? bytes
        : Buffer.concat([
            bytes.subarray(sealed, 2 * sealed),
            bytes.subarray(0, sealed),
            bytes.subarray(2 * sealed),
          ])
    await assert.rejects(under({ bytes: swap }, () => read('parts')))
  })

  it('LIST costs one call to the store whatever it lists; PUT, GET and DELETE cost one each', async () => {
    const count = async (run: () => Promise<unknown>) => {
      calls.clear()
      await run()
      return Object.fromEntries(calls)
    }
    assert.deepEqual(await count(() => s3.send(new ListObjectsV2Command({ Bucket }))), { listObjects: 1 })
    assert.deepEqual(
      await count(() => s3.send(new PutObjectCommand({ Bucket, Key: 'counted', Body: 'x' }))),
      { putObject: 1 },
    )
    assert.deepEqual(await count(() => read('counted')), { getObject: 1 })
    assert.deepEqual(await count(() => s3.send(new HeadObjectCommand({ Bucket, Key: 'counted' }))), {
      headObject: 1,
    })
  })
})
