/** Objects that no client writes in a test: the vectors, ten thousand parts, and a writer who had every key and lied. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { createChecksum } from '../../src/base/checksum.ts'
import type { ChecksumAlgorithm } from '../../src/base/checksum-algorithm.ts'
import {
  type FooterChecksums,
  type FooterPart,
  metadataHash,
  ObjectKey,
  sealEnvelope,
  sealFooter,
  sealPart,
  segmentsSize,
  storedSize,
} from '../../src/envelope/index.ts'
import { SealgateError } from '../../src/errors.ts'
import { WrappedKeyError } from '../../src/keys/kms/kms.ts'
import { KmsError } from '../../src/keys/kms/kms-error.ts'
import { LocalKms } from '../../src/keys/kms/local.ts'
import type { RecoveryKeys } from '../../src/recovery/open-sealed.ts'
import { beginReading } from '../../src/recovery/reading.ts'
import { RecoveryError } from '../../src/recovery/recovery-error.ts'
import type { SealedObject } from '../../src/recovery/sealed-object.ts'
import { bytesOf, collect } from '../envelope/helpers.ts'
import vectors from '../vectors/objects.json' with { type: 'json' }
import { finds, read, sealedOf } from './helpers.ts'

const { keyring } = vectors
const kms = new LocalKms({
  realm: keyring.realm,
  current: keyring.current,
  keys: new Map(keyring.keys.map(({ id, key }) => [id, Buffer.from(key, 'base64')])),
})
const keys: RecoveryKeys = {
  realm: keyring.realm,
  allows: (_bucket, cmkId) => keyring.keys.some(({ id }) => id === cmkId),
  async decrypting(bucket, { cmkId, wrapped, dekId }) {
    try {
      return await kms.decrypt(cmkId, wrapped, { realm: keyring.realm, bucket, dekId: dekId.toString('hex') })
    } catch (error) {
      throw error instanceof WrappedKeyError ? new SealgateError('ObjectIntegrityError') : error
    }
  },
}

describe('the vectors of the format', () => {
  for (const { name, bucket, key, attributes, object, seed, size } of vectors.opens) {
    it(`open: ${name}`, async () => {
      const stored = { ...attributes, bytes: Buffer.from(object, 'base64') }
      const { plain, checksums } = await read(keys, { bucket, key }, sealedOf(stored, 5000))
      assert.ok(plain.equals(bytesOf(size, seed)))
      const single = name.startsWith('single')
      assert.deepEqual(
        checksums.map(({ algorithm, type }) => `${algorithm} ${type}`),
        single
          ? ['CRC32', 'SHA1', 'SHA256', 'MD5'].map((algorithm) => `${algorithm} FULL_OBJECT`)
          : ['SHA256 COMPOSITE'],
      )
    })
  }
  it('are refused, every one that must be', async () => {
    for (const { name, bucket, key, attributes, object } of vectors.refused) {
      const stored = { ...attributes, bytes: Buffer.from(object, 'base64') }
      await assert.rejects(
        read(keys, { bucket, key }, sealedOf(stored)),
        (error) => error instanceof RecoveryError,
        name,
      )
    }
  })
})

const NAME = { bucket: 'photos', key: 'made' }
const ATTRIBUTES = { headers: { 'content-type': 'text/plain' }, metadata: {} }

async function envelopeOf(objectKey: ObjectKey, plainSize: number | null): Promise<string> {
  const [dekId, plaintext] = [randomBytes(16), randomBytes(32)]
  const context = { realm: keyring.realm, bucket: NAME.bucket, dekId: dekId.toString('hex') }
  const wrapped = await kms.encrypt(keyring.current, plaintext, context)
  return sealEnvelope({
    dek: { dekId, cmkId: keyring.current, wrapped, plaintext },
    objectKey,
    kind: plainSize === null ? 'multipart' : 'single',
    plainSize,
    metadataHash: metadataHash(ATTRIBUTES.headers, ATTRIBUTES.metadata),
    binding: { realm: keyring.realm, ...NAME },
  })
}

/** An object of any size whose parts are sealed when they are read. */
async function lazyObject(parts: readonly FooterPart[], checksums: FooterChecksums): Promise<SealedObject> {
  const objectKey = ObjectKey.generate()
  const plain = parts.reduce((sum, { size }) => sum + size, 0)
  const data = parts.reduce((sum, { size }) => sum + segmentsSize(size), 0)
  const size = storedSize(plain)
  const footer = sealFooter({ objectKey, plainSize: plain, storedSize: size, parts, checksums })
  const tail = Buffer.concat([Buffer.alloc(size - data - footer.length), footer])
  async function* bytes(start: number, end: number): AsyncGenerator<Buffer> {
    let at = 0
    for (const part of parts) {
      const length = segmentsSize(part.size)
      if (at + length > start && at <= end) {
        const body = one(contentOf(part.partNumber, part.size))
        const sealed = await collect(sealPart({ objectKey, ...part, body }))
        yield sealed.subarray(Math.max(0, start - at), end - at + 1)
      }
      at += length
    }
    if (end >= data) yield tail.subarray(Math.max(0, start - data), end - data + 1)
  }
  return {
    name: 'made',
    envelope: await envelopeOf(objectKey, null),
    attributes: [ATTRIBUTES],
    size,
    read: async (start, end) => {
      const body = bytes(start, end)
      return { [Symbol.asyncIterator]: () => body, destroy: () => undefined }
    },
  }
}

async function* one(bytes: Buffer): AsyncGenerator<Buffer> {
  if (bytes.length > 0) yield bytes
}

const contentOf = (part: number, size: number) => Buffer.alloc(size, `${part},`)

describe('an object of many parts', () => {
  const PART = 5 * 1024 * 1024 + 3

  it('opens by ranges across parts, with ten thousand of them', async () => {
    const parts = Array.from({ length: 10_000 }, (_, index) => ({
      partNumber: index + 1,
      size: PART,
      salt: randomBytes(32),
      checksum: Buffer.alloc(0),
    }))
    const object = await lazyObject(parts, { type: null, values: [], partAlgorithm: null })
    assert.ok(object.size > 52e9)
    for (const index of [1, 816, 817, 5000, 9999]) {
      const edge = index * PART
      const { plain, reading } = await read(keys, NAME, object, { start: edge - 70_000, end: edge + 70_000 })
      const expected = Buffer.concat([
        contentOf(index, PART).subarray(-70_000),
        contentOf(index + 1, PART).subarray(0, 70_001),
      ])
      assert.ok(plain.equals(expected), `around the end of part ${index}`)
      assert.equal(reading.objectSize, PART * 10_000)
    }
    const { plain } = await read(keys, NAME, object, { last: 5 })
    assert.ok(plain.equals(contentOf(10_000, PART).subarray(-5)))
  })

  const PARTS = [2 * PART, PART, 65_536, 0].map((size, index) => ({
    partNumber: 3 * index + 2,
    size,
    salt: randomBytes(32),
  }))
  const WHOLE = Buffer.concat(PARTS.map(({ partNumber, size }) => contentOf(partNumber, size)))
  const withChecksums = (algorithm: ChecksumAlgorithm): FooterPart[] =>
    PARTS.map((part) => ({ ...part, checksum: checksumOf(algorithm, contentOf(part.partNumber, part.size)) }))

  for (const algorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const) {
    it(`has ${algorithm} confirmed, of each part and of all`, async () => {
      const parts = withChecksums(algorithm)
      const composed = checksumOf(algorithm, Buffer.concat(parts.map(({ checksum }) => checksum)))
      const values = (value: Buffer) => ({ values: [{ algorithm, value }], partAlgorithm: algorithm })
      const composite = await lazyObject(parts, { type: 'COMPOSITE', ...values(composed) })
      const opened = await read(keys, NAME, composite)
      assert.ok(opened.plain.equals(WHOLE))
      assert.deepEqual(opened.checksums, [
        { algorithm, type: 'COMPOSITE', value: `${composed.toString('base64')}-4` },
      ])
      const full = checksumOf(algorithm, WHOLE)
      const md5 = createHash('md5').update(WHOLE).digest()
      const whole = await lazyObject(parts, { type: 'FULL_OBJECT', ...values(full), md5 })
      assert.deepEqual((await read(keys, NAME, whole)).checksums, [
        { algorithm, type: 'FULL_OBJECT', value: full.toString('base64') },
        { algorithm: 'MD5', type: 'FULL_OBJECT', value: md5.toString('base64') },
      ])
    })
  }

  it('is not whole if a checksum is not that of its content', async () => {
    const parts = withChecksums('SHA1')
    const wrong = parts.map((part, index) => (index === 3 ? { ...part, checksum: Buffer.alloc(20) } : part))
    const composed = (of: readonly FooterPart[]) =>
      checksumOf('SHA1', Buffer.concat(of.map(({ checksum }) => checksum)))
    const footers: readonly (readonly [FooterPart[], Partial<FooterChecksums>, RegExp])[] = [
      [
        wrong,
        { type: 'COMPOSITE', values: [{ algorithm: 'SHA1', value: composed(wrong) }] },
        /SHA1 of part 11/,
      ],
      [parts, { type: 'COMPOSITE', values: [{ algorithm: 'SHA1', value: composed(wrong) }] }, /\(SHA1\)/],
      [parts, { type: 'FULL_OBJECT', values: [{ algorithm: 'SHA1', value: composed(parts) }] }, /\(SHA1\)/],
      [parts, { type: null, values: [], md5: Buffer.alloc(16) }, /\(MD5\)/],
    ]
    for (const [table, checksums, text] of footers) {
      const object = await lazyObject(table, { type: null, values: [], partAlgorithm: 'SHA1', ...checksums })
      await finds(read(keys, NAME, object), 'checksum', text)
    }
  })
})

function checksumOf(algorithm: ChecksumAlgorithm, bytes: Buffer): Buffer {
  const checksum = createChecksum(algorithm)
  checksum.update(bytes)
  return checksum.digest()
}

describe('a key service that gives no key', () => {
  const sealed = async () => ({
    ...sealedOf({ ...ATTRIBUTES, bytes: Buffer.alloc(400) }),
    envelope: await envelopeOf(ObjectKey.generate(), 32),
  })
  const answering = (error: () => unknown): RecoveryKeys => ({
    ...keys,
    decrypting: () => Promise.reject(error()),
  })

  it('is no word about the object, and says whether it may come back', async () => {
    const refusals: readonly (readonly [SealgateError, boolean, RegExp])[] = [
      [
        new SealgateError('KMS.DisabledException', undefined, { cause: new Error('Disabled: it is off') }),
        false,
        /it is off/,
      ],
      [
        new SealgateError('SlowDown', undefined, {
          cause: new KmsError('unavailable', 'Timeout', 'no answer'),
        }),
        true,
        /no answer/,
      ],
      [new SealgateError('AccessDenied', 'not allowed'), false, /not allowed/],
    ]
    for (const [refusal, passing, text] of refusals) {
      await assert.rejects(
        beginReading(
          answering(() => refusal),
          NAME,
          await sealed(),
          null,
        ),
        (error) => {
          assert.ok(error instanceof RecoveryError)
          assert.deepEqual([error.finding, error.passing, error.untried], ['key-service', passing, true])
          assert.match(error.message, text)
          return true
        },
      )
    }
  })

  it('is waited for when too many data keys were asked for at once', async () => {
    let calls = 0
    const counted: RecoveryKeys = {
      ...keys,
      async decrypting(bucket, wrapped) {
        if (calls++ === 0) throw new SealgateError('SlowDown')
        return keys.decrypting(bucket, wrapped)
      },
    }
    await finds(beginReading(counted, NAME, await sealed(), null), 'footer')
    assert.equal(calls, 2)
  })
})
