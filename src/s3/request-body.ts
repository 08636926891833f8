import { createHash, type Hash, timingSafeEqual } from 'node:crypto'
import { type Checksum, checksumHeader, createChecksum } from '../base/checksum.ts'
import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm } from '../base/checksum-algorithm.ts'
import { SealgateError } from '../errors.ts'
import type { PlainBody } from '../gateway/plain-body.ts'
import { decodeAwsChunked } from './aws-chunked.ts'
import type { RequestHeaders } from './headers.ts'
import type { Payload } from './sigv4.ts'

const ALGORITHMS = Object.keys(CHECKSUM_ALGORITHMS) as ChecksumAlgorithm[]

export interface RequestBodyOptions {
  readonly body: AsyncIterable<Uint8Array>
  readonly method: string
  readonly headers: RequestHeaders
  readonly payload: Payload
  readonly maxBytes: number
}

/** The plaintext of a request, whatever its framing, with every check that the client asked for and no other. */
export function requestBody(options: RequestBodyOptions): PlainBody {
  const { headers, payload, maxBytes } = options
  const chunked = payload.mode === 'signed-chunks' || payload.mode === 'unsigned-chunks-trailer'
  const size = readSize(headers, chunked)
  if (size > maxBytes)
    throw new SealgateError(
      maxBytes >= Number.MAX_SAFE_INTEGER ? 'EntityTooLarge' : 'MaxMessageLengthExceeded',
    )
  const expectedMd5 = readMd5(headers.get('content-md5'))
  const expected = readExpected(headers, payload)
  let found: { algorithm: ChecksumAlgorithm; value: Buffer }[] = []
  async function* read(): AsyncGenerator<Uint8Array> {
    const trailers = new Map<string, string>()
    const source = chunked ? decodeAwsChunked(options.body, payload, trailers) : options.body
    const checksum: Checksum | null = expected === null ? null : createChecksum(expected.algorithm)
    const md5: Hash | null = expectedMd5 === undefined ? null : createHash('md5')
    const sha256: Hash | null = payload.mode === 'sha256' ? createHash('sha256') : null
    let received = 0
    for await (const bytes of source) {
      received += bytes.length
      if (received > size)
        throw new SealgateError(
          'IncompleteBody',
          'The body is longer than the length that was sent in the headers.',
        )
      checksum?.update(bytes)
      md5?.update(bytes)
      sha256?.update(bytes)
      yield bytes
    }
    if (received !== size) throw new SealgateError('IncompleteBody')
    if (payload.mode === 'sha256' && sha256 !== null && !timingSafeEqual(sha256.digest(), payload.sha256))
      throw new SealgateError('XAmzContentSHA256Mismatch')
    if (md5 !== null && expectedMd5 !== undefined && !md5.digest().equals(expectedMd5))
      throw new SealgateError('BadDigest', 'The Content-MD5 you specified did not match what we received.')
    if (checksum !== null && expected !== null) {
      const value = checksum.digest()
      const want =
        expected.value ?? readChecksum(expected.algorithm, trailers.get(checksumHeader(expected.algorithm)))
      if (!value.equals(want))
        throw new SealgateError(
          'BadDigest',
          `The ${expected.algorithm} you specified did not match the calculated checksum.`,
        )
      found = [{ algorithm: expected.algorithm, value }]
    }
  }
  return { size, checksums: () => found, md5: () => expectedMd5, [Symbol.asyncIterator]: read }
}

/** Collects a body of a document. */
export async function readSmallBody(body: PlainBody, maxBytes: number): Promise<Buffer> {
  if (body.size > maxBytes) throw new SealgateError('MaxMessageLengthExceeded')
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

function readSize(headers: RequestHeaders, chunked: boolean): number {
  const text = headers.get(chunked ? 'x-amz-decoded-content-length' : 'content-length')
  if (text === undefined) {
    // A request without a body may leave the length out; a body of unknown length cannot be stored.
    if (!chunked && headers.get('transfer-encoding') === undefined) return 0
    throw new SealgateError('MissingContentLength')
  }
  if (!/^\d{1,15}$/.test(text))
    throw new SealgateError('InvalidArgument', 'The length of the body must be a whole number of bytes.', {
      details: { ArgumentName: 'Content-Length', ArgumentValue: text },
    })
  return Number(text)
}

function readMd5(header: string | undefined): Buffer | undefined {
  if (header === undefined) return undefined
  const value = Buffer.from(header, 'base64')
  if (value.length !== 16 || value.toString('base64') !== header)
    throw new SealgateError('InvalidDigest', 'The Content-MD5 you specified is not valid.')
  return value
}

/** The one checksum of a request: in a header, or announced by x-amz-trailer (its value is null until it arrives). */
function readExpected(
  headers: RequestHeaders,
  payload: Payload,
): { algorithm: ChecksumAlgorithm; value: Buffer | null } | null {
  const announced = (headers.get('x-amz-trailer') ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  const inHeaders = ALGORITHMS.filter((algorithm) => headers.get(checksumHeader(algorithm)) !== undefined)
  const inTrailers = ALGORITHMS.filter((algorithm) => announced.includes(checksumHeader(algorithm)))
  if (announced.length > inTrailers.length)
    throw new SealgateError(
      'InvalidRequest',
      'The value specified in the x-amz-trailer header is not supported',
    )
  const [algorithm, ...others] = [...inHeaders, ...inTrailers]
  if (others.length > 0)
    throw new SealgateError(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    )
  const named = headers.get('x-amz-sdk-checksum-algorithm')?.toUpperCase()
  if (named !== undefined && algorithm !== undefined && named !== algorithm)
    throw new SealgateError('InvalidRequest', 'Value for x-amz-sdk-checksum-algorithm header is invalid.')
  if (algorithm === undefined) return null
  if (inTrailers.length > 0) {
    const hasTrailer =
      payload.mode === 'unsigned-chunks-trailer' || (payload.mode === 'signed-chunks' && payload.trailer)
    if (!hasTrailer)
      throw new SealgateError('InvalidRequest', 'x-amz-trailer needs a body that is sent with a trailer.')
    return { algorithm, value: null }
  }
  return { algorithm, value: readChecksum(algorithm, headers.get(checksumHeader(algorithm))) }
}

function readChecksum(algorithm: ChecksumAlgorithm, text: string | undefined): Buffer {
  const value = Buffer.from(text ?? '', 'base64')
  if (value.length !== CHECKSUM_ALGORITHMS[algorithm].bytes || value.toString('base64') !== text) {
    throw new SealgateError('InvalidRequest', `Value for ${checksumHeader(algorithm)} header is invalid.`)
  }
  return value
}
