/**
 * CRC-64/NVME (NVM Express NVM Command Set Specification 1.0d, section 5.2.1.3.4): reflected polynomial
 * 0x9a6c9329ac4bc9b5, initial value and final XOR all ones. Slicing by 8 over two 32-bit halves: a 64-bit BigInt per byte
 * would be some hundred times slower.
 */
const POLYNOMIAL = 0x9a6c9329ac4bc9b5n
const SLICES = 8

/** LOW[slice * 256 + byte] and HIGH[…]: the halves of the CRC of that byte followed by `slice` zero bytes. */
const LOW = new Int32Array(SLICES * 256)
const HIGH = new Int32Array(SLICES * 256)
for (let byte = 0; byte < 256; byte++) {
  let crc = BigInt(byte)
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ POLYNOMIAL : crc >> 1n
  LOW[byte] = Number(BigInt.asIntN(32, crc))
  HIGH[byte] = Number(BigInt.asIntN(32, crc >> 32n))
}
for (let index = 256; index < SLICES * 256; index++) {
  const [low, high] = [LOW[index - 256] ?? 0, HIGH[index - 256] ?? 0]
  const byte = low & 0xff
  LOW[index] = ((low >>> 8) | (high << 24)) ^ (LOW[byte] ?? 0)
  HIGH[index] = (high >>> 8) ^ (HIGH[byte] ?? 0)
}

export class Crc64Nvme {
  #low = -1
  #high = -1

  update(bytes: Uint8Array): void {
    const L = LOW
    const H = HIGH
    let low = this.#low
    let high = this.#high
    let at = 0
    const whole = bytes.length - (bytes.length % 8)
    while (at < whole) {
      const a =
        low ^
        ((bytes[at] as number) |
          ((bytes[at + 1] as number) << 8) |
          ((bytes[at + 2] as number) << 16) |
          ((bytes[at + 3] as number) << 24))
      const b =
        high ^
        ((bytes[at + 4] as number) |
          ((bytes[at + 5] as number) << 8) |
          ((bytes[at + 6] as number) << 16) |
          ((bytes[at + 7] as number) << 24))
      const [i0, i1, i2, i3] = [
        1792 + (a & 255),
        1536 + ((a >>> 8) & 255),
        1280 + ((a >>> 16) & 255),
        1024 + (a >>> 24),
      ]
      const [i4, i5, i6, i7] = [768 + (b & 255), 512 + ((b >>> 8) & 255), 256 + ((b >>> 16) & 255), b >>> 24]
      low =
        (L[i0] as number) ^
        (L[i1] as number) ^
        (L[i2] as number) ^
        (L[i3] as number) ^
        (L[i4] as number) ^
        (L[i5] as number) ^
        (L[i6] as number) ^
        (L[i7] as number)
      high =
        (H[i0] as number) ^
        (H[i1] as number) ^
        (H[i2] as number) ^
        (H[i3] as number) ^
        (H[i4] as number) ^
        (H[i5] as number) ^
        (H[i6] as number) ^
        (H[i7] as number)
      at += 8
    }
    for (; at < bytes.length; at++) {
      const index = (low ^ (bytes[at] as number)) & 255
      low = ((low >>> 8) | (high << 24)) ^ (L[index] as number)
      high = (high >>> 8) ^ (H[index] as number)
    }
    this.#low = low
    this.#high = high
  }

  /** Eight bytes, big endian, as S3 encodes it. */
  digest(): Buffer {
    const value = Buffer.alloc(8)
    value.writeInt32BE(~this.#high, 0)
    value.writeInt32BE(~this.#low, 4)
    return value
  }
}
