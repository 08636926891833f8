import { createChecksum } from '../base/checksum.ts'
import type { ChecksumAlgorithm } from '../base/checksum-algorithm.ts'
import type { PlainBody } from './plain-body.ts'

/**
 * The same body, with a checksum of this algorithm computed on the way if the client does not send it itself: S3 computes
 * the checksums that an upload or a copy asks for. Without an algorithm the body comes back as it is.
 */
export function withChecksum(body: PlainBody, algorithm: ChecksumAlgorithm | null): PlainBody {
  if (algorithm === null || body.announced === algorithm) return body
  const checksum = createChecksum(algorithm)
  let value: Buffer | undefined
  return {
    size: body.size,
    announced: algorithm,
    checksums: () => (value === undefined ? [] : [{ algorithm, value }]),
    md5: () => body.md5(),
    async *[Symbol.asyncIterator]() {
      for await (const bytes of body) {
        checksum.update(bytes)
        yield bytes
      }
      value = checksum.digest()
    },
  }
}
