import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type ErrorKind, SealgateError } from '../../src/errors.ts'
import { type ChunkedPayload, decodeAwsChunked } from '../../src/s3/aws-chunked.ts'
import { cut, frameSigned, frameUnsigned, signedPayload } from './chunks.ts'

/** The example of the S3 API reference: 66560 letters a in chunks of 65536 and 1024 bytes. */
const SEED = '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9'
const CHUNKS = [
  'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
  '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
  'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
]
/** Its sibling with a trailing checksum. */
const TRAILER_SEED = '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e'
const TRAILER_CHUNKS = [
  'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2',
  '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7',
  '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992',
  'd81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435',
]
const LETTERS = [Buffer.alloc(65536, 'a'), Buffer.alloc(1024, 'a')]
const UNSIGNED: ChunkedPayload = { mode: 'unsigned-chunks-trailer' }

interface Decoded {
  readonly bytes: Buffer
  readonly trailers: ReadonlyMap<string, string>
}

async function decode(
  framed: Uint8Array,
  payload: ChunkedPayload,
  announced: readonly string[] = [],
  lengths: readonly number[] = [],
): Promise<Decoded> {
  let trailers: ReadonlyMap<string, string> | undefined
  const onTrailers = (found: ReadonlyMap<string, string>) => {
    trailers = found
  }
  const pieces: Uint8Array[] = []
  for await (const piece of decodeAwsChunked(cut(framed, lengths), { payload, announced, onTrailers }))
    pieces.push(Buffer.from(piece))
  assert.ok(trailers !== undefined, 'a body that ends well tells its trailers')
  return { bytes: Buffer.concat(pieces), trailers }
}

async function fails(decoding: Promise<Decoded>, ...kinds: ErrorKind[]): Promise<void> {
  await assert.rejects(decoding, (error: unknown) => {
    assert.ok(error instanceof SealgateError, String(error))
    assert.ok(kinds.includes(error.kind), `${error.kind} is none of ${kinds.join()}`)
    return true
  })
}

describe('the published examples of chunked uploads', () => {
  test('the chunk signatures are those of the documentation, and the body is accepted', async () => {
    const { bytes, signatures } = frameSigned(SEED, LETTERS)
    assert.deepEqual(signatures, CHUNKS)
    assert.equal(bytes.length, 66824)
    const decoded = await decode(bytes, signedPayload(SEED))
    assert.deepEqual(decoded.bytes, Buffer.concat(LETTERS))
  })

  test('the trailer signature is that of the documentation, and the trailer is accepted', async () => {
    const { bytes, signatures } = frameSigned(TRAILER_SEED, LETTERS, ['x-amz-checksum-crc32c:sOO8/Q=='])
    assert.deepEqual(signatures, TRAILER_CHUNKS)
    const decoded = await decode(bytes, signedPayload(TRAILER_SEED, true), ['x-amz-checksum-crc32c'])
    assert.equal(decoded.trailers.get('x-amz-checksum-crc32c'), 'sOO8/Q==')
  })
})

const pieces = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 })
const lengths = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 6 })

describe('decodeAwsChunked', () => {
  test('gives back what was framed, however the stream is cut', async () => {
    const line = 'x-amz-checksum-crc32:AAAAAA=='
    await fc.assert(
      fc.asyncProperty(pieces, lengths, fc.boolean(), async (data, cuts, trailing) => {
        const announced = trailing ? ['x-amz-checksum-crc32'] : []
        const signed = frameSigned(SEED, data, trailing ? [line] : undefined).bytes
        const unsigned = frameUnsigned(data, trailing ? `${line}\r\n\r\n` : '\r\n')
        const whole = Buffer.concat(data)
        assert.deepEqual((await decode(signed, signedPayload(SEED, trailing), announced, cuts)).bytes, whole)
        assert.deepEqual((await decode(unsigned, UNSIGNED, announced, cuts)).bytes, whole)
      }),
    )
  })

  test('refuses a signed stream with any one bit flipped, or it decodes to the very same bytes', async () => {
    const data = [Buffer.from('attack at'), Buffer.from(' dawn')]
    const { bytes } = frameSigned(SEED, data, ['x-amz-checksum-crc32:AAAAAA=='])
    const accepted: number[] = []
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      try {
        const { bytes: out, trailers } = await decode(flipped, signedPayload(SEED, true), [
          'x-amz-checksum-crc32',
        ])
        assert.deepEqual(out, Buffer.concat(data))
        assert.equal(trailers.get('x-amz-checksum-crc32'), 'AAAAAA==')
        accepted.push(bit)
      } catch (error) {
        assert.ok(error instanceof SealgateError, String(error))
      }
    }
    // What means the same may change unnoticed: the case of a letter of a name or a size, and a line's CR into a blank.
    for (const bit of accepted) {
      const character = String.fromCharCode(bytes[bit >> 3] as number)
      assert.ok(
        (bit & 7) === 5 ? /[a-z]/.test(character) : (bit & 7) === 2 && character === '\r',
        `bit ${bit}`,
      )
    }
  })

  test('refuses a signed stream that ends anywhere before its end', async () => {
    const { bytes } = frameSigned(SEED, [Buffer.from('some bytes')], ['x-amz-checksum-crc32:AAAAAA=='])
    const payload = signedPayload(SEED, true)
    // The two last line ends may be missing: some clients leave them out, and the signature is whole.
    for (let end = 0; end < bytes.length - 4; end++)
      await fails(
        decode(bytes.subarray(0, end), payload, ['x-amz-checksum-crc32']),
        'IncompleteBody',
        'MalformedTrailerError',
      )
    await decode(bytes.subarray(0, -4), payload, ['x-amz-checksum-crc32'])
  })

  test('refuses chunks that are dropped, swapped, repeated, or of another request', async () => {
    const [a, b] = [Buffer.alloc(20, 'a'), Buffer.alloc(20, 'b')]
    const { bytes } = frameSigned(SEED, [a, b])
    const step = `14;chunk-signature=${SEED}\r\n`.length + 20 + 2
    const [first, second, last] = [
      bytes.subarray(0, step),
      bytes.subarray(step, 2 * step),
      bytes.subarray(2 * step),
    ]
    const payload = signedPayload(SEED)
    for (const order of [
      [second, first, last],
      [first, last],
      [second, last],
      [first, first, second, last],
      [last],
    ])
      await fails(decode(Buffer.concat(order), payload), 'SignatureDoesNotMatch')
    await fails(decode(bytes, signedPayload(TRAILER_SEED)), 'SignatureDoesNotMatch')
    await fails(decode(bytes, { ...payload, timestamp: '20130524T000001Z' }), 'SignatureDoesNotMatch')
  })

  test('refuses signed chunks without signatures', async () => {
    await fails(decode(frameUnsigned([Buffer.from('x')], '\r\n'), signedPayload(SEED)), 'InvalidRequest')
  })

  test('refuses malformed, negative, huge and endless chunk headers', async () => {
    for (const header of [
      '\r\n',
      'g\r\n',
      '-1\r\n',
      '0x5\r\n',
      ' 5\r\n',
      '5 \r\n',
      '5;x=y\r\n',
      '5\n',
      `${'f'.repeat(14)}\r\n`,
      'fffffffffffff0\r\n',
      'a'.repeat(5000),
    ])
      await fails(decode(Buffer.from(`${header}hello\r\n0\r\n\r\n`), UNSIGNED), 'InvalidRequest')
  })

  test('refuses bytes beyond a chunk, and garbage or too much behind the last', async () => {
    await fails(decode(Buffer.from('2\r\nhello\r\n0\r\n\r\n'), UNSIGNED), 'InvalidRequest')
    await fails(decode(Buffer.from('0\r\n\r\n5\r\nhello\r\n'), UNSIGNED), 'MalformedTrailerError')
    await fails(decode(Buffer.from('0\r\n\r\ngarbage'), UNSIGNED), 'MalformedTrailerError')
    await fails(decode(Buffer.from(`0\r\n${'\r\n'.repeat(9000)}`), UNSIGNED), 'InvalidRequest')
    await fails(
      decode(Buffer.concat([frameSigned(SEED, []).bytes, Buffer.from('x')]), signedPayload(SEED)),
      'MalformedTrailerError',
    )
  })

  test('takes trailers as clients send them', async () => {
    const announced = ['x-amz-checksum-crc32']
    for (const end of [
      'x-amz-checksum-crc32:AAAAAA==\r\n\r\n',
      'x-amz-checksum-crc32:AAAAAA==\n\r\n',
      '\r\nX-Amz-Checksum-Crc32: AAAAAA== \n',
      'x-amz-checksum-crc32:AAAAAA==',
    ]) {
      const { trailers } = await decode(frameUnsigned([Buffer.from('x')], end), UNSIGNED, announced)
      assert.deepEqual([...trailers], [['x-amz-checksum-crc32', 'AAAAAA==']])
    }
    const signed = frameSigned(SEED, [Buffer.from('x')], ['x-amz-checksum-crc32:AAAAAA==']).bytes.toString(
      'latin1',
    )
    const minio = signed.replace('AAAAAA==\r\n', 'AAAAAA==\n\r\n')
    assert.notEqual(minio, signed)
    await decode(Buffer.from(minio, 'latin1'), signedPayload(SEED, true), announced)
  })

  test('refuses trailers that are missing, unannounced, repeated or malformed', async () => {
    const line = 'x-amz-checksum-crc32:AAAAAA=='
    const announced = ['x-amz-checksum-crc32']
    for (const [end, names] of [
      ['\r\n', announced],
      [`${line}\r\n`, []],
      [`${line}\r\nx-amz-checksum-sha1:x\r\n`, announced],
      [`${line}\r\n${line}\r\n`, announced],
      ['no colon\r\n', announced],
      [`${line}\u0000\r\n`, announced],
    ] as const)
      await fails(decode(frameUnsigned([], end), UNSIGNED, names), 'MalformedTrailerError')
  })

  test('refuses a signed trailer whose signature is missing or not its own', async () => {
    const line = 'x-amz-checksum-crc32:AAAAAA=='
    const announced = ['x-amz-checksum-crc32']
    const signed = frameSigned(SEED, [], [line]).bytes.toString('latin1')
    const unsignedTrailer = signed.replace(/x-amz-trailer-signature:.*\r\n/, '')
    await fails(
      decode(Buffer.from(unsignedTrailer), signedPayload(SEED, true), announced),
      'MalformedTrailerError',
    )
    const other = signed.replace('AAAAAA==', 'BBBBBB==')
    await fails(decode(Buffer.from(other), signedPayload(SEED, true), announced), 'SignatureDoesNotMatch')
  })

  test('hands on a chunk as it comes, whatever its size, and lets the source go when stopped', async () => {
    let pulled = 0
    let released = false
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        yield Buffer.from('fffffffffff\r\n')
        for (;;) {
          pulled++
          yield Buffer.alloc(1000)
        }
      } finally {
        released = true
      }
    }
    let seen = 0
    for await (const piece of decodeAwsChunked(endless(), {
      payload: UNSIGNED,
      announced: [],
      onTrailers: () => assert.fail('not verified'),
    })) {
      seen += piece.length
      if (seen >= 10_000) break
    }
    assert.equal(seen, 10_000)
    assert.equal(pulled, 10)
    assert.ok(released)
  })
})
