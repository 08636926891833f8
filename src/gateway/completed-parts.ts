import type { ChecksumAlgorithm } from '../base/checksum-algorithm.ts'
import { MIN_PART_SIZE } from '../envelope/index.ts'
import { SealgateError } from '../errors.ts'
import type { FoundPart } from './upload-state.ts'

/** A part as a client lists it in CompleteMultipartUpload. */
export interface CompletedPart {
  readonly partNumber: number
  readonly etag: string
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly value: Buffer } | undefined
}

/** Matches what the client lists with what was uploaded, by S3's rules and errors. */
export function selectParts(
  listed: readonly CompletedPart[],
  found: readonly FoundPart[],
): readonly FoundPart[] {
  const byNumber = Map.groupBy(found, ({ record }) => record.partNumber)
  if (listed.some((part, index) => part.partNumber <= (listed[index - 1]?.partNumber ?? 0)))
    throw new SealgateError('InvalidPartOrder')
  return listed.map((part, index) => {
    const candidates = byNumber.get(part.partNumber) ?? []
    const match = candidates.findLast(({ record }) => record.etag === part.etag)
    // A part in the store that was replaced meanwhile is the store's to refuse; among the others the latest stands.
    if (match === undefined || (match.record.location !== 'part' && match !== candidates.at(-1)))
      throw invalidPart(part)
    checkPartChecksum(part, match)
    if (match.record.size < MIN_PART_SIZE && index < listed.length - 1) {
      throw new SealgateError('EntityTooSmall', undefined, {
        details: {
          ETag: part.etag,
          MinSizeAllowed: String(MIN_PART_SIZE),
          PartNumber: String(part.partNumber),
          ProposedSize: String(match.record.size),
        },
      })
    }
    return match
  })
}

function invalidPart(part: CompletedPart): SealgateError {
  return new SealgateError('InvalidPart', undefined, {
    details: { ETag: part.etag, PartNumber: String(part.partNumber) },
  })
}

function checkPartChecksum(part: CompletedPart, { record }: FoundPart): void {
  if (part.checksum === undefined || record.checksumAlgorithm === null) return
  if (part.checksum.algorithm !== record.checksumAlgorithm || !part.checksum.value.equals(record.checksum))
    throw invalidPart(part)
}
