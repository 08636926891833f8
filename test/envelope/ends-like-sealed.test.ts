import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { it } from 'node:test'
import { endsLikeSealed, ObjectKey, sealFooter, storedSize, TRAILER_SIZE } from '../../src/envelope/index.ts'

const MIB = 1024 * 1024
const NONE = { type: null, partAlgorithm: null, values: [] } as const

it('the end of every sealed object is known, and of its length alone', () => {
  for (const [plainSize, count] of [
    [0, 0],
    [1, 0],
    [0, 1],
    [70_000, 0],
    [5 * MIB, 1],
    [50_000 * MIB, 10_000],
  ] as const) {
    const size = Math.ceil(plainSize / Math.max(1, count))
    const parts = Array.from({ length: count }, (_, index) => ({
      partNumber: index + 1,
      size: index + 1 < count ? size : plainSize - size * (count - 1),
      salt: randomBytes(32),
      checksum: Buffer.alloc(0),
    }))
    const stored = storedSize(plainSize)
    const objectKey = ObjectKey.generate()
    const footer = sealFooter({ objectKey, plainSize, storedSize: stored, parts, checksums: NONE })
    assert.ok(endsLikeSealed(footer, stored))
    assert.ok(endsLikeSealed(footer.subarray(-TRAILER_SIZE), stored))
    assert.ok(!endsLikeSealed(footer.subarray(-TRAILER_SIZE + 1), stored))
    assert.ok(!endsLikeSealed(footer.subarray(0, -1), stored), 'cut')
    assert.ok(!endsLikeSealed(Buffer.concat([footer, Buffer.from('x')]), stored))
    assert.ok(!endsLikeSealed(footer, 367))
    const long = Buffer.from(footer)
    long.writeUInt32BE(0xffff_ffff, long.length - 8)
    assert.ok(!endsLikeSealed(long, stored), 'a footer longer than any')
  }
})

it('other bytes are not taken for sealed ones', () => {
  for (const text of ['', 'SGF1', `${'x'.repeat(400)}SGF1`, 'x'.repeat(1000)])
    assert.ok(!endsLikeSealed(Buffer.from(text), text.length), text.slice(-10))
  for (let n = 0; n < 200; n++) assert.ok(!endsLikeSealed(randomBytes(TRAILER_SIZE), 4464))
})
