import { createChecksum } from '../base/checksum.ts'
import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm } from '../base/checksum-algorithm.ts'
import { combineCrc } from '../base/crc-combine.ts'
import type { FooterChecksums } from '../envelope/index.ts'
import type { UploadInit } from './upload-key-cache.ts'
import type { FoundPart } from './upload-state.ts'

/** The whole object's checksum from those of its parts, if the upload was begun with an algorithm and all parts have it. */
export function combineChecksums(init: UploadInit, found: readonly FoundPart[]): FooterChecksums {
  const algorithm = init.checksumAlgorithm ?? commonAlgorithm(found)
  if (algorithm === null || found.some(({ record }) => record.checksumAlgorithm !== algorithm))
    return { type: null, values: [], partAlgorithm: null }
  const type = init.checksumType ?? 'COMPOSITE'
  const value = type === 'FULL_OBJECT' ? combineFull(algorithm, found) : compose(algorithm, found)
  return { type, values: [{ algorithm, value }], partAlgorithm: algorithm }
}

function commonAlgorithm(found: readonly FoundPart[]): ChecksumAlgorithm | null {
  const algorithm = found[0]?.record.checksumAlgorithm ?? null
  return algorithm === 'CRC64NVME' ? null : algorithm
}

function combineFull(algorithm: ChecksumAlgorithm, found: readonly FoundPart[]): Buffer {
  return found
    .slice(1)
    .reduce(
      (crc, { record }) => combineCrc(algorithm, crc, record.checksum, record.size),
      found[0]?.record.checksum ?? Buffer.alloc(CHECKSUM_ALGORITHMS[algorithm].bytes),
    )
}

/** A composite checksum is the checksum of the parts' checksums. */
function compose(algorithm: ChecksumAlgorithm, found: readonly FoundPart[]): Buffer {
  const joined = Buffer.concat(found.map(({ record }) => record.checksum))
  const checksum = createChecksum(algorithm)
  checksum.update(joined)
  return checksum.digest()
}
