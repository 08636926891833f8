/**
 * The checksums of Amazon S3 ("Checking object integrity"): CRC-32 (ISO-HDLC), CRC-32C (iSCSI, RFC 3720),
 * CRC-64/NVME (NVM Express NVM Command Set 5.2.1.3.4), SHA-1 and SHA-256. Values are big-endian bytes.
 */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { crc32c } from '@node-rs/crc32'
import type { ChecksumAlgorithm } from './checksum-algorithm.ts'
import { crc64Nvme } from './crc-64.ts'

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
      return crc64Nvme()
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
