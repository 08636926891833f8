import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  MAX_PLAIN_SIZE,
  MAX_SEALED_FOOTER,
  MIN_PART_SIZE,
  maxPlainSize,
  plainSize,
  segmentsSize,
  storedSize,
} from '../../src/envelope/index.ts'

const GIB = 2 ** 30
const TIB = 2 ** 40

test('the stored length has the values of FORMAT.md', () => {
  assert.equal(storedSize(0), 368)
  assert.equal(storedSize(4096), 4464)
  assert.equal(storedSize(5 * 2 ** 20), 5 * 2 ** 20 + 1728)
  assert.equal(storedSize(GIB), GIB + 282_080)
  assert.equal(storedSize(TIB), TIB + 269_395_712)
  assert.equal(maxPlainSize(5 * GIB), 5_367_300_176)
  assert.equal(maxPlainSize(5 * TIB), 5_496_215_329_168)
  assert.equal(maxPlainSize(10_000 * 5 * GIB), 53_673_986_239_184)
  assert.equal(MAX_PLAIN_SIZE, 53_673_986_239_184)
  assert.equal(MAX_SEALED_FOOTER, 800_256)
})

test('the largest part is 5 367 398 704 bytes', () => {
  assert.ok(segmentsSize(5_367_398_704) <= 5 * GIB)
  assert.ok(segmentsSize(5_367_398_705) > 5 * GIB)
})

test('plainSize is the inverse of storedSize at every boundary', () => {
  const fiveMib = MIN_PART_SIZE
  const centres = [
    0,
    65_535,
    65_536,
    65_537,
    ...[1, 2, 3, 9998, 9999, 10_000, 10_001].map((k) => k * fiveMib),
  ]
  for (const centre of [...centres, 5 * GIB, 5 * TIB, MAX_PLAIN_SIZE]) {
    for (let plain = Math.max(0, centre - 70); plain <= centre + 70; plain++) {
      const stored = storedSize(plain)
      assert.equal(plainSize(stored), plain)
      assert.ok(storedSize(plain + 1) > stored)
      if (storedSize(plain + 1) > stored + 1) assert.equal(plainSize(stored + 1), null)
    }
  }
})

test('plainSize is the inverse of storedSize for any size up to 48.8 TiB', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, BigInt(MAX_PLAIN_SIZE)).map(Number), (plain) => {
      assert.equal(plainSize(storedSize(plain)), plain)
    }),
    { numRuns: 20_000, seed: 1 },
  )
})

test('lengths that no plaintext has are null', () => {
  for (const stored of [-1, 0, 1, 367, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])
    assert.equal(plainSize(stored), null)
  assert.equal(plainSize(storedSize(65_536) + 1), null)
})

test('the worst part lists leave room for the largest footer', () => {
  // 119 bytes of fields and checksums, tag and trailer, and 80 bytes per part (section 6).
  const footer = (parts: number): number => 119 + 16 + 40 + 80 * parts
  for (const count of [1, 2, 3, 9999, 10_000])
    for (const part of [MIN_PART_SIZE, MIN_PART_SIZE + 1, MIN_PART_SIZE + 65_535])
      for (const last of [0, 1, 65_536, 65_537, MIN_PART_SIZE - 1, MIN_PART_SIZE]) {
        const plain = (count - 1) * part + last
        const used = (count - 1) * segmentsSize(part) + segmentsSize(last) + footer(count)
        assert.ok(used <= storedSize(plain), `${count} parts of ${part}, last ${last}`)
      }
})

test('sizes that are no sizes are RangeErrors', () => {
  for (const bad of [-1, 0.5, Number.NaN, 2 ** 53]) assert.throws(() => storedSize(bad), RangeError)
  assert.throws(() => maxPlainSize(367), RangeError)
})
