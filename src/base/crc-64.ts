/**
 * CRCs of 64 bits, reflected, with the register all ones at the start and inverted at the end: CRC-64/NVME (NVM Express NVM Command Set
 * 5.2.1.3.4), which is S3's, and CRC-64/XZ (the polynomial of ECMA-182), which is Tencent COS's. Values are big-endian bytes.
 */
import type { Checksum } from './checksum.ts'

export function crc64Nvme(): Checksum {
  return new Crc64(NVME)
}

export function crc64Xz(): Checksum {
  return new Crc64(XZ)
}

interface Tables {
  readonly low: Int32Array
  readonly high: Int32Array
}

/** `tables[256 k + b]` is what byte b does to the register k bytes further on: eight bytes a step ("slicing by 8"). The polynomial has its bits reversed. */
function makeTables(polynomial: bigint): Tables {
  const polynomialLow = Number(BigInt.asIntN(32, polynomial))
  const polynomialHigh = Number(BigInt.asIntN(32, polynomial >> 32n))
  const low = new Int32Array(2048)
  const high = new Int32Array(2048)
  const at = (table: Int32Array, index: number): number => table[index] ?? 0
  for (let byte = 0; byte < 256; byte++) {
    let [lo, hi] = [byte, 0]
    for (let bit = 0; bit < 8; bit++) {
      const odd = lo & 1
      lo = (lo >>> 1) | (hi << 31)
      hi >>>= 1
      if (odd === 1) [lo, hi] = [lo ^ polynomialLow, hi ^ polynomialHigh]
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

const NVME = makeTables(0x9a6c9329ac4bc9b5n)
const XZ = makeTables(0xc96c5795d7870f42n)

class Crc64 implements Checksum {
  readonly #tables: Tables
  #low = -1
  #high = -1

  constructor(tables: Tables) {
    this.#tables = tables
  }

  update(bytes: Uint8Array): void {
    // Locals and `as number`: this loop runs for every byte of a body, and indices are masked to the tables' length.
    const { low: tableLow, high: tableHigh } = this.#tables
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
