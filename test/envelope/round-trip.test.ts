import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ObjectKey, storedSize } from '../../src/envelope/index.ts'
import { bytesOf, openObject, sealedMultipart, sealedObject } from './helpers.ts'

const MIB = 1024 * 1024

test('a single object opens to what was sealed and has the canonical length', async () => {
  for (const size of [0, 1, 65_535, 65_536, 65_537, 131_072, 300_001]) {
    const key = ObjectKey.generate()
    const data = bytesOf(size)
    const stored = await sealedObject(key, data)
    assert.equal(stored.length, storedSize(size))
    assert.deepEqual(await openObject(key, stored), data)
  }
})

test('the chunking of the body does not matter', async () => {
  const data = bytesOf(400_000)
  const chunking = fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1, maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: data.length }), chunking, async (size, sizes) => {
      fc.pre(Math.max(...sizes) > 500 || size < 50_000)
      const key = ObjectKey.generate()
      const stored = await sealedObject(key, data.subarray(0, size), sizes)
      assert.equal(stored.length, storedSize(size))
      assert.ok((await openObject(key, stored)).equals(data.subarray(0, size)))
    }),
    { numRuns: 60, seed: 1 },
  )
})

test('any range of a single object equals the slice', async () => {
  const key = ObjectKey.generate()
  const data = bytesOf(300_000)
  const stored = await sealedObject(key, data)
  const edge = fc.oneof(fc.nat(data.length - 1), fc.constantFrom(0, 65_535, 65_536, 65_537, 131_071, 299_999))
  await fc.assert(
    fc.asyncProperty(edge, edge, async (a, b) => {
      const [start, end] = a < b ? [a, b] : [b, a]
      assert.ok((await openObject(key, stored, start, end)).equals(data.subarray(start, end + 1)))
    }),
    { numRuns: 100, seed: 2 },
  )
})

test('any range of a multipart object equals the slice', async () => {
  const key = ObjectKey.generate()
  const datas = [bytesOf(5 * MIB, 'a'), bytesOf(5 * MIB + 1, 'b'), bytesOf(777, 'c')]
  const data = Buffer.concat(datas)
  const stored = await sealedMultipart(key, datas)
  assert.equal(stored.length, storedSize(data.length))
  assert.ok((await openObject(key, stored)).equals(data))
  const at = [0, 5 * MIB, 10 * MIB + 1, data.length - 1].flatMap((n) => [n - 1, n, n + 1])
  const edge = fc.constantFrom(...at.filter((n) => n >= 0 && n < data.length))
  await fc.assert(
    fc.asyncProperty(fc.oneof(edge, fc.nat(data.length - 1)), edge, async (a, b) => {
      const [start, end] = a < b ? [a, b] : [b, a]
      assert.ok((await openObject(key, stored, start, end)).equals(data.subarray(start, end + 1)))
    }),
    { numRuns: 25, seed: 3 },
  )
})

test('a multipart object may end with an empty part, or be one empty part', async () => {
  const key = ObjectKey.generate()
  const data = bytesOf(5 * MIB)
  const two = await sealedMultipart(key, [data, Buffer.alloc(0)])
  assert.equal(two.length, storedSize(5 * MIB))
  assert.ok((await openObject(key, two)).equals(data))
  for (const [start, end] of [
    [0, 5 * MIB - 1],
    [5 * MIB - 1, 5 * MIB - 1],
    [7, 9],
  ] as const)
    assert.ok((await openObject(key, two, start, end)).equals(data.subarray(start, end + 1)))
  const one = await sealedMultipart(key, [Buffer.alloc(0)])
  assert.equal(one.length, 368)
  assert.equal((await openObject(key, one)).length, 0)
})
