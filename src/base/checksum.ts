/**
 * The checksums of Amazon S3 ("Checking object integrity"): CRC-32 (ISO-HDLC), CRC-32C (iSCSI, RFC 3720),
 * CRC-64/NVME (NVM Express NVM Command Set 5.2.1.3.4), SHA-1 and SHA-256. Values are big-endian bytes.
 */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { crc32c } from '@node-rs/crc32'
import type { ChecksumAlgorithm } from './checksum-algorithm.ts'

/** A running checksum; `digest` ends it. */
export interface Checksum {
  update(bytes: Uint8Array): void
  digest(): Buffer
}

export function createChecksum(algorithm: ChecksumAlgorithm): Checksum {
  switch (algorithm) {
    case 'CRC32':
      return crcOf32Bits(crc32)
    case 'CRC32C':
      // The native function takes no plain Uint8Array view of a larger buffer for granted: Buffer keeps offset and length.
      return crcOf32Bits((bytes, previous) => crc32c(asBuffer(bytes), previous))
    case 'CRC64NVME':
      return new Crc64Nvme()
    case 'SHA1':
    case 'SHA256':
      return createHash(algorithm.toLowerCase())
  }
}

/** `x-amz-checksum-crc32c` and its fellows. */
export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function crcOf32Bits(step: (bytes: Uint8Array, previous: number) => number): Checksum {
  let value = 0
  return {
    update(bytes) {
      value = step(bytes, value)
    },
    digest() {
      const out = Buffer.alloc(4)
      out.writeUInt32BE(value >>> 0)
      return out
    },
  }
}

/** 0xad93d23594c93659 with its bits reversed, in halves. */
const POLYNOMIAL_HIGH = 0x9a6c9329 | 0
const POLYNOMIAL_LOW = 0xac4bc9b5 | 0

/** `tables[256 k + b]` is what byte b does to the register k bytes further on: eight bytes a step ("slicing by 8"). */
function makeTables(): { low: Int32Array; high: Int32Array } {
  const low = new Int32Array(2048)
  const high = new Int32Array(2048)
  const at = (table: Int32Array, index: number): number => table[index] ?? 0
  for (let byte = 0; byte < 256; byte++) {
    let [lo, hi] = [byte, 0]
    for (let bit = 0; bit < 8; bit++) {
      const odd = lo & 1
      lo = (lo >>> 1) | (hi << 31)
      hi >>>= 1
      if (odd === 1) [lo, hi] = [lo ^ POLYNOMIAL_LOW, hi ^ POLYNOMIAL_HIGH]
    }
    low[byte] = lo
    high[byte] = hi
  }
  for (let index = 256; index < 2048; index++) {
    const lo = at(low, index - 256)
    const hi = at(high, index - 256)
    low[index] = ((lo >>> 8) | (hi << 24)) ^ at(low, lo & 255)
    high[index] = (hi >>> 8) ^ at(high, lo & 255)
  }
  return { low, high }
}

const TABLES = makeTables()

class Crc64Nvme implements Checksum {
  #low = -1
  #high = -1

  update(bytes: Uint8Array): void {
    // Locals and `as number`: this loop runs for every byte of a body, and indices are masked to the tables' length.
    const { low: tableLow, high: tableHigh } = TABLES
    const end = bytes.length
    let lo = this.#low
    let hi = this.#high
    let i = 0
    for (; i + 8 <= end; i += 8) {
      lo ^=
        (bytes[i] as number) |
        ((bytes[i + 1] as number) << 8) |
        ((bytes[i + 2] as number) << 16) |
        ((bytes[i + 3] as number) << 24)
      hi ^=
        (bytes[i + 4] as number) |
        ((bytes[i + 5] as number) << 8) |
        ((bytes[i + 6] as number) << 16) |
        ((bytes[i + 7] as number) << 24)
      const a = 1792 + (lo & 255)
      const b = 1536 + ((lo >>> 8) & 255)
      const c = 1280 + ((lo >>> 16) & 255)
      const d = 1024 + (lo >>> 24)
      const e = 768 + (hi & 255)
      const f = 512 + ((hi >>> 8) & 255)
      const g = 256 + ((hi >>> 16) & 255)
      const h = hi >>> 24
      lo =
        (tableLow[a] as number) ^
        (tableLow[b] as number) ^
        (tableLow[c] as number) ^
        (tableLow[d] as number) ^
        (tableLow[e] as number) ^
        (tableLow[f] as number) ^
        (tableLow[g] as number) ^
        (tableLow[h] as number)
      hi =
        (tableHigh[a] as number) ^
        (tableHigh[b] as number) ^
        (tableHigh[c] as number) ^
        (tableHigh[d] as number) ^
        (tableHigh[e] as number) ^
        (tableHigh[f] as number) ^
        (tableHigh[g] as number) ^
        (tableHigh[h] as number)
    }
    for (; i < end; i++) {
      const index = (lo ^ (bytes[i] as number)) & 255
      lo = ((lo >>> 8) | (hi << 24)) ^ (tableLow[index] as number)
      hi = (hi >>> 8) ^ (tableHigh[index] as number)
    }
    this.#low = lo
    this.#high = hi
  }

  digest(): Buffer {
    const out = Buffer.alloc(8)
    out.writeInt32BE(~this.#high, 0)
    out.writeInt32BE(~this.#low, 4)
    return out
  }
}
