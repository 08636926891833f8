import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import {
  type FooterChecksums,
  type FooterPart,
  ObjectKey,
  openFooter,
  sealFooter,
  sealObject,
  sealPart,
  storedSize,
} from '../../src/envelope/index.ts'
import { segmentRange } from '../../src/envelope/segment.ts'
import { isError } from '../../src/errors.ts'
import { bodyOf, bytesOf, collect, NO_CHECKSUMS, openPart } from './helpers.ts'

const objectKey = ObjectKey.generate()
const isIncomplete = (error: unknown): boolean => isError(error, 'IncompleteBody')

test('a body shorter or longer than promised is IncompleteBody', async () => {
  for (const [size, sent] of [
    [10, 9],
    [10, 11],
    [0, 1],
    [1, 0],
    [65_536, 65_537],
    [65_537, 65_536],
    [200_000, 131_072],
  ] as const) {
    const part = { objectKey, partNumber: 1, salt: randomBytes(32), size, body: bodyOf(bytesOf(sent)) }
    await assert.rejects(collect(sealPart(part)), isIncomplete)
    let asked = 0
    const footer = (): FooterChecksums => {
      asked++
      return NO_CHECKSUMS
    }
    await assert.rejects(
      collect(sealObject({ objectKey, size, body: bodyOf(bytesOf(sent)), footer })),
      isIncomplete,
    )
    assert.equal(asked, 0)
  }
})

test('the last segment, even a full one, waits for the end of the body', async () => {
  for (const size of [5, 65_536, 131_072]) {
    const data = bytesOf(size)
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield data
      throw new Error('checksum mismatch')
    }
    let sent = 0
    await assert.rejects(async () => {
      const part = { objectKey, partNumber: 1, salt: randomBytes(32), size, body: failing() }
      for await (const chunk of sealPart(part)) sent += chunk.length
    }, /checksum mismatch/)
    assert.equal(sent, Math.max(0, Math.ceil(size / 65_536) - 1) * 65_552)
  }
})

test('a footer callback that throws keeps the last segment back', async () => {
  let sent = 0
  await assert.rejects(async () => {
    const footer = (): FooterChecksums => {
      throw new Error('no checksum')
    }
    for await (const chunk of sealObject({ objectKey, size: 9, body: bodyOf(bytesOf(9)), footer }))
      sent += chunk.length
  }, /no checksum/)
  assert.equal(sent, 0)
})

test('a consumer that stops early closes the body', async () => {
  let closed = false
  async function* body(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield bytesOf(65_536)
    } finally {
      closed = true
    }
  }
  for await (const _ of sealPart({
    objectKey,
    partNumber: 1,
    salt: randomBytes(32),
    size: 2 ** 30,
    body: body(),
  }))
    break
  assert.ok(closed)
})

test('opening reads only the segments it needs, then closes the body', async () => {
  const salt = randomBytes(32)
  const data = bytesOf(10 * 65_536)
  const sealed = await collect(
    sealPart({ objectKey, partNumber: 1, salt, size: data.length, body: bodyOf(data) }),
  )
  let given = 0
  let closed = false
  async function* body(): AsyncGenerator<Uint8Array> {
    try {
      for (let at = 65_552; at < sealed.length; at += 65_552) {
        given++
        yield sealed.subarray(at, at + 65_552)
      }
    } finally {
      closed = true
    }
  }
  const part = { objectKey, partNumber: 1, salt, size: data.length, body: body() }
  assert.ok((await openPart(part, 65_540, 131_080)).equals(data.subarray(65_540, 131_081)))
  assert.deepEqual([given, closed], [2, true])
})

test('an error of the stored body passes through as it is', async () => {
  async function* body(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(5)
    throw new Error('socket hang up')
  }
  const part = { objectKey, partNumber: 0, salt: Buffer.alloc(0), size: 10, body: body() }
  await assert.rejects(openPart(part), /socket hang up/)
})

test('a range outside the part is a RangeError', () => {
  for (const [size, start, end] of [
    [10, 0, 10],
    [10, -1, 3],
    [10, 5, 4],
    [0, 0, 0],
    [10, 0, Number.NaN],
  ] as const)
    assert.throws(() => segmentRange(size, start, end), RangeError)
  assert.deepEqual(segmentRange(0, 0, -1), {
    firstSegment: 0,
    storedStart: 0,
    storedEnd: 15,
    skip: 0,
    length: 0,
  })
})

test('a footer keeps its parts and checksums', () => {
  const MIB = 2 ** 20
  const parts: FooterPart[] = [1, 5, 10_000].map((partNumber) => ({
    partNumber,
    size: 5 * MIB,
    salt: randomBytes(32),
    checksum: randomBytes(20),
  }))
  const checksums: FooterChecksums = {
    type: 'COMPOSITE',
    partAlgorithm: 'SHA1',
    values: [
      { algorithm: 'CRC32', value: randomBytes(4) },
      { algorithm: 'CRC32C', value: randomBytes(4) },
      { algorithm: 'CRC64NVME', value: randomBytes(8) },
      { algorithm: 'SHA1', value: randomBytes(20) },
      { algorithm: 'SHA256', value: randomBytes(32) },
    ],
    md5: randomBytes(16),
  }
  const sizes = { plainSize: 15 * MIB, storedSize: storedSize(15 * MIB) }
  const sealed = sealFooter({ objectKey, ...sizes, parts, checksums })
  assert.equal(sealed.length, 119 + 3 * 80 + 16 + 40)
  assert.deepEqual(openFooter(objectKey, sealed, sizes.storedSize), {
    footer: { ...sizes, parts, checksums },
  })
})

test('two footers of one object share no salt', () => {
  const o = { objectKey, plainSize: 0, storedSize: 368, parts: [], checksums: NO_CHECKSUMS }
  const [a, b] = [sealFooter(o), sealFooter(o)]
  assert.notDeepEqual(a.subarray(-40, -8), b.subarray(-40, -8))
})

test('ten thousand parts fit', () => {
  const size = 5 * 2 ** 20
  const part = { size, salt: randomBytes(32), checksum: randomBytes(32) }
  const parts = Array.from({ length: 10_000 }, (_, n) => ({ partNumber: n + 1, ...part }))
  const sizes = { plainSize: size * 10_000, storedSize: storedSize(size * 10_000) }
  const checksums: FooterChecksums = { type: 'COMPOSITE', values: [], partAlgorithm: 'SHA256' }
  const opened = openFooter(
    objectKey,
    sealFooter({ objectKey, ...sizes, parts, checksums }),
    sizes.storedSize,
  )
  assert.ok('footer' in opened && opened.footer.parts.length === 10_000)
})

test('footers that could not be opened are not sealed', () => {
  const salt = randomBytes(32)
  const none = Buffer.alloc(0)
  const base = { objectKey, plainSize: 20, storedSize: storedSize(20), parts: [], checksums: NO_CHECKSUMS }
  const part = (partNumber: number, size: number): FooterPart => ({ partNumber, size, salt, checksum: none })
  for (const bad of [
    { ...base, storedSize: base.storedSize + 1 },
    { ...base, parts: [part(1, 10), part(2, 10)] },
    { ...base, parts: [part(1, 19)] },
    { ...base, parts: [part(0, 20)] },
    { ...base, parts: [part(10_001, 20)] },
  ])
    assert.throws(() => sealFooter(bad), RangeError)
  const value = { algorithm: 'CRC32', value: none } as const
  assert.throws(() => sealFooter({ ...base, checksums: { ...NO_CHECKSUMS, values: [value] } }), TypeError)
})
