import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { ObjectKey, openPartRecord, type PartRecord, sealPartRecord } from '../../src/envelope/index.ts'
import { BINDING, isIntegrity } from './helpers.ts'

const objectKey = ObjectKey.generate()
const ref = { ...BINDING, uploadId: '2~abc' }
const record: PartRecord = {
  partNumber: 10_000,
  time: 1_790_000_000_000,
  size: 5_367_398_704,
  location: 'stash',
  checksumAlgorithm: 'SHA256',
  checksum: randomBytes(32),
  etag: '"0123456789abcdef0123456789abcdef"',
  salt: randomBytes(32),
}

test('a part record opens to what was sealed', () => {
  const bare = {
    ...record,
    location: 'part',
    checksumAlgorithm: null,
    checksum: Buffer.alloc(0),
    etag: '',
  } as const
  for (const r of [record, bare]) {
    const sealed = sealPartRecord(objectKey, ref, r)
    assert.deepEqual(openPartRecord(objectKey, ref, sealed), r)
  }
})

test('the largest part record has 254 characters with its number', () => {
  const longest = sealPartRecord(objectKey, ref, { ...record, etag: 'e'.repeat(89) })
  assert.equal(longest.length + 6, 254)
  assert.equal(openPartRecord(objectKey, ref, longest).etag.length, 89)
  assert.throws(() => sealPartRecord(objectKey, ref, { ...record, etag: 'e'.repeat(90) }), RangeError)
})

test('every flipped bit and every cut of a part record is found', () => {
  const bytes = Buffer.from(sealPartRecord(objectKey, ref, record), 'base64url')
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const bad = Buffer.from(bytes)
    bad[bit >> 3]! ^= 1 << (bit & 7)
    assert.throws(() => openPartRecord(objectKey, ref, bad.toString('base64url')), isIntegrity)
  }
  for (let length = 0; length < bytes.length; length++)
    assert.throws(() => openPartRecord(objectKey, ref, bytes.toString('base64url', 0, length)), isIntegrity)
})

test('a part record does not open for another upload, key, bucket, realm or object key', () => {
  const text = sealPartRecord(objectKey, ref, record)
  for (const name of ['realm', 'bucket', 'key', 'uploadId'] as const) {
    const other = { ...ref, [name]: `${ref[name]}x` }
    assert.throws(() => openPartRecord(objectKey, other, text), isIntegrity)
  }
  assert.throws(() => openPartRecord(ObjectKey.generate(), ref, text), isIntegrity)
})
