import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { checksumHeader, createChecksum } from '../../src/base/checksum.ts'
import {
  CHECKSUM_ALGORITHMS,
  CHECKSUM_NAMES,
  type ChecksumAlgorithm,
} from '../../src/base/checksum-algorithm.ts'
import { crc64Xz } from '../../src/base/crc-64.ts'
import { combineCrc } from '../../src/base/crc-combine.ts'

const CRCS = ['CRC32', 'CRC32C', 'CRC64NVME'] as const

function checksum(algorithm: ChecksumAlgorithm, ...pieces: Uint8Array[]): Buffer {
  const running = createChecksum(algorithm)
  for (const piece of pieces) running.update(piece)
  return running.digest()
}

describe('createChecksum', () => {
  const published = {
    CRC32: 'cbf43926',
    CRC32C: 'e3069283',
    CRC64NVME: 'ae8b14860a799888',
    SHA1: 'f7c3bc1d808e04732adf679965ccc34ca7ae3441',
    SHA256: '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225',
  }
  for (const [algorithm, value] of Object.entries(published)) {
    test(`gives the published check value of ${algorithm}`, () => {
      assert.equal(checksum(algorithm as ChecksumAlgorithm, Buffer.from('123456789')).toString('hex'), value)
    })
  }

  test('gives values of the announced length, also of nothing', () => {
    for (const algorithm of CHECKSUM_NAMES)
      assert.equal(checksum(algorithm).length, CHECKSUM_ALGORITHMS[algorithm].bytes)
    for (const algorithm of CRCS) assert.ok(checksum(algorithm).every((byte) => byte === 0))
  })

  test('does not depend on how the bytes are cut, nor on where in a buffer they lie', () => {
    const algorithm = fc.constantFrom(...CHECKSUM_NAMES)
    fc.assert(
      fc.property(algorithm, fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }), (name, pieces) => {
        const padded = Buffer.concat([Buffer.from('xyz'), ...pieces])
        const whole = new Uint8Array(padded.buffer, padded.byteOffset + 3, padded.length - 3)
        assert.deepEqual(checksum(name, ...pieces), checksum(name, whole))
      }),
    )
  })

  test('CRC64NVME agrees with the definition bit by bit', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        let crc = 0xffffffffffffffffn
        for (const byte of bytes) {
          crc ^= BigInt(byte)
          for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0x9a6c9329ac4bc9b5n : crc >> 1n
        }
        const expected = (crc ^ 0xffffffffffffffffn).toString(16).padStart(16, '0')
        assert.equal(checksum('CRC64NVME', bytes).toString('hex'), expected)
      }),
    )
  })

  test('names the header of each algorithm', () => {
    assert.equal(checksumHeader('CRC64NVME'), 'x-amz-checksum-crc64nvme')
    assert.equal(checksumHeader('SHA256'), 'x-amz-checksum-sha256')
  })
})

describe('crc64Xz', () => {
  const xz = (...pieces: Uint8Array[]) => {
    const running = crc64Xz()
    for (const piece of pieces) running.update(piece)
    return running.digest()
  }

  test('gives the published check value, and the one that COS shows for its example', () => {
    assert.equal(xz(Buffer.from('123456789')).readBigUInt64BE(), 11051210869376104954n)
    assert.equal(xz(Buffer.from('[Object Content]')).readBigUInt64BE(), 16749565679157681890n)
  })

  test('of two runs is that of the runs joined', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (a, b) => {
        assert.deepEqual(combineCrc('CRC64XZ', xz(a), xz(b), b.length), xz(a, b))
      }),
    )
  })
})

describe('combineCrc', () => {
  for (const algorithm of CRCS) {
    test(`${algorithm} of two runs is that of the runs joined`, () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (a, b) => {
          const combined = combineCrc(algorithm, checksum(algorithm, a), checksum(algorithm, b), b.length)
          assert.deepEqual(combined, checksum(algorithm, a, b))
        }),
      )
    })

    test(`${algorithm} combines large parts, and lengths beyond 32 bits as the sum of their halves`, () => {
      const [a, b] = [randomBytes(100_001), randomBytes(1_234_567)]
      const joined = combineCrc(algorithm, checksum(algorithm, a), checksum(algorithm, b), b.length)
      assert.deepEqual(joined, checksum(algorithm, a, b))
      const zero = Buffer.alloc(CHECKSUM_ALGORITHMS[algorithm].bytes)
      const half = 2 ** 51 + 12_345
      const twice = combineCrc(algorithm, combineCrc(algorithm, joined, zero, half), zero, half)
      assert.deepEqual(combineCrc(algorithm, joined, zero, 2 * half), twice)
    })
  }

  test('refuses what is no CRC, no length or no value', () => {
    const sha = createHash('sha1').digest()
    assert.throws(() => combineCrc('SHA1', sha, sha, 1), TypeError)
    const crc = Buffer.alloc(4)
    for (const length of [-1, 0.5, 2 ** 53, Number.NaN])
      assert.throws(() => combineCrc('CRC32', crc, crc, length), RangeError)
    assert.throws(() => combineCrc('CRC64NVME', crc, crc, 1), RangeError)
  })
})
