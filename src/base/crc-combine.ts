/**
 * The CRC of two runs of bytes from the CRCs of each: crc(A ‖ B) = crc(A) · x^(8·|B|) + crc(B) over GF(2)[x] modulo the
 * CRC's polynomial, which holds where the register's start value equals its final XOR, as in all CRCs here.
 * Numbers are bit-reflected like the CRCs: the highest bit is the coefficient of x^0.
 */
import type { ChecksumAlgorithm } from './checksum-algorithm.ts'

/**
 * @param first CRC of the first run, big-endian as in S3
 * @param second CRC of the run behind it
 * @param secondLength bytes of the second run, up to 2^53 - 1
 * @throws TypeError for an algorithm that is no CRC; RangeError for a length or a value of the wrong size
 */
export function combineCrc(
  algorithm: ChecksumAlgorithm | 'CRC64XZ',
  first: Buffer,
  second: Buffer,
  secondLength: number,
): Buffer {
  const field = FIELDS[algorithm]
  if (field === undefined) throw new TypeError(`expected a CRC, got ${algorithm}`)
  if (!Number.isSafeInteger(secondLength) || secondLength < 0)
    throw new RangeError(`expected a length in bytes, got ${secondLength}`)
  const bytes = field.width / 8
  if (first.length !== bytes || second.length !== bytes)
    throw new RangeError(`expected ${bytes} bytes of ${algorithm}, got ${first.length} and ${second.length}`)
  const value = field.multiply(field.shift(secondLength), toNumber(first)) ^ toNumber(second)
  return Buffer.from(value.toString(16).padStart(2 * bytes, '0'), 'hex')
}

function toNumber(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`)
}

class Field {
  readonly width: number
  readonly #polynomial: bigint
  readonly #one: bigint
  /** x^(2^k) for k = 0, 1, 2 …, as far as lengths of 2^53 bytes need. */
  readonly #squares: readonly bigint[]
  /** Parts of one upload mostly have one length. */
  #last = { bytes: 0, factor: 0n }

  constructor(width: number, polynomial: bigint) {
    this.width = width
    this.#polynomial = polynomial
    this.#one = 1n << BigInt(width - 1)
    const squares = [this.#one >> 1n]
    for (let power = squares[0]; power !== undefined && squares.length < 3 + 53; ) {
      power = this.multiply(power, power)
      squares.push(power)
    }
    this.#squares = squares
    this.#last = { bytes: 0, factor: this.#one }
  }

  multiply(a: bigint, b: bigint): bigint {
    let product = 0n
    let shifted = b
    for (let bit = this.#one; bit !== 0n; bit >>= 1n) {
      if ((a & bit) !== 0n) product ^= shifted
      shifted = (shifted & 1n) === 0n ? shifted >> 1n : (shifted >> 1n) ^ this.#polynomial
    }
    return product
  }

  /** x^(8·bytes) */
  shift(bytes: number): bigint {
    if (this.#last.bytes === bytes) return this.#last.factor
    let factor = this.#one
    let rest = BigInt(bytes)
    for (const power of this.#squares.slice(3)) {
      if ((rest & 1n) === 1n) factor = this.multiply(power, factor)
      rest >>= 1n
    }
    this.#last = { bytes, factor }
    return factor
  }
}

const FIELDS: Readonly<Partial<Record<ChecksumAlgorithm | 'CRC64XZ', Field>>> = {
  CRC32: new Field(32, 0xedb88320n),
  CRC32C: new Field(32, 0x82f63b78n),
  CRC64NVME: new Field(64, 0x9a6c9329ac4bc9b5n),
  CRC64XZ: new Field(64, 0xc96c5795d7870f42n),
}
