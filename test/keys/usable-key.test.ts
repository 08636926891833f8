import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { copyOfKey, requireUsable } from '../../src/keys/usable-key.ts'

const ask = { requireUsable, copyOfKey }

for (const [name, take] of Object.entries(ask))
  describe(name, () => {
    it('takes a key of 32 bytes', () => assert.doesNotThrow(() => take(randomBytes(32))))

    for (const length of [0, 16, 31, 33, 64])
      it(`refuses one of ${length} bytes`, () =>
        assert.throws(() => take(randomBytes(length)), { kind: 'InternalError' }))

    it('refuses one of zeros, as is left of a key that was wiped', () =>
      assert.throws(() => take(Buffer.alloc(32)), { kind: 'InternalError' }))
  })

it('a copy outlives the key that it was taken of', () => {
  const key = randomBytes(32)
  const before = Buffer.from(key)
  const copy = copyOfKey(key)
  key.fill(0)
  assert.deepEqual(copy, before)
})
