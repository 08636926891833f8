import type { ChecksumAlgorithm } from '../base/checksum-algorithm.ts'
import { CHECKSUM_ID } from './constants.ts'

/** The algorithm of an id byte: null for 0 (none), undefined for an unknown id. */
export function algorithmById(id: number): ChecksumAlgorithm | null | undefined {
  return id === 0 ? null : BY_ID.get(id)
}

const BY_ID: ReadonlyMap<number, ChecksumAlgorithm> = new Map(
  Object.entries(CHECKSUM_ID).map(([name, id]) => [id, name as ChecksumAlgorithm]),
)
