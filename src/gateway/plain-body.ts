import type { ChecksumAlgorithm } from '../base/checksum-algorithm.ts'

/**
 * Plaintext on its way in: exactly `size` bytes, to be iterated once. The iteration ends normally only if every check
 * that the client asked for has passed (length, digests, signatures); otherwise it throws the SealgateError that says
 * which. Bytes come out before they are checked, so nothing of them may become visible before the end.
 */
export interface PlainBody extends AsyncIterable<Uint8Array> {
  /** Bytes of plaintext, as announced. */
  readonly size: number
  /** The algorithm of the checksum that the client sends, in a header or in the trailer. */
  readonly announced: ChecksumAlgorithm | null
  /** What the client sent and was verified; valid once the iteration has ended. */
  checksums(): readonly { algorithm: ChecksumAlgorithm; value: Buffer }[]
  /** The MD5 of the plaintext if the client sent it; valid once the iteration has ended. */
  md5(): Buffer | undefined
}
