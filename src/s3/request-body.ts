/** The body of a request with every check that its headers and trailers ask for. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { ByteBudget } from '../base/byte-budget.ts'
import { checksumHeader, createChecksum } from '../base/checksum.ts'
import {
  CHECKSUM_ALGORITHMS,
  CHECKSUM_NAMES,
  type ChecksumAlgorithm,
  isChecksumAlgorithm,
} from '../base/checksum-algorithm.ts'
import { SealgateError } from '../errors.ts'
import { requireDigest } from '../gateway/checksum.ts'
import type { PlainBody } from '../gateway/plain-body.ts'
import { type ChunkedPayload, decodeAwsChunked } from './aws-chunked.ts'
import type { RequestHeaders } from './headers.ts'
import type { Payload } from './sigv4.ts'

export interface RequestBodyOptions {
  /** The bytes of the HTTP body, without transfer coding. Nothing is read before the result is iterated. */
  readonly body: AsyncIterable<Uint8Array>
  readonly method: string
  readonly headers: RequestHeaders
  readonly payload: Payload
  readonly maxBytes: number
  /**
   * What x-amz-checksum-* headers speak of; 'body' unless said. CompleteMultipartUpload's are of the 'object' being
   * completed, and say nothing of the XML.
   */
  readonly checksumsOf?: 'body' | 'object'
}

/**
 * @throws SealgateError MissingContentLength, MaxMessageLengthExceeded, InvalidDigest, InvalidRequest,
 *   InvalidArgument; the iteration throws BadDigest, XAmzContentSHA256Mismatch, IncompleteBody and those of aws-chunked
 */
export function requestBody(options: RequestBodyOptions): PlainBody {
  const { headers, payload } = options
  const chunked = isChunked(payload)
  checkFraming(headers, payload)
  const size = readSize(options, chunked)
  if (size > options.maxBytes) {
    throw new SealgateError('MaxMessageLengthExceeded', undefined, {
      details: { MaxMessageLengthBytes: String(options.maxBytes) },
    })
  }
  const trailers = readAnnounced(headers, chunked)
  const checksum = options.checksumsOf === 'object' ? null : readChecksum(headers, trailers)
  return new RequestBody({ ...options, size, trailers, checksum, md5: readMd5(headers) })
}

/** Of all bodies that are being held whole. */
const heldBodies = new ByteBudget(64 * 1024 * 1024)

/** The whole of a small body, once it has passed its checks. */
export async function readSmallBody(body: PlainBody, maxBytes: number, budget = heldBodies): Promise<Buffer> {
  if (body.size > maxBytes) {
    throw new SealgateError('MaxMessageLengthExceeded', undefined, {
      details: { MaxMessageLengthBytes: String(maxBytes) },
    })
  }
  // Not a list of pieces: in chunks of one byte, each would weigh a hundred times what it holds.
  const bytes = Buffer.alloc(body.size)
  let held = 0
  try {
    for await (const piece of body) {
      if (!budget.take(piece.length))
        throw new SealgateError('SlowDown', undefined, { headers: { 'retry-after': '1' } })
      bytes.set(piece, held)
      held += piece.length
    }
    return bytes
  } finally {
    budget.giveBack(held)
  }
}

function isChunked(payload: Payload): payload is ChunkedPayload {
  return payload.mode === 'signed-chunks' || payload.mode === 'unsigned-chunks-trailer'
}

/**
 * A body whose framing nobody announced as payload mode would be stored framing and all. Where the body's own hash was signed, and no
 * length of what is in it was, it has none: the coding is but a word that the client left there.
 */
function checkFraming(headers: RequestHeaders, payload: Payload): void {
  const codings = (headers.get('content-encoding') ?? '').toLowerCase().split(',')
  if (isChunked(payload) || !codings.some((coding) => coding.trim() === 'aws-chunked')) return
  if (payload.mode === 'sha256' && headers.get('x-amz-decoded-content-length') === undefined) return
  throw new SealgateError(
    'InvalidArgument',
    'Content-Encoding: aws-chunked needs an x-amz-content-sha256 of the STREAMING kind.',
    { details: { ArgumentName: 'Content-Encoding' } },
  )
}

function readSize({ headers, method }: RequestBodyOptions, chunked: boolean): number {
  const text = headers.get(chunked ? 'x-amz-decoded-content-length' : 'content-length')
  if (text === undefined) {
    // Neither length nor transfer coding is an empty body (RFC 9112 section 6.3); S3 wants to be told so for PUT.
    const bodyless = !chunked && headers.all('transfer-encoding').length === 0 && method !== 'PUT'
    if (bodyless) return 0
    throw new SealgateError('MissingContentLength')
  }
  const size = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(size)) {
    throw new SealgateError('InvalidArgument', 'The length of the body is not a number.', {
      details: { ArgumentValue: text },
    })
  }
  return size
}

/** The value of Content-MD5. */
export function readMd5(headers: RequestHeaders): Buffer | null {
  const text = headers.get('content-md5')
  if (text === undefined) return null
  const value = decodeBase64(text, 16)
  if (value === null)
    throw new SealgateError('InvalidDigest', undefined, { details: { 'Content-MD5': text } })
  return value
}

/** Null unless the text is the one base64 text of exactly so many bytes. */
function decodeBase64(text: string, bytes: number): Buffer | null {
  const value = Buffer.from(text, 'base64')
  return value.length === bytes && value.toString('base64') === text ? value : null
}

function algorithmOfHeader(name: string): ChecksumAlgorithm | undefined {
  return CHECKSUM_NAMES.find((algorithm) => checksumHeader(algorithm) === name)
}

function readAnnounced(headers: RequestHeaders, chunked: boolean): readonly string[] {
  const names = headers
    .all('x-amz-trailer')
    .flatMap((value) => value.split(','))
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '')
  if (names.some((name) => algorithmOfHeader(name) === undefined))
    throw new SealgateError(
      'InvalidRequest',
      'The value specified in the x-amz-trailer header is not supported',
    )
  if (names.length > 0 && !chunked) {
    throw new SealgateError(
      'InvalidRequest',
      'x-amz-trailer needs an x-amz-content-sha256 of the STREAMING-…-TRAILER kind.',
    )
  }
  return names
}

export interface ExpectedChecksum {
  readonly algorithm: ChecksumAlgorithm
  /** Null: it comes in the trailer. */
  readonly value: Buffer | null
}

/** Headers of this prefix that are no values. */
const NO_VALUES = new Set(['x-amz-checksum-algorithm', 'x-amz-checksum-type', 'x-amz-checksum-mode'])

/** @param trailers names of those that come behind the body */
export function readChecksum(headers: RequestHeaders, trailers: readonly string[]): ExpectedChecksum | null {
  const sent = headers.names().filter((name) => name.startsWith('x-amz-checksum-') && !NO_VALUES.has(name))
  const names = [...sent, ...trailers]
  if (names.length > 1) {
    throw new SealgateError(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    )
  }
  const [name] = names
  const algorithm = name === undefined ? undefined : algorithmOfHeader(name)
  if (name !== undefined && algorithm === undefined)
    throw new SealgateError('InvalidRequest', `The checksum of the header ${name} is not supported.`)
  checkSdkAlgorithm(headers, algorithm)
  if (name === undefined || algorithm === undefined) return null
  const text = sent.length === 0 ? undefined : headers.get(name)
  return { algorithm, value: text === undefined ? null : readChecksumValue(algorithm, text) }
}

function readChecksumValue(algorithm: ChecksumAlgorithm, text: string): Buffer {
  const value = decodeBase64(text, CHECKSUM_ALGORITHMS[algorithm].bytes)
  if (value !== null) return value
  throw new SealgateError('InvalidRequest', `Value for ${checksumHeader(algorithm)} header is invalid.`)
}

/** What the SDK says it computes must be what it sent. */
function checkSdkAlgorithm(headers: RequestHeaders, sent: ChecksumAlgorithm | undefined): void {
  const named = headers.get('x-amz-sdk-checksum-algorithm')?.toUpperCase()
  if (named === undefined || named === sent) return
  throw new SealgateError(
    'InvalidRequest',
    sent === undefined && isChecksumAlgorithm(named)
      ? 'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.'
      : 'Value for x-amz-sdk-checksum-algorithm header is invalid.',
  )
}

interface RequestBodyParts extends RequestBodyOptions {
  readonly size: number
  readonly trailers: readonly string[]
  readonly checksum: ExpectedChecksum | null
  readonly md5: Buffer | null
}

class RequestBody implements PlainBody {
  readonly size: number
  readonly announced: ChecksumAlgorithm | null
  readonly #parts: RequestBodyParts
  #state: 'fresh' | 'running' | 'verified' = 'fresh'
  /** The checksum that is expected; a trailer fills it in. */
  #expected: Buffer | null

  constructor(parts: RequestBodyParts) {
    this.size = parts.size
    this.announced = parts.checksum?.algorithm ?? null
    this.#parts = parts
    this.#expected = parts.checksum?.value ?? null
  }

  checksums(): readonly { algorithm: ChecksumAlgorithm; value: Buffer }[] {
    this.#assertVerified()
    const { checksum } = this.#parts
    return checksum === null || this.#expected === null
      ? []
      : [{ algorithm: checksum.algorithm, value: this.#expected }]
  }

  md5(): Buffer | undefined {
    this.#assertVerified()
    return this.#parts.md5 ?? undefined
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    if (this.#state !== 'fresh') throw new TypeError('a request body can be read only once')
    this.#state = 'running'
    const { payload, md5, checksum } = this.#parts
    const sha256Hash = payload.mode === 'sha256' ? createHash('sha256') : null
    const md5Hash = md5 === null ? null : createHash('md5')
    const running = checksum === null ? null : createChecksum(checksum.algorithm)
    let total = 0
    for await (const piece of this.#plain()) {
      total += piece.length
      if (total > this.size) throw tooLong()
      if (piece.length === 0) continue
      sha256Hash?.update(piece)
      md5Hash?.update(piece)
      running?.update(piece)
      yield piece
    }
    if (total !== this.size) throw new SealgateError('IncompleteBody')
    if (payload.mode === 'sha256' && sha256Hash !== null) checkSha256(payload.sha256, sha256Hash.digest())
    if (md5 !== null && md5Hash !== null) requireDigest('Content-MD5', md5, md5Hash.digest())
    if (checksum !== null && running !== null)
      requireDigest(checksum.algorithm, this.#expected, running.digest())
    this.#state = 'verified'
  }

  #plain(): AsyncIterable<Uint8Array> {
    const { body, payload, trailers, checksum } = this.#parts
    if (!isChunked(payload)) return body
    return decodeAwsChunked(body, {
      payload,
      announced: trailers,
      onTrailers: (found) => {
        const text = checksum === null ? undefined : found.get(checksumHeader(checksum.algorithm))
        if (checksum !== null && text !== undefined)
          this.#expected = readChecksumValue(checksum.algorithm, text)
      },
    })
  }

  #assertVerified(): void {
    if (this.#state !== 'verified')
      throw new TypeError('checksums of a request body are known only once it has been read and verified')
  }
}

function tooLong(): SealgateError {
  return new SealgateError('IncompleteBody', 'The request body is longer than its headers say.')
}

function checkSha256(expected: Buffer, computed: Buffer): void {
  if (timingSafeEqual(expected, computed)) return
  throw new SealgateError('XAmzContentSHA256Mismatch', undefined, {
    details: {
      ClientComputedContentSHA256: expected.toString('hex'),
      S3ComputedContentSHA256: computed.toString('hex'),
    },
  })
}
