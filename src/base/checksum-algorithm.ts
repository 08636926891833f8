/**
 * The checksums that S3 knows (API reference, "Checking object integrity"), with the length of the raw value.
 * Header and XML names follow from the name: `x-amz-checksum-crc32c`, `ChecksumCRC32C`.
 */
export const CHECKSUM_ALGORITHMS = {
  CRC32: { bytes: 4 },
  CRC32C: { bytes: 4 },
  CRC64NVME: { bytes: 8 },
  SHA1: { bytes: 20 },
  SHA256: { bytes: 32 },
} as const satisfies Record<string, { bytes: number }>

export type ChecksumAlgorithm = keyof typeof CHECKSUM_ALGORITHMS

export const CHECKSUM_NAMES = Object.keys(CHECKSUM_ALGORITHMS) as readonly ChecksumAlgorithm[]

/** True for the exact, upper-case name of a checksum algorithm. */
export function isChecksumAlgorithm(name: string): name is ChecksumAlgorithm {
  return Object.hasOwn(CHECKSUM_ALGORITHMS, name)
}
