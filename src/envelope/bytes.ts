import { integrityError } from './integrity-error.ts'

/** Integers and strings as bytes. Everything is big endian (FORMAT.md section 1). */

export function u8(value: number): Buffer {
  return uint(value, 1)
}
export function u16(value: number): Buffer {
  return uint(value, 2)
}
export function u32(value: number): Buffer {
  return uint(value, 4)
}
export function u48(value: number): Buffer {
  return uint(value, 6)
}
export function u64(value: number): Buffer {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`expected a u64, got ${value}`)
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

function uint(value: number, size: number): Buffer {
  if (!Number.isSafeInteger(value) || value < 0 || value >= 256 ** size)
    throw new RangeError(`expected a u${8 * size}, got ${value}`)
  const bytes = Buffer.alloc(size)
  bytes.writeUIntBE(value, 0, size)
  return bytes
}

/** Each string as u32 byte length and UTF-8, so that no two lists give the same bytes. */
export function prefixed(...fields: readonly string[]): Buffer {
  return Buffer.concat(
    fields.flatMap((field) => {
      // Node would turn a lone surrogate into U+FFFD: two names, one binding.
      if (!field.isWellFormed()) throw new TypeError('expected well-formed Unicode, got a lone surrogate')
      const bytes = Buffer.from(field, 'utf8')
      return [u32(bytes.length), bytes]
    }),
  )
}

/** Bytes at the left of a field of `size` bytes, the rest zero. */
export function padded(bytes: Uint8Array, size: number): Buffer {
  if (bytes.length > size) throw new RangeError(`expected at most ${size} bytes, got ${bytes.length}`)
  const field = Buffer.alloc(size)
  field.set(bytes)
  return field
}

/** Fails if `bytes` has another length: a programming mistake, not a damaged object. */
export function requireLength(name: string, bytes: Uint8Array, size: number): void {
  if (bytes.length !== size) throw new TypeError(`${name}: expected ${size} bytes, got ${bytes.length}`)
}

/** True if every byte is zero. */
export function allZero(bytes: Uint8Array): boolean {
  // Padding may be 960 KB: compare it with itself, one byte on, rather than call a function per byte.
  return (
    bytes.length === 0 || (bytes[0] === 0 && Buffer.compare(bytes.subarray(1), bytes.subarray(0, -1)) === 0)
  )
}

/** The bytes of a canonical, unpadded base64url text (RFC 4648 section 5), or null: one text per byte string. */
export function fromBase64url(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url')
  // The decoder skips foreign characters, padding and stray low bits; only the round trip shows them.
  return bytes.toString('base64url') === text ? bytes : null
}

/** Reads a record field by field; every step beyond the end is an ObjectIntegrityError. */
export class ByteReader {
  readonly #bytes: Buffer
  readonly #what: string
  offset = 0

  constructor(bytes: Buffer, what: string) {
    this.#bytes = bytes
    this.#what = what
  }

  /** A copy, so that the caller may reuse the bytes under the reader. */
  take(size: number): Buffer {
    const start = this.#advance(size)
    return Buffer.from(this.#bytes.subarray(start, this.offset))
  }

  uint(size: 1 | 2 | 4 | 6): number {
    return this.#bytes.readUIntBE(this.#advance(size), size)
  }

  /** A u64 as a number; null for all ones. Values beyond 2^53 are refused. */
  u64(): number | null {
    const value = this.take(8).readBigUInt64BE()
    if (value === 0xffff_ffff_ffff_ffffn) return null
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw integrityError(`${this.#what}: number too large`)
    return Number(value)
  }

  utf8(size: number): string {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.take(size))
    } catch (cause) {
      if (cause instanceof TypeError) throw integrityError(`${this.#what}: not UTF-8`)
      throw cause
    }
  }

  end(): void {
    if (this.offset !== this.#bytes.length) throw integrityError(`${this.#what}: trailing bytes`)
  }

  /** Steps over `size` bytes; returns where they start. */
  #advance(size: number): number {
    const start = this.offset
    if (start + size > this.#bytes.length) throw integrityError(`${this.#what}: cut short`)
    this.offset = start + size
    return start
  }
}
