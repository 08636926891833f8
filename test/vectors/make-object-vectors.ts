/**
 * Prints whole objects as they lie in a store, and forgeries that a reader must refuse:
 * `node test/vectors/make-object-vectors.ts > test/vectors/objects.json`.
 * The forgeries are made by someone who has every key, so that each one rests on the check that it names and on no tag.
 */
import { createCipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import {
  type FooterChecksums,
  metadataHash,
  ObjectKey,
  sealFooter,
  sealPart,
  segmentsSize,
  storedSize,
} from '../../src/envelope/index.ts'
import { canonicalContext, lengthPrefixed } from '../../src/keys/kms/kms.ts'
import { bytesOf, collect } from '../envelope/helpers.ts'

const realm = '6f1c2a4e-0000-4000-8000-5ea1ed000001'
const cmkId = 'local:00112233445566aa'
const master = bytesOf(32, 'master')
const keyring = { version: 1, realm, current: cmkId, keys: [{ id: cmkId, key: master.toString('base64') }] }
const [bucket, key] = ['photos', 'a/b c/日本.txt']
const NONCE = Buffer.alloc(12)

function u(bytes: number, value: number | bigint): Buffer {
  const out = Buffer.alloc(8)
  out.writeBigUInt64BE(BigInt.asUintN(64, BigInt(value)))
  return out.subarray(8 - bytes)
}

function hkdf(secret: Buffer, salt: Buffer, info: string | Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, info, 32))
}

function gcm(secret: Buffer, plain: Buffer, aad: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', secret, NONCE)
  cipher.setAAD(aad)
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** FORMAT.md section 12. */
function wrap(dek: Buffer, dekId: Buffer, inBucket = bucket): Buffer {
  const salt = randomBytes(32)
  const context = canonicalContext({ realm, bucket: inBucket, dekId: dekId.toString('hex') })
  const aad = lengthPrefixed([Buffer.from(cmkId), context])
  return Buffer.concat([salt, gcm(hkdf(master, salt, 'sealgate/local-kms/wrap/v1'), dek, aad)])
}

interface EnvelopeFields {
  version?: number
  suite?: number
  kind?: number
  source?: number
  cmk?: string
  plain?: bigint
  oek: Buffer
  hash: Buffer
  commitment?: Buffer
  place?: readonly [realm: string, bucket: string, key: string]
  wrappedFor?: string
  after?: Buffer
}

/** FORMAT.md section 5, with every field free to be wrong. */
function envelopeOf(f: EnvelopeFields): string {
  const [dek, dekId, salt] = [randomBytes(32), randomBytes(16), randomBytes(32)]
  const wrapped = wrap(dek, dekId, f.wrappedFor)
  const cmk = Buffer.from(f.cmk ?? cmkId)
  const before = Buffer.concat([
    u(1, f.version ?? 1),
    u(1, f.suite ?? 1),
    u(1, f.kind ?? 1),
    u(1, f.source ?? 1),
    dekId,
    u(1, cmk.length),
    cmk,
    u(2, wrapped.length),
    wrapped,
    salt,
    f.commitment ?? hkdf(f.oek, Buffer.alloc(0), 'sealgate/1 commit'),
    u(8, f.plain ?? -1n),
    f.hash,
  ])
  const place = lengthPrefixed((f.place ?? [realm, bucket, key]).map((text) => Buffer.from(text)))
  const sealed = gcm(hkdf(dek, salt, 'sealgate/1 oek'), f.oek, Buffer.concat([before, place]))
  return Buffer.concat([before, sealed, f.after ?? Buffer.alloc(0)]).toString('base64url')
}

interface RawPart {
  number: number
  size: number
  salt: Buffer
  checksum?: Buffer
  reserved?: Buffer
}

interface RawFooter {
  version?: number
  flags?: number
  plain: number
  stored: number
  count?: number
  type?: number
  partAlgorithm?: number
  checksums?: readonly (readonly [id: number, value: Buffer])[]
  parts?: readonly RawPart[]
  after?: Buffer
}

/** FORMAT.md section 6, with every field free to be wrong. */
function footerOf(oek: Buffer, f: RawFooter): Buffer {
  const fields = Buffer.concat([
    u(1, f.version ?? 1),
    u(1, f.flags ?? 0),
    u(8, f.plain),
    u(8, f.stored),
    u(2, f.count ?? f.parts?.length ?? 0),
    u(1, f.type ?? 0),
    u(1, f.partAlgorithm ?? 0),
    u(1, f.checksums?.length ?? 0),
    ...(f.checksums ?? []).flatMap(([id, value]) => [u(1, id), u(1, value.length), value]),
    ...(f.parts ?? []).flatMap(({ number, size, salt, checksum = Buffer.alloc(0), reserved }) => [
      u(2, number),
      u(6, size),
      salt,
      Buffer.concat([checksum, Buffer.alloc(32)]).subarray(0, 32),
      reserved ?? Buffer.alloc(8),
    ]),
    f.after ?? Buffer.alloc(0),
  ])
  const salt = randomBytes(32)
  const trailer = Buffer.concat([u(4, fields.length + 16), Buffer.from('SGF1')])
  const aad = Buffer.concat([trailer, u(8, f.stored)])
  return Buffer.concat([gcm(hkdf(oek, salt, 'sealgate/1 footer'), fields, aad), salt, trailer])
}

async function* chunk(data: Buffer): AsyncGenerator<Buffer> {
  yield data
}

function seal(oek: Buffer, partNumber: number, salt: Buffer, data: Buffer): Promise<Buffer> {
  return collect(sealPart({ objectKey: ObjectKey.from(oek), partNumber, salt, size: data.length, body: chunk(data) }))
}

function padded(body: Buffer, footer: Buffer, stored: number): Buffer {
  return Buffer.concat([body, Buffer.alloc(stored - body.length - footer.length), footer])
}

const headers = { 'content-type': 'text/plain; charset=utf-8', 'content-encoding': 'gzip', 'cache-control': 'no-store' }
const metadata = { colour: 'red', empty: '', latin: 'é' }
const hash = metadataHash(headers, metadata)
const opens: object[] = []
const refused: object[] = []

function give(list: object[], name: string, section: string, envelope: string, object: Buffer, more: object = {}): void {
  const attributes = { headers, metadata: { ...metadata, sealgate: envelope } }
  list.push({ name, section, bucket, key, attributes, object: object.toString('base64'), ...more })
}

const digest = (algorithm: string, data: Buffer) => createHash(algorithm).update(data).digest()
const described = (data: Buffer, seed: string) => ({ seed, size: data.length })

// What opens: single PUTs around the segment, and multipart objects of one part with a sparse number.
for (const size of [0, 1, 100, 65_535, 65_536, 65_537, 131_072]) {
  const [oek, data] = [randomBytes(32), bytesOf(size, 'data')]
  const checksums: FooterChecksums = {
    type: 'FULL_OBJECT',
    values: [
      { algorithm: 'CRC32', value: u(4, crc32(data)) },
      { algorithm: 'SHA1', value: digest('sha1', data) },
      { algorithm: 'SHA256', value: digest('sha256', data) },
    ],
    md5: digest('md5', data),
    partAlgorithm: null,
  }
  const stored = storedSize(size)
  const footer = sealFooter({ objectKey: ObjectKey.from(oek), plainSize: size, storedSize: stored, parts: [], checksums })
  const body = await seal(oek, 0, Buffer.alloc(0), data)
  const object = padded(body, footer, stored)
  give(opens, `single PUT of ${size} bytes`, '4, 5, 6', envelopeOf({ oek, hash, plain: BigInt(size) }), object, described(data, 'data'))
}
for (const [number, size] of [[1, 0], [7, 100], [9999, 70_000], [10_000, 65_536]] as const) {
  const [oek, data, salt] = [randomBytes(32), bytesOf(size, 'part'), randomBytes(32)]
  const checksum = digest('sha256', data)
  const stored = storedSize(size)
  const footer = sealFooter({
    objectKey: ObjectKey.from(oek),
    plainSize: size,
    storedSize: stored,
    parts: [{ partNumber: number, size, salt, checksum }],
    checksums: { type: 'COMPOSITE', values: [{ algorithm: 'SHA256', value: digest('sha256', checksum) }], partAlgorithm: 'SHA256' },
  })
  const object = padded(await seal(oek, number, salt, data), footer, stored)
  give(opens, `multipart of part ${number} of ${size} bytes`, '4, 5, 6', envelopeOf({ oek, hash, kind: 2 }), object, described(data, 'part'))
}

// What must be refused. One honest object of 100 bytes, and one thing wrong at a time.
const oek = randomBytes(32)
const data = bytesOf(100, 'data')
const stored = storedSize(100)
const body = await seal(oek, 0, Buffer.alloc(0), data)
const footer = footerOf(oek, { plain: 100, stored })
const object = padded(body, footer, stored)
const honest: EnvelopeFields = { oek, hash, plain: 100n }
const good = envelopeOf(honest)
const envelopes: Record<string, string> = {
  'version 2': envelopeOf({ ...honest, version: 2 }),
  'suite 2': envelopeOf({ ...honest, suite: 2 }),
  'kind 0': envelopeOf({ ...honest, kind: 0 }),
  'kind 3': envelopeOf({ ...honest, kind: 3 }),
  'key source 2 with the fields of a data key': envelopeOf({ ...honest, source: 2 }),
  'empty CMK id': envelopeOf({ ...honest, cmk: '' }),
  'a CMK that is not in the keyring': envelopeOf({ ...honest, cmk: 'local:ffffffffffffffff' }),
  'bytes behind the sealed OEK': envelopeOf({ ...honest, after: Buffer.from([0]) }),
  'the plaintext size of a multipart object in a single PUT': envelopeOf({ ...honest, plain: -1n }),
  'a plaintext size in a multipart envelope': envelopeOf({ ...honest, kind: 2 }),
  'a plaintext size above the largest': envelopeOf({ ...honest, plain: 53_673_986_239_185n }),
  'another plaintext size': envelopeOf({ ...honest, plain: 99n }),
  'another commitment': envelopeOf({ ...honest, commitment: randomBytes(32) }),
  'another metadata hash': envelopeOf({ ...honest, hash: randomBytes(32) }),
  'another realm': envelopeOf({ ...honest, place: ['other', bucket, key] }),
  'another bucket': envelopeOf({ ...honest, place: [realm, 'other', key] }),
  'another key': envelopeOf({ ...honest, place: [realm, bucket, 'other'] }),
  'a boundary moved between bucket and key': envelopeOf({ ...honest, place: [realm, bucket + key[0], key.slice(1)] }),
  'a DEK wrapped for another bucket': envelopeOf({ ...honest, wrappedFor: 'other' }),
  'a multipart envelope over a single PUT': envelopeOf({ ...honest, kind: 2, plain: -1n }),
  'base64 with padding': `${good}=`,
  'the other base64 alphabet': good.replace(/[-_]/g, (sign) => (sign === '-' ? '+' : '/')).replace(/^([^+/]*)$/, '+$1'),
  'a blank': ` ${good}`,
  'no text': '',
}
for (const [name, envelope] of Object.entries(envelopes)) give(refused, name, '5', envelope, object)

const salt = randomBytes(32)
const part = { number: 1, size: 100, salt }
const crc = (id: number, bytes: number) => [id, Buffer.alloc(bytes, id)] as const
const footers: Record<string, RawFooter> = {
  'footer version 2': { plain: 100, stored, version: 2 },
  'footer flags': { plain: 100, stored, flags: 1 },
  'another P in the footer': { plain: 101, stored },
  'another L in the footer': { plain: 100, stored: stored + 1 },
  'parts in the footer of a single PUT': { plain: 100, stored, parts: [part] },
  'a count without parts': { plain: 100, stored, count: 1 },
  'checksum type 3': { plain: 100, stored, type: 3 },
  'an unknown part algorithm': { plain: 100, stored, partAlgorithm: 7 },
  'MD5 as part algorithm': { plain: 100, stored, partAlgorithm: 6 },
  'an unknown checksum': { plain: 100, stored, type: 1, checksums: [crc(7, 4)] },
  'a checksum of another length': { plain: 100, stored, type: 1, checksums: [crc(1, 8)] },
  'checksums out of order': { plain: 100, stored, type: 1, checksums: [crc(2, 4), crc(1, 4)] },
  'a checksum twice': { plain: 100, stored, type: 1, checksums: [crc(1, 4), crc(1, 4)] },
  'bytes behind the fields': { plain: 100, stored, after: Buffer.from([0]) },
}
for (const [name, fields] of Object.entries(footers)) {
  const forged = footerOf(oek, fields)
  give(refused, name, '6', good, padded(body, forged, stored))
}
const multipart = envelopeOf({ oek, hash, kind: 2 })
const partBody = await seal(oek, 1, salt, data)
const tables: Record<string, RawFooter> = {
  'no parts under a multipart envelope': { plain: 100, stored, parts: [] },
  'part number 0': { plain: 100, stored, parts: [{ ...part, number: 0 }] },
  'part number 10001': { plain: 100, stored, parts: [{ ...part, number: 10_001 }] },
  'sizes that do not add up': { plain: 100, stored, parts: [{ ...part, size: 99 }] },
  'more parts than an object of its size can have': {
    plain: 100,
    stored,
    parts: [part, { number: 2, size: 0, salt: randomBytes(32) }],
  },
  'reserved bytes that are not zero': { plain: 100, stored, parts: [{ ...part, reserved: Buffer.alloc(8, 1) }] },
  'a checksum longer than its algorithm': {
    plain: 100,
    stored,
    partAlgorithm: 1,
    parts: [{ ...part, checksum: Buffer.alloc(5, 1) }],
  },
  'a checksum without an algorithm': { plain: 100, stored, parts: [{ ...part, checksum: Buffer.alloc(4, 1) }] },
}
for (const [name, fields] of Object.entries(tables)) {
  const forged = footerOf(oek, fields)
  const bytes = Buffer.concat([partBody, Buffer.alloc(Math.max(0, stored - partBody.length - forged.length)), forged])
  give(refused, name, '6', multipart, bytes.length === stored ? bytes : bytes.subarray(-stored))
}

const two = bytesOf(70_000, 'two')
const twoStored = storedSize(two.length)
const twoBody = await seal(oek, 0, Buffer.alloc(0), two)
const twoFooter = footerOf(oek, { plain: two.length, stored: twoStored })
const twoGood = envelopeOf({ oek, hash, plain: BigInt(two.length) })
const segment = 65_552
const bodies: Record<string, Buffer> = {
  'segments in another order': Buffer.concat([twoBody.subarray(-segment), twoBody.subarray(0, -segment)]),
  'the first segment twice': Buffer.concat([twoBody.subarray(0, segment), twoBody.subarray(0, twoBody.length - segment)]),
  'a flipped bit in the last tag': Buffer.concat([twoBody.subarray(0, -1), u(1, (twoBody.at(-1) ?? 0) ^ 1)]),
}
for (const [name, bytes] of Object.entries(bodies)) {
  give(refused, name, '4', twoGood, padded(bytes, twoFooter, twoStored))
}
const dirty = Buffer.from(object)
dirty[body.length] = 1
const longTrailer = Buffer.from(object)
longTrailer.writeUInt32BE(800_257, object.length - 8)
const objects: Record<string, Buffer> = {
  'padding that is not zero': dirty,
  'no last byte': object.subarray(0, -1),
  'a byte behind the trailer': Buffer.concat([object, Buffer.from([0])]),
  'another magic': Buffer.concat([object.subarray(0, -1), Buffer.from('2')]),
  'a footer length beyond the largest': longTrailer,
  'no bytes at all': Buffer.alloc(0),
}
for (const [name, bytes] of Object.entries(objects)) give(refused, name, '3, 4, 6', good, bytes)

// Two parts sealed with each other's number: each opens by itself, but not where the footer says it is.
if (segmentsSize(100) !== partBody.length) throw new RangeError('expected a part of one segment')
give(refused, 'a part under another number', '2, 4', multipart, padded(partBody, footerOf(oek, { plain: 100, stored, parts: [{ ...part, number: 2 }] }), stored))
give(refused, 'a part under another salt', '2, 4', multipart, padded(partBody, footerOf(oek, { plain: 100, stored, parts: [{ ...part, salt: randomBytes(32) }] }), stored))

process.stdout.write(`${JSON.stringify({ keyring, opens, refused }, null, 1)}\n`)
