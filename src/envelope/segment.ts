import { createCipheriv } from 'node:crypto'
import { NONCE_SIZE, SEALED_SEGMENT_SIZE, SEGMENT_SIZE, TAG_SIZE } from './constants.ts'
import { openGcm } from './record.ts'
import { segmentCount, segmentsSize } from './size.ts'

/** The one place that makes segment nonces: index (11 bytes, big endian) ‖ 1 for the part's last segment, else 0. */
export function segmentNonce(index: number, last: boolean): Buffer {
  const nonce = Buffer.alloc(NONCE_SIZE)
  nonce.writeUIntBE(index, 5, 6)
  nonce[11] = last ? 1 : 0
  return nonce
}

/** One segment sealed: its ciphertext, as long as the plaintext, and its tag, which follows it. */
export function sealSegment(
  key: Buffer,
  plain: Uint8Array,
  nonce: Buffer,
): [ciphertext: Buffer, tag: Buffer] {
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_SIZE })
  const ciphertext = cipher.update(plain)
  cipher.final()
  return [ciphertext, cipher.getAuthTag()]
}

/** The plaintext of one sealed segment, or null if its tag does not fit. */
export function openSegment(key: Buffer, sealed: Uint8Array, nonce: Buffer): Buffer | null {
  return openGcm(key, nonce, sealed)
}

/** Which stored bytes of a part hold some of its plaintext. All offsets are relative to the part. */
export interface SegmentRange {
  readonly firstSegment: number
  /** First stored byte. */
  readonly storedStart: number
  /** Last stored byte, inclusive as in a Range header. */
  readonly storedEnd: number
  /** Plaintext bytes of the first segment that were not asked for. */
  readonly skip: number
  /** Plaintext bytes that were asked for. */
  readonly length: number
}

/**
 * The segments that hold plaintext bytes `start` to `endInclusive` of a part of `partSize` bytes. An empty part
 * has the one range (0, -1): its empty segment. Anything outside is a RangeError.
 */
export function segmentRange(partSize: number, start: number, endInclusive: number): SegmentRange {
  const empty = partSize === 0 && start === 0 && endInclusive === -1
  const inside =
    Number.isSafeInteger(start) &&
    Number.isSafeInteger(endInclusive) &&
    0 <= start &&
    start <= endInclusive &&
    endInclusive < partSize
  if (!empty && !inside)
    throw new RangeError(`expected a range within ${partSize} bytes, got ${start}-${endInclusive}`)
  const firstSegment = Math.floor(start / SEGMENT_SIZE)
  const lastSegment = empty ? 0 : Math.floor(endInclusive / SEGMENT_SIZE)
  return {
    firstSegment,
    storedStart: firstSegment * SEALED_SEGMENT_SIZE,
    storedEnd: Math.min((lastSegment + 1) * SEALED_SEGMENT_SIZE, segmentsSize(partSize)) - 1,
    skip: start - firstSegment * SEGMENT_SIZE,
    length: endInclusive - start + 1,
  }
}

/** Plaintext bytes in segment `index` of a part of `partSize` bytes. */
export function plainSegmentSize(partSize: number, index: number): number {
  return index === segmentCount(partSize) - 1 ? partSize - index * SEGMENT_SIZE : SEGMENT_SIZE
}
