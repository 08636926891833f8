/**
 * The aws-chunked content coding (S3 API reference, "Signature Calculations for the Authorization Header: Transferring
 * Payload in Multiple Chunks" and "… with trailing headers"), with and without signatures.
 *
 *   size-in-hex[;chunk-signature=hex] CRLF bytes CRLF … 0[;chunk-signature=hex] CRLF [name:value CRLF …] CRLF
 */
import { createHash, createHmac, type Hash, timingSafeEqual } from 'node:crypto'
import { trimBlanks } from '../base/blanks.ts'
import { SealgateError } from '../errors.ts'
import type { Payload, SignedChunks } from './sigv4.ts'

export type ChunkedPayload = Extract<Payload, { mode: 'signed-chunks' | 'unsigned-chunks-trailer' }>

const MAX_CHUNK_HEADER_BYTES = 256
const MAX_TRAILER_BYTES = 8 * 1024
const EMPTY_SHA256 = createHash('sha256').digest('hex')

export interface ChunkedOptions {
  readonly payload: ChunkedPayload
  /** Lower-case names of x-amz-trailer: each must come, and no other. */
  readonly announced: readonly string[]
  /** Called once, when the whole body including its trailers has been verified. */
  readonly onTrailers: (trailers: ReadonlyMap<string, string>) => void
}

/**
 * The bytes inside, as views of what comes in: a chunk's bytes come out before its signature is checked (a chunk may be
 * larger than memory), so they count only once the iteration has ended.
 * @throws SealgateError IncompleteBody (cut), InvalidRequest (framing), SignatureDoesNotMatch, MalformedTrailerError
 */
export async function* decodeAwsChunked(
  body: AsyncIterable<Uint8Array>,
  options: ChunkedOptions,
): AsyncGenerator<Uint8Array> {
  const { payload } = options
  const signatures = payload.mode === 'signed-chunks' ? new SignatureChain(payload) : null
  const reader = new Reader(body)
  try {
    for (;;) {
      const { size, signature } = readChunkHeader(await reader.line(), signatures !== null)
      const hash = signatures === null ? null : createHash('sha256')
      if (size > 0) yield* chunkBytes(reader, size, hash)
      if (signatures !== null && hash !== null) signatures.checkChunk(hash, signature)
      if (size === 0) break
    }
    const rest = await reader.rest(MAX_TRAILER_BYTES)
    options.onTrailers(readTrailers(rest, options, signatures))
  } finally {
    await reader.close()
  }
}

async function* chunkBytes(reader: Reader, size: number, hash: Hash | null): AsyncGenerator<Uint8Array> {
  for (let remaining = size; remaining > 0; ) {
    const bytes = await reader.some(remaining)
    hash?.update(bytes)
    remaining -= bytes.length
    yield bytes
  }
  await reader.lineEnd()
}

function readChunkHeader(line: string, signed: boolean): { size: number; signature: string } {
  const match = /^([0-9a-fA-F]{1,13})(?:;chunk-signature=([0-9a-f]{64}))?\r\n$/.exec(line)
  const size = Number.parseInt(match?.[1] ?? '', 16)
  if (match === null || !Number.isSafeInteger(size)) throw malformed('a chunk header')
  const signature = match[2] ?? ''
  if (signed && signature === '') throw malformed('a chunk header: it has no chunk-signature')
  return { size, signature }
}

function malformed(what: string): SealgateError {
  return new SealgateError('InvalidRequest', `The aws-chunked body is malformed at ${what}.`)
}

/** Each signature covers the one before it, from the request's own to the trailer's. */
class SignatureChain {
  readonly #payload: SignedChunks
  #previous: string

  constructor(payload: SignedChunks) {
    this.#payload = payload
    this.#previous = payload.seedSignature
  }

  checkChunk(data: Hash, signature: string): void {
    this.#check('AWS4-HMAC-SHA256-PAYLOAD', [EMPTY_SHA256, data.digest('hex')], signature)
  }

  checkTrailer(trailer: string, signature: string): void {
    const hash = createHash('sha256').update(trailer, 'latin1').digest('hex')
    this.#check('AWS4-HMAC-SHA256-TRAILER', [hash], signature)
  }

  #check(algorithm: string, hashes: readonly string[], signature: string): void {
    const { timestamp, scope, signingKey } = this.#payload
    const toSign = [algorithm, timestamp, scope, this.#previous, ...hashes].join('\n')
    const expected = createHmac('sha256', signingKey).update(toSign).digest()
    const provided = Buffer.from(signature, 'hex')
    if (provided.length !== expected.length || !timingSafeEqual(provided, expected)) {
      throw new SealgateError('SignatureDoesNotMatch', undefined, {
        reason: 'a chunk or trailer signature',
        details: { StringToSign: toSign, SignatureProvided: signature },
      })
    }
    this.#previous = signature
  }
}

const TRAILER_SIGNATURE = 'x-amz-trailer-signature'

/** Clients end lines by LF alone, put empty lines before the signature, or leave the last line end out. */
function readTrailers(
  text: string,
  { payload, announced }: ChunkedOptions,
  signatures: SignatureChain | null,
): ReadonlyMap<string, string> {
  const trailers = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    if (line === '') continue
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)$/.exec(line)
    const name = match?.[1]?.toLowerCase()
    if (name === undefined || trailers.has(name)) throw new SealgateError('MalformedTrailerError')
    trailers.set(name, trimBlanks(match?.[2] ?? ''))
  }
  if (signatures !== null && payload.mode === 'signed-chunks' && payload.trailer) {
    const signature = trailers.get(TRAILER_SIGNATURE) ?? ''
    trailers.delete(TRAILER_SIGNATURE)
    if (!/^[0-9a-f]{64}$/.test(signature)) throw new SealgateError('MalformedTrailerError')
    const signed = [...trailers].map(([name, value]) => `${name}:${value}\n`).join('')
    signatures.checkTrailer(signed, signature)
  }
  const complete = announced.every((name) => trailers.has(name))
  if (!complete || trailers.size !== new Set(announced).size) throw new SealgateError('MalformedTrailerError')
  return trailers
}

/** A stream of bytes, read by lines and by runs, holding no more than one piece of it and one line. */
class Reader {
  readonly #source: AsyncIterator<Uint8Array>
  #piece: Uint8Array = new Uint8Array(0)

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#source = body[Symbol.asyncIterator]()
  }

  /** The next line with its end, as latin1. */
  async line(): Promise<string> {
    let text = ''
    for (;;) {
      const piece = await this.#next()
      if (piece === null) throw cut()
      const end = piece.indexOf(0x0a)
      const bytes = end < 0 ? piece : piece.subarray(0, end + 1)
      if (text.length + bytes.length > MAX_CHUNK_HEADER_BYTES)
        throw malformed('a chunk header: it is too long')
      text += Buffer.from(bytes).toString('latin1')
      this.#piece = piece.subarray(bytes.length)
      if (end >= 0) return text
    }
  }

  /** At least one byte and at most `limit`. */
  async some(limit: number): Promise<Uint8Array> {
    const piece = await this.#next()
    if (piece === null) throw cut()
    const bytes = piece.subarray(0, limit)
    this.#piece = piece.subarray(bytes.length)
    return bytes
  }

  async lineEnd(): Promise<void> {
    for (const expected of [0x0d, 0x0a]) {
      if ((await this.some(1))[0] !== expected) throw malformed('the end of a chunk')
    }
  }

  /** Everything up to the end, which must come within `limit` bytes, as latin1. */
  async rest(limit: number): Promise<string> {
    let text = ''
    for (;;) {
      const piece = await this.#next()
      if (piece === null) return text
      if (text.length + piece.length > limit)
        throw malformed('its end: there is too much behind the last chunk')
      text += Buffer.from(piece).toString('latin1')
      this.#piece = new Uint8Array(0)
    }
  }

  /** Lets the source go when the decoding ends early. */
  async close(): Promise<void> {
    await this.#source.return?.()
  }

  async #next(): Promise<Uint8Array | null> {
    while (this.#piece.length === 0) {
      const next = await this.#source.next()
      if (next.done === true) return null
      this.#piece = next.value
    }
    return this.#piece
  }
}

function cut(): SealgateError {
  return new SealgateError('IncompleteBody', 'The request body terminated unexpectedly.')
}
