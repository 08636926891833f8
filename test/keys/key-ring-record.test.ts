import assert from 'node:assert/strict'
import { hkdfSync, randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  commitTo,
  encodeRingRecord,
  isDekOf,
  MAX_RECORD_BYTES,
  parseRingRecord,
  type RingRecord,
} from '../../src/keys/key-ring-record.ts'

const bytes = (min: number, max = min) =>
  fc.uint8Array({ minLength: min, maxLength: max }).map((array) => Buffer.from(array))
const text = (max: number) =>
  fc.string({ minLength: 1, maxLength: max, unit: 'grapheme' }).filter((s) => Buffer.byteLength(s) <= max)
const records: fc.Arbitrary<RingRecord> = fc.record({
  realm: text(1024),
  bucket: text(255),
  dekId: bytes(16),
  cmkId: text(255),
  wrapped: bytes(1, 6144),
  created: fc.nat({ max: 2 ** 47 }),
  salt: bytes(32),
  check: bytes(32),
})

const example: RingRecord = {
  realm: '5ea1ed00-0000-4000-8000-000000000001',
  bucket: 'photos',
  dekId: Buffer.alloc(16, 0x0f),
  cmkId: 'local:0123456789abcdef',
  wrapped: Buffer.alloc(80, 7),
  created: 1_700_000_000_000,
  salt: Buffer.alloc(32, 1),
  check: Buffer.alloc(32, 2),
}

describe('a record of the key ring', () => {
  it('has one encoding, which gives it back', () => {
    fc.assert(
      fc.property(records, (record) => {
        const encoded = encodeRingRecord(record)
        assert.ok(encoded.length <= MAX_RECORD_BYTES)
        assert.deepEqual(parseRingRecord(encoded), { ...record })
      }),
      { numRuns: 200 },
    )
  })

  it('is the bytes that FORMAT.md says', () => {
    const lp = (value: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, value.length]), value])
    const expected = Buffer.concat([
      Buffer.of(1),
      example.dekId,
      lp(Buffer.from(example.realm)),
      lp(Buffer.from(example.bucket)),
      lp(Buffer.from(example.cmkId)),
      lp(example.wrapped),
      Buffer.from('018bcfe56800', 'hex'),
      example.salt,
      example.check,
    ])
    assert.deepEqual(encodeRingRecord(example), expected)
  })

  it('is nothing at all when it is cut, longer, or of another version', () => {
    const encoded = encodeRingRecord(example)
    for (let size = 0; size < encoded.length; size += 1)
      assert.equal(parseRingRecord(encoded.subarray(0, size)), null, `${size} bytes`)
    assert.equal(parseRingRecord(Buffer.concat([encoded, Buffer.of(0)])), null)
    assert.equal(parseRingRecord(Buffer.concat([Buffer.of(2), encoded.subarray(1)])), null)
  })

  it('is nothing at all when a field is empty, too long or no UTF-8', () => {
    for (const [name, value] of [
      ['realm', ''],
      ['realm', 'r'.repeat(1025)],
      ['bucket', ''],
      ['bucket', 'b'.repeat(256)],
      ['cmkId', ''],
      ['cmkId', 'c'.repeat(256)],
      ['wrapped', Buffer.alloc(0)],
      ['wrapped', Buffer.alloc(6145)],
      ['dekId', Buffer.alloc(15)],
      ['check', Buffer.alloc(31)],
    ] as const)
      assert.throws(() => encodeRingRecord({ ...example, [name]: value }), RangeError, name)
    const encoded = encodeRingRecord(example)
    encoded[encoded.indexOf('photos')] = 0xff
    assert.equal(parseRingRecord(encoded), null)
  })

  it('survives any bytes without an exception', () => {
    fc.assert(
      fc.property(bytes(0, 300), fc.boolean(), (noise, plausible) => {
        const input = plausible ? Buffer.concat([Buffer.of(1), noise]) : noise
        const parsed = parseRingRecord(input)
        if (parsed !== null) assert.deepEqual(encodeRingRecord(parsed), input)
      }),
      { numRuns: 500 },
    )
  })

  it('commits to one DEK of one bucket of one deployment', () => {
    const dek = randomBytes(32)
    const { salt, check } = commitTo(dek, example)
    const record = { ...example, salt, check }
    assert.ok(isDekOf(record, dek))
    const other = Buffer.from(dek)
    other[31]! ^= 1
    assert.ok(!isDekOf(record, other))
    assert.ok(!isDekOf({ ...record, bucket: 'photo' }, dek))
    assert.ok(!isDekOf({ ...record, realm: `${example.realm}p` }, dek))
    assert.ok(!isDekOf({ ...record, dekId: Buffer.alloc(16) }, dek))
    assert.ok(isDekOf({ ...record, cmkId: 'another', wrapped: Buffer.of(1), created: 1 }, dek))
    assert.notDeepEqual(commitTo(dek, example).salt, salt)
    const info = Buffer.concat([
      Buffer.from('sealgate/1 ring\0\0\0\x245ea1ed00-0000-4000-8000-000000000001\0\0\0\x06photos'),
      example.dekId,
    ])
    assert.deepEqual(check, Buffer.from(hkdfSync('sha256', dek, salt, info, 32)))
  })
})
