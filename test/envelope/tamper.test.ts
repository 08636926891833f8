import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import {
  layoutParts,
  ObjectKey,
  openFooter,
  sealPart,
  segmentsSize,
  verifyPadding,
} from '../../src/envelope/index.ts'
import {
  bodyOf,
  bytesOf,
  collect,
  footerOf,
  isIntegrity,
  openObject,
  openPart,
  sealedMultipart,
  sealedObject,
} from './helpers.ts'

const MIB = 1024 * 1024

/** Opens a whole object as a full GET does, padding included. */
async function openWhole(key: ObjectKey, stored: Buffer): Promise<Buffer> {
  const { parts, plainSize } = footerOf(key, stored)
  const used = parts.reduce((sum, part) => sum + segmentsSize(part.size), 0) || segmentsSize(plainSize)
  verifyPadding(stored.subarray(used))
  return openObject(key, stored)
}

test('every flipped bit of a small object is found', async () => {
  for (const size of [0, 20]) {
    const key = ObjectKey.generate()
    const stored = await sealedObject(key, bytesOf(size))
    for (let bit = 0; bit < stored.length * 8; bit++) {
      const bad = Buffer.from(stored)
      bad[bit >> 3]! ^= 1 << (bit & 7)
      await assert.rejects(openWhole(key, bad), isIntegrity, `bit ${bit}`)
    }
  }
})

test('the one segment of an empty last part is opened with the whole object', async () => {
  const key = ObjectKey.generate()
  const stored = await sealedMultipart(key, [bytesOf(5 * MIB), Buffer.alloc(0)])
  const bad = Buffer.from(stored)
  bad[segmentsSize(5 * MIB)]! ^= 1
  await assert.rejects(openObject(key, bad), isIntegrity)
})

test('an object cut at any length, or extended, is found', async () => {
  const key = ObjectKey.generate()
  const stored = await sealedObject(key, bytesOf(100))
  for (let length = 0; length < stored.length; length++) {
    const cut = stored.subarray(0, length)
    assert.throws(() => {
      const opened = openFooter(key, cut, cut.length)
      if ('need' in opened) openFooter(key, cut, stored.length)
    }, isIntegrity)
  }
  assert.throws(() => footerOf(key, Buffer.concat([stored, Buffer.alloc(1)])), isIntegrity)
  assert.throws(() => footerOf(key, Buffer.concat([Buffer.alloc(1), stored])), isIntegrity)
})

test('segments cut at any length yield nothing of the cut segment', async () => {
  const objectKey = ObjectKey.generate()
  const salt = randomBytes(32)
  const sealed = await collect(
    sealPart({ objectKey, partNumber: 3, salt, size: 40, body: bodyOf(bytesOf(40)) }),
  )
  for (let length = 0; length < sealed.length; length++) {
    const body = bodyOf(sealed.subarray(0, length))
    await assert.rejects(openPart({ objectKey, partNumber: 3, salt, size: 40, body }), isIntegrity)
  }
})

test('swapped, repeated, dropped and foreign segments are found', async () => {
  const key = ObjectKey.generate()
  const stored = await sealedObject(key, bytesOf(3 * 65_536))
  const other = await sealedObject(ObjectKey.generate(), bytesOf(3 * 65_536))
  const segment = (from: Buffer, n: number): Buffer => from.subarray(n * 65_552, (n + 1) * 65_552)
  const end = stored.subarray(3 * 65_552)
  const [a, b, c] = [segment(stored, 0), segment(stored, 1), segment(stored, 2)]
  for (const order of [
    [b, a, c],
    [a, a, c],
    [a, b, b],
    [a, c, b],
    [a, b, segment(other, 2)],
    [segment(other, 0), b, c],
  ])
    await assert.rejects(openObject(key, Buffer.concat([...order, end])), isIntegrity)
  assert.equal((await openObject(key, Buffer.concat([a, b, c, end]))).length, 3 * 65_536)
})

test('a shorter part cannot pose as the whole: the last flag is in the nonce', async () => {
  const objectKey = ObjectKey.generate()
  const salt = randomBytes(32)
  const data = bytesOf(2 * 65_536)
  const sealed = await collect(
    sealPart({ objectKey, partNumber: 1, salt, size: data.length, body: bodyOf(data) }),
  )
  const part = { objectKey, partNumber: 1, salt, size: 65_536, body: bodyOf(sealed) }
  await assert.rejects(openPart(part), isIntegrity)
})

test('another salt or part number does not open a part', async () => {
  const objectKey = ObjectKey.generate()
  const salt = randomBytes(32)
  const sealed = await collect(
    sealPart({ objectKey, partNumber: 1, salt, size: 9, body: bodyOf(bytesOf(9)) }),
  )
  const part = { objectKey, size: 9 }
  for (const [partNumber, badSalt] of [
    [2, salt],
    [1, randomBytes(32)],
    [0, Buffer.alloc(0)],
  ] as const)
    await assert.rejects(openPart({ ...part, partNumber, salt: badSalt, body: bodyOf(sealed) }), isIntegrity)
})

test('swapped parts of a multipart object are found, also of equal size', async () => {
  const key = ObjectKey.generate()
  const stored = await sealedMultipart(key, [bytesOf(5 * MIB, 'a'), bytesOf(5 * MIB, 'b'), bytesOf(1)])
  const size = segmentsSize(5 * MIB)
  const swapped = Buffer.concat([
    stored.subarray(size, 2 * size),
    stored.subarray(0, size),
    stored.subarray(2 * size),
  ])
  await assert.rejects(openObject(key, swapped), isIntegrity)
})

test('the footer of another object of the same size does not open', async () => {
  const key = ObjectKey.generate()
  const stored = await sealedObject(key, bytesOf(10))
  const other = await sealedObject(ObjectKey.generate(), bytesOf(10))
  const spliced = Buffer.concat([stored.subarray(0, 26), other.subarray(26)])
  await assert.rejects(openObject(key, spliced), isIntegrity)
})

test('a footer length beyond the cap is refused before anything is fetched', async () => {
  const key = ObjectKey.generate()
  const stored = await sealedObject(key, bytesOf(10))
  for (const length of [0, 38, 297, 800_217, 0xffff_ffff]) {
    const bad = Buffer.from(stored)
    bad.writeUInt32BE(length, bad.length - 8)
    assert.throws(() => openFooter(key, bad.subarray(-40), bad.length), isIntegrity)
  }
})

test('a tail that is too short says how much is needed', async () => {
  const key = ObjectKey.generate()
  const stored = await sealedObject(key, bytesOf(1000))
  assert.deepEqual(openFooter(key, stored.subarray(-39), stored.length), { need: 368 })
  const first = openFooter(key, stored.subarray(-40), stored.length)
  assert.ok('need' in first)
  const second = openFooter(key, stored.subarray(-first.need), stored.length)
  assert.ok('footer' in second)
  assert.equal(layoutParts(second.footer)[0]?.plainSize, 1000)
})
