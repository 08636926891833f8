/** Objects that were written through the S3 face, opened from what the store has of them, with keys and nothing else. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { CopyObjectCommand } from '@aws-sdk/client-s3'
import fc from 'fast-check'
import { storedSize } from '../../src/envelope/index.ts'
import { beginReading, beginStream, drain } from '../../src/recovery/reading.ts'
import { parseRange } from '../../src/recovery/slice.ts'
import { TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { finds, keysOf, read, type Stored, sealedOf, storedOf, streamOf } from './helpers.ts'

const MIB = 1024 * 1024
const S = 65_536
const BUCKET = 'recovery'
const plain = new Map<string, Buffer>()
const stored = new Map<string, Stored>()
let gateway: TestGateway
let bucket: TestBucket

before(async () => {
  gateway = await startGateway()
  bucket = await TestBucket.create(gateway.client(), BUCKET)
  const attributes = { ContentType: 'text/plain', CacheControl: 'no-store', Metadata: { colour: 'blue' } }
  for (const size of [0, 1, S - 1, S, S + 1, 300_000]) {
    const body = randomBytes(size)
    await bucket.put(`single/${size}`, body, { ...attributes, ChecksumAlgorithm: 'SHA256' })
    plain.set(`single/${size}`, body)
  }
  const parts = [5 * MIB + 100, 5 * MIB, 3 * S + 7].map((size) => randomBytes(size))
  await bucket.putParts('multipart', parts)
  plain.set('multipart', Buffer.concat(parts))
  await bucket.putParts('empty part', [randomBytes(0)])
  plain.set('empty part', Buffer.alloc(0))
  for (const source of ['single/300000', 'multipart']) {
    const key = `copy of ${source} äöü`
    const CopySource = encodeURI(`${BUCKET}/${source}`)
    const command = { Bucket: BUCKET, Key: key, CopySource, MetadataDirective: 'REPLACE' } as const
    await bucket.s3.send(new CopyObjectCommand(command))
    plain.set(key, plain.get(source) ?? Buffer.alloc(0))
  }
  for (const key of plain.keys()) stored.set(key, await storedOf(gateway.storage, BUCKET, key))
})
after(() => gateway.close())

function objectOf(key: string): { key: string; bytes: Buffer; object: Stored } {
  const [bytes, object] = [plain.get(key), stored.get(key)]
  assert.ok(bytes !== undefined && object !== undefined)
  return { key, bytes, object }
}

const name = (key: string) => ({ bucket: BUCKET, key })

describe('an object without its gateway', () => {
  it('opens whole, however its bytes come, and its checksums are computed again', async () => {
    for (const [key, bytes] of plain) {
      const { object } = objectOf(key)
      for (const chunkSize of [1000, S, S + 16, 10 * MIB]) {
        if (chunkSize < 5000 && bytes.length > MIB) continue
        const {
          plain: opened,
          checksums,
          reading,
        } = await read(keysOf(gateway), name(key), sealedOf(object, chunkSize))
        assert.ok(opened.equals(bytes), `${key} in chunks of ${chunkSize}`)
        assert.deepEqual([reading.size, reading.object.metadata], [bytes.length, 'authentic'])
        if (key.startsWith('single')) assert.deepEqual(checksums[0]?.algorithm, 'SHA256')
      }
    }
  })

  it('opens as a stream that cannot go back, if it came by a single PUT', async () => {
    for (const key of plain.keys()) {
      if (!key.includes('single')) continue
      const { bytes, object } = objectOf(key)
      const body = streamOf(object.bytes, 7777)
      const reading = await beginStream(keysOf(gateway), name(key), { ...sealedOf(object), body })
      const chunks: Buffer[] = []
      const checksums = await drain(reading.plain, async (chunk) => void chunks.push(chunk))
      assert.ok(Buffer.concat(chunks).equals(bytes))
      assert.equal(checksums.length > 0, true)
    }
  })

  it('gives every range at the edges of segments and parts', async () => {
    for (const key of ['single/300000', 'multipart']) {
      const { bytes, object } = objectOf(key)
      const edges = [0, S, 2 * S, 4 * S, 5 * MIB, 5 * MIB + 100, 10 * MIB + 100, bytes.length]
      const offsets = [...new Set(edges.flatMap((edge) => [edge - 1, edge, edge + 1]))].filter((at) => {
        return at >= 0 && at < bytes.length
      })
      for (const start of offsets)
        for (const end of offsets) {
          if (end < start || end - start > 6 * S) continue
          const { plain: opened } = await read(keysOf(gateway), name(key), sealedOf(object), { start, end })
          assert.ok(opened.equals(bytes.subarray(start, end + 1)), `${key} ${start}-${end}`)
        }
    }
  })

  it('gives any range as the slice of the whole', async () => {
    for (const key of ['single/65537', 'single/300000', 'multipart']) {
      const { bytes, object } = objectOf(key)
      const offset = fc.nat(bytes.length - 1)
      await fc.assert(
        fc.asyncProperty(offset, fc.nat(5 * S), async (start, length) => {
          const { plain: opened } = await read(keysOf(gateway), name(key), sealedOf(object), {
            start,
            end: start + length,
          })
          assert.ok(opened.equals(bytes.subarray(start, start + length + 1)))
        }),
        { numRuns: 40 },
      )
    }
  })

  it('understands open and suffix ranges, and refuses those that the object does not have', async () => {
    const { key, bytes, object } = objectOf('single/65537')
    const ranged = (text: string) => read(keysOf(gateway), name(key), sealedOf(object), parseRange(text))
    assert.ok((await ranged('65530-')).plain.equals(bytes.subarray(65_530)))
    assert.ok((await ranged('-7')).plain.equals(bytes.subarray(-7)))
    assert.ok((await ranged('-999999')).plain.equals(bytes))
    assert.ok((await ranged('bytes=0-0')).plain.equals(bytes.subarray(0, 1)))
    for (const range of ['65537-', '70000-80000', '-0']) await finds(ranged(range), 'range', /65537 bytes/)
    for (const text of ['', '-', '5', 'a-b', '3-1', '1-2,3-4', '--1', '1e3-'])
      assert.equal(parseRange(text), null)
    const empty = objectOf('single/0')
    await finds(
      read(keysOf(gateway), name('single/0'), sealedOf(empty.object), { start: 0, end: 0 }),
      'range',
    )
  })
})

describe('what does not open is told apart', () => {
  const opened = (key: string, object: Stored, as = name(key), keys = keysOf(gateway)) =>
    read(keys, as, sealedOf(object))
  const flipped = (bytes: Buffer, at: number) => {
    const copy = Buffer.from(bytes)
    copy.writeUInt8(copy.readUInt8(at) ^ 1, at)
    return copy
  }

  it('names that it was not written under', async () => {
    const { key, object } = objectOf('single/1')
    await finds(opened(key, object, { bucket: BUCKET, key: 'other' }), 'name', /CMK, realm and the bucket/)
    await finds(opened(key, object, { bucket: 'other', key }), 'data-key', /bucket other and the realm/)
    const realm = 'another'
    await finds(opened(key, object, name(key), keysOf(gateway, { realm })), 'name')
  })

  it('a CMK that is not allowed, before the key service is asked', async () => {
    const { key, object } = objectOf('single/1')
    const decrypting = () => assert.fail('the key service was asked')
    const keys = keysOf(gateway, { allows: () => false, decrypting })
    await finds(opened(key, object, name(key), keys), 'cmk', /CMK local:[0-9a-f]{16}, which .* under retired/)
  })

  it('an envelope that does not decode or was altered', async () => {
    const { key, object } = objectOf('single/1')
    const envelope = object.metadata['sealgate'] ?? ''
    const altered = (text: string) => ({ ...object, metadata: { ...object.metadata, sealgate: text } })
    for (const text of ['', 'x', `${envelope}A`, envelope.slice(0, -4), envelope.replace(/^../, 'Ag')])
      await finds(opened(key, altered(text)), 'envelope')
    const bytes = Buffer.from(envelope, 'base64url')
    const field = (at: number) => altered(flipped(bytes, at).toString('base64url'))
    await finds(opened(key, field(bytes.length - 1)), 'name')
    await finds(opened(key, field(4)), 'data-key')
  })

  it('metadata that were changed, unless that is all the same', async () => {
    const { key, bytes, object } = objectOf('single/300000')
    const changes: Stored[] = [
      { ...object, headers: { ...object.headers, 'content-type': 'text/html' } },
      { ...object, metadata: { ...object.metadata, added: '' } },
      { ...object, metadata: { sealgate: object.metadata['sealgate'] ?? '' } },
    ]
    for (const change of changes) {
      await finds(opened(key, change), 'metadata', /--ignore-metadata/)
      const reading = await beginReading(keysOf(gateway), name(key), sealedOf(change), null, {
        ignoreMetadata: true,
      })
      const chunks: Buffer[] = []
      await drain(reading.plain, async (chunk) => void chunks.push(chunk))
      assert.deepEqual([reading.object.metadata, reading.object.attributes], ['changed', null])
      assert.ok(Buffer.concat(chunks).equals(bytes))
    }
    const alone = { ...sealedOf(object), attributes: [] }
    assert.equal((await read(keysOf(gateway), name(key), alone)).reading.object.metadata, 'not given')
  })

  it('stored bytes that are missing, too many, or of another object', async () => {
    const { key, object } = objectOf('single/300000')
    const { bytes } = object
    await finds(opened(key, { ...object, bytes: bytes.subarray(0, -10) }), 'length', /10 are missing/)
    await finds(opened(key, { ...object, bytes: Buffer.concat([bytes, bytes]) }), 'length', /too many/)
    const multipart = objectOf('multipart')
    const cut = { ...multipart.object, bytes: multipart.object.bytes.subarray(0, -100) }
    await finds(opened('multipart', cut), 'footer', /no footer/)
    const none = { ...multipart.object, bytes: Buffer.alloc(367) }
    await finds(opened('multipart', none), 'length', /367 stored bytes/)
    const other = objectOf('copy of single/300000 äöü')
    const mixed = randomBytes(bytes.length)
    bytes.copy(mixed, mixed.length - 500, bytes.length - 500)
    await finds(opened(key, { ...object, bytes: mixed }), 'segment', /behind byte 0 /)
    assert.ok((await opened(other.key, { ...other.object, bytes })).plain.equals(other.bytes))
  })

  it('each place of a flipped bit, and with how much before it', async () => {
    for (const key of ['single/300000', 'multipart']) {
      const { object } = objectOf(key)
      const { bytes } = object
      const last = bytes.length - 1
      for (const [at, finding] of [
        [0, 'segment'],
        [S + 16, 'segment'],
        [last, 'footer'],
        [last - 5, 'footer'],
        [last - 39, 'footer'],
        [last - 60, 'footer'],
      ] as const)
        await finds(opened(key, { ...object, bytes: flipped(bytes, at) }), finding)
    }
    const { key, object } = objectOf('single/300000')
    const data = 300_000 + 16 * 5
    await finds(opened(key, { ...object, bytes: flipped(object.bytes, data) }), 'padding')
    await finds(
      opened(key, { ...object, bytes: flipped(object.bytes, 2 * (S + 16) + 5) }),
      'segment',
      /behind byte 131072 of the plaintext/,
    )
  })

  it('the same of a stream, whose last bytes come last', async () => {
    const { key, object } = objectOf('single/300000')
    const streamed = async (bytes: Buffer) => {
      const reading = await beginStream(keysOf(gateway), name(key), {
        ...sealedOf(object),
        body: streamOf(bytes, 999),
      })
      let delivered = 0
      await drain(reading.plain, async (chunk) => {
        delivered += chunk.length
        assert.ok(delivered <= 300_000)
      })
    }
    await finds(streamed(object.bytes.subarray(0, 100)), 'length')
    await finds(streamed(object.bytes.subarray(0, -1)), 'length', /1 are missing/)
    await finds(streamed(Buffer.concat([object.bytes, Buffer.alloc(1)])), 'length', /there are more/)
    await finds(streamed(flipped(object.bytes, 3)), 'segment')
    await finds(streamed(flipped(object.bytes, object.bytes.length - 1)), 'footer')
    await finds(streamed(flipped(object.bytes, 300_080)), 'padding')
    assert.equal(object.bytes.length, storedSize(300_000))
  })
})
