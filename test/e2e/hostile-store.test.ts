import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { getObject } from '../../src/gateway/get-object.ts'
import type { GetObjectResult, Storage, StoredObject } from '../../src/storage/storage.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { collect, oneChunk } from '../lib/bytes.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { send } from '../lib/raw-http.ts'
import { realStore } from '../lib/real-store.ts'

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
      const bytes = malice.bytes(await collect(answer.body))
      const body: GetObjectResult['body'] = {
        destroy: () => undefined,
        [Symbol.asyncIterator]: () => oneChunk(bytes),
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

const MIB = 1024 * 1024
const Bucket = 'hostile'
let gateway: TestGateway
let s3: S3Client
let bucket: TestBucket

before(async () => {
  gateway = await startGateway({ wrap: hostile })
  s3 = gateway.client()
  bucket = await TestBucket.create(s3, Bucket)
})
after(() => gateway.close())

async function under<T>(evil: Partial<Malice>, run: () => Promise<T>): Promise<T> {
  malice = { ...honest, ...evil }
  try {
    return await run()
  } finally {
    malice = honest
  }
}

/** Below HTTP, where thousands of reads cost little. Resolves only if the whole body was released. */
async function readDirectly(key: string, bucket = Bucket): Promise<Buffer> {
  const { body } = await getObject(gateway.gateway, { bucket, key, conditions: {}, checksums: false })
  return collect(body)
}

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
  return copy
}

/**
 * Over the fs store every bit is flipped, and every length cut; over real servers, where a read takes milliseconds, each fifth byte is met, by all
 * its bits in turn. The lie is told between the gateway and its store, so that no server makes a difference to it.
 */
const [BIT_STEP, LENGTH_STEP] = realStore() === null ? [1, 1] : [37, 7]

const integrityError = { name: 'SealgateError', kind: 'ObjectIntegrityError' }

/** All that the store has of an object. */
async function stored(key: string, bucket = Bucket): Promise<{ object: StoredObject; bytes: Buffer }> {
  const { object, body } = await gateway.storage.getObject({ bucket, key })
  return { object, bytes: await collect(body) }
}

describe('a hostile store', () => {
  const small: [string, () => Promise<unknown>][] = [
    ['an empty object', () => bucket.put('small', '')],
    ['one byte', () => bucket.put('small', 'x')],
    ['100 bytes', () => bucket.put('small', randomBytes(100))],
    ['a multipart object', () => bucket.putParts('small', [randomBytes(10)])],
    [
      'a copy',
      () =>
        s3.send(
          new CopyObjectCommand({
            Bucket,
            Key: 'small',
            CopySource: `${Bucket}/small`,
            MetadataDirective: 'REPLACE',
          }),
        ),
    ],
  ]
  for (const [name, make] of small) {
    it(`GetObject_everyBit of ${name} flipped is an error, padding and envelope included`, async () => {
      await make()
      const { object, bytes } = await stored('small')
      for (let bit = 0; bit < bytes.length * 8; bit += BIT_STEP) {
        const read = under({ bytes: (all) => flipped(all, bit) }, () => readDirectly('small'))
        await assert.rejects(read, integrityError, `bit ${bit}`)
      }
      const envelope = Buffer.from(object.metadata['sealgate'] ?? '')
      for (let bit = 0; bit < envelope.length * 8; bit += BIT_STEP) {
        const metadata = { ...object.metadata, sealgate: flipped(envelope, bit).toString('latin1') }
        const read = under({ object: (lie) => ({ ...lie, metadata }) }, () => readDirectly('small'))
        await assert.rejects(read, integrityError, `bit ${bit} of the envelope`)
      }
    })

    it(`GetObject_cut of ${name} at every length, and bytes added, are an error`, async () => {
      await make()
      const { bytes } = await stored('small')
      for (let length = 0; length < bytes.length; length += LENGTH_STEP) {
        const cut = (all: Buffer) => all.subarray(0, length)
        await assert.rejects(
          under({ bytes: cut }, () => readDirectly('small')),
          integrityError,
        )
        const object = (lie: StoredObject) => ({ ...lie, size: length })
        await assert.rejects(
          under({ bytes: cut, object }, () => readDirectly('small')),
          integrityError,
        )
      }
      const longer = (all: Buffer) => Buffer.concat([all, Buffer.from('x')])
      await assert.rejects(
        under({ bytes: longer }, () => readDirectly('small')),
        integrityError,
      )
    })
  }

  it('GetObject_sampled flips in large objects break the connection: never wrong bytes, never a short body that looks whole', async () => {
    const body = randomBytes(2_500_000)
    const parts = [randomBytes(5 * MIB), randomBytes(3 * MIB)]
    await bucket.put('large', body)
    await bucket.putParts('large-parts', parts)
    for (const Key of ['large', 'large-parts']) {
      const { size } = await gateway.storage.headObject({ bucket: Bucket, key: Key })
      for (let at = 11; at < size; at += 199_991) {
        // Whole bodies only: the suffix that holds the footer is shorter, and its bits are flipped elsewhere.
        const flip = (bytes: Buffer) => (bytes.length === size ? flipped(bytes, at * 8 + 2) : bytes)
        await assert.rejects(
          under({ bytes: flip }, () => bucket.read(Key)),
          `offset ${at}`,
        )
        const short = (bytes: Buffer) => (bytes.length === size ? bytes.subarray(0, at) : bytes)
        await assert.rejects(
          under({ bytes: short }, () => bucket.read(Key)),
          `cut at ${at}`,
        )
      }
    }
    assert.ok((await bucket.read('large')).equals(body))
    assert.ok((await bucket.read('large-parts')).equals(Buffer.concat(parts)))
  })

  it('GetObject_range: another range, a short one or a flipped one is an error', async () => {
    const body = randomBytes(400_000)
    await bucket.put('ranged', body)
    const Range = 'bytes=70000-200000'
    assert.ok((await bucket.read('ranged', { Range })).equals(body.subarray(70_000, 200_001)))
    const lies: ((bytes: Buffer) => Buffer)[] = [
      (bytes) => bytes.subarray(1),
      (bytes) => bytes.subarray(0, -1),
      (bytes) => bytes.subarray(0, 65_552),
      (bytes) => Buffer.concat([bytes.subarray(65_552), bytes.subarray(0, 65_552)]),
      (bytes) => flipped(bytes, 8 * 100_000),
    ]
    for (const lie of lies)
      await assert.rejects(under({ bytes: lie }, () => bucket.read('ranged', { Range })))
  })

  it('swaps of whole objects between keys, buckets, deployments and versions are an error', async () => {
    await s3.send(new CreateBucketCommand({ Bucket: 'other' }))
    const Body = randomBytes(200)
    await s3.send(new PutObjectCommand({ Bucket, Key: 'swap', Body }))
    const older = await stored('swap')
    await bucket.put('swap', randomBytes(200))
    const newer = await stored('swap')
    await s3.send(new PutObjectCommand({ Bucket, Key: 'swap-2', Body }))
    await s3.send(new PutObjectCommand({ Bucket: 'other', Key: 'swap', Body }))
    const stranger = await startGateway()
    const foreign = stranger.client()
    await foreign.send(new CreateBucketCommand({ Bucket }))
    await foreign.send(new PutObjectCommand({ Bucket, Key: 'swap', Body }))
    const answer = await stranger.storage.getObject({ bucket: Bucket, key: 'swap' })
    const foreignBytes = await collect(answer.body)
    await stranger.close()
    const swaps = {
      'another key': await stored('swap-2'),
      'another bucket': await stored('swap', 'other'),
      'another deployment': { object: answer.object, bytes: foreignBytes },
      "an older version's body": { object: newer.object, bytes: older.bytes },
      "an older version's envelope": { object: older.object, bytes: newer.bytes },
      "an older version's footer": {
        object: newer.object,
        bytes: Buffer.concat([newer.bytes.subarray(0, -170), older.bytes.subarray(-170)]),
      },
    }
    for (const [name, { object, bytes }] of Object.entries(swaps)) {
      const read = under({ bytes: () => bytes, object: () => object }, () => readDirectly('swap'))
      await assert.rejects(read, integrityError, name)
    }
    // What no format can tell without a place to remember: the whole older object, put back (docs/security.md).
    const replay = under({ bytes: () => older.bytes, object: () => older.object }, () => readDirectly('swap'))
    assert.ok((await replay).equals(Body))
  })

  it('swaps of segments and parts, within an object and between two, are an error', async () => {
    const part = 5 * MIB
    const sealed = part + 16 * (part / 65_536)
    await bucket.putParts('parts', [randomBytes(part), randomBytes(part), randomBytes(10)])
    await bucket.putParts('parts-2', [randomBytes(part), randomBytes(part), randomBytes(10)])
    const { bytes: other } = await stored('parts-2')
    const whole = (lie: (bytes: Buffer) => Buffer) => (bytes: Buffer) =>
      bytes.length > 2 * sealed ? lie(bytes) : bytes
    const segment = 65_552
    const lies = {
      'parts swapped': (bytes: Buffer) =>
        Buffer.concat([
          bytes.subarray(sealed, 2 * sealed),
          bytes.subarray(0, sealed),
          bytes.subarray(2 * sealed),
        ]),
      "another object's part": (bytes: Buffer) =>
        Buffer.concat([other.subarray(0, sealed), bytes.subarray(sealed)]),
      'segments swapped': (bytes: Buffer) =>
        Buffer.concat([
          bytes.subarray(segment, 2 * segment),
          bytes.subarray(0, segment),
          bytes.subarray(2 * segment),
        ]),
      'a segment repeated': (bytes: Buffer) =>
        Buffer.concat([bytes.subarray(0, segment), bytes.subarray(0, segment), bytes.subarray(2 * segment)]),
      'a segment left out': (bytes: Buffer) =>
        Buffer.concat([bytes.subarray(segment), bytes.subarray(-segment)]),
    }
    for (const [name, lie] of Object.entries(lies)) {
      await assert.rejects(
        under({ bytes: whole(lie) }, () => readDirectly('parts')),
        integrityError,
        name,
      )
    }
  })

  it('metadata, size and envelope are bound: HEAD and GET refuse what was changed, swapped or stripped', async () => {
    await bucket.put('a', 'aaaa', { Metadata: { colour: 'red' } })
    await bucket.put('b', 'bbbb', { Metadata: { colour: 'red' } })
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
        under({ object: lie }, () => bucket.read('a')),
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
      under({ object: (object) => ({ ...object, metadata: { colour: 'red' } }) }, () => bucket.read('a')),
      { name: 'AccessDenied' },
    )
  })

  it('what the envelope does not bind of an answer is not passed on', async () => {
    await send(gateway, { method: 'PUT', target: `/${Bucket}/plain`, body: 'x' })
    const lie = (object: StoredObject) => ({
      ...object,
      headers: {
        'Content-Type': 'text/html',
        'content-encoding': 'aws-chunked',
        'set-cookie': 'a=b',
        'transfer-encoding': 'chunked',
        'x-amz-checksum-crc32': 'AAAAAA==',
      },
      metadata: { ...object.metadata, Sealgate: 'evil' },
    })
    const answers = (method: string) => send(gateway, { method, target: `/${Bucket}/plain` })
    const [honest, lied] = [await answers('GET'), await under({ object: lie }, () => answers('GET'))]
    assert.deepEqual([lied.status, lied.body], [200, 'x'])
    assert.deepEqual([...lied.headers.keys()], [...honest.headers.keys()])
    assert.equal(lied.headers.get('content-type'), honest.headers.get('content-type'))
    await under({ object: lie }, () =>
      s3.send(new CopyObjectCommand({ Bucket, Key: 'copied', CopySource: `${Bucket}/plain` })),
    )
    const copied = await gateway.storage.headObject({ bucket: Bucket, key: 'copied' })
    assert.deepEqual(Object.keys(copied.headers), ['content-type'])
    assert.deepEqual(Object.keys(copied.metadata), ['sealgate'])
  })

  it('LIST costs one call to the store whatever it lists; PUT, GET, HEAD and DELETE cost one each, a refused GET none', async () => {
    const count = async (run: () => Promise<unknown>) => {
      calls.clear()
      await run()
      return Object.fromEntries(calls)
    }
    assert.deepEqual(await count(() => s3.send(new ListObjectsV2Command({ Bucket }))), { listObjects: 1 })
    assert.deepEqual(await count(() => bucket.put('counted', 'x')), { putObject: 1 })
    assert.deepEqual(await count(() => bucket.read('counted')), { getObject: 1 })
    const refused = () => fails(bucket.read('counted', { ResponseExpires: '\u0001' }), 'InvalidArgument', 400)
    assert.deepEqual(await count(refused), {})
    const key = { Bucket, Key: 'counted' }
    assert.deepEqual(await count(() => s3.send(new HeadObjectCommand(key))), { headObject: 1 })
    assert.deepEqual(await count(() => s3.send(new DeleteObjectCommand(key))), { deleteObject: 1 })
  })
})
