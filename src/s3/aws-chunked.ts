import { createHash, createHmac } from 'node:crypto'
import { SealgateError } from '../errors.ts'
import { type Payload, sameSignature } from './sigv4.ts'

/*
 * The aws-chunked framing: "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks" and
 * "…Including trailing headers" in the Amazon S3 API reference.
 *   chunk = hex size [;chunk-signature=…] CRLF bytes CRLF, the last one of size 0 and without bytes
 *   then the trailers, each a line, and for signed chunks a line x-amz-trailer-signature
 */

const MAX_LINE_BYTES = 1024
const MAX_TRAILERS = 16
const EMPTY_SHA256 = createHash('sha256').digest('hex')

type Chunked = Extract<Payload, { mode: 'signed-chunks' | 'unsigned-chunks-trailer' }>

/**
 * Yields the decoded bytes, and ends normally only if the framing, every chunk's signature and the trailer's are right.
 * `trailers` is filled by then; names are lower-case.
 */
export async function* decodeAwsChunked(
  body: AsyncIterable<Uint8Array>,
  payload: Chunked,
  trailers: Map<string, string>,
): AsyncGenerator<Uint8Array> {
  const reader = new LineReader(body)
  const chain = payload.mode === 'signed-chunks' ? new SignatureChain(payload) : null
  for (;;) {
    const { size, signature } = parseChunkHeader(await reader.line(), chain !== null)
    const hash = chain === null ? null : createHash('sha256')
    for await (const bytes of reader.take(size)) {
      hash?.update(bytes)
      yield bytes
    }
    chain?.checkChunk(signature, hash?.digest('hex') ?? EMPTY_SHA256)
    if (size === 0) break
    if ((await reader.line()) !== '') throw malformed()
  }
  await readTrailers(reader, chain, payload.mode === 'unsigned-chunks-trailer' || payload.trailer, trailers)
}

function parseChunkHeader(line: string | null, signed: boolean): { size: number; signature: string } {
  if (line === null) throw new SealgateError('IncompleteBody')
  const match = /^([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(line)
  if (match === null || (signed && match[2] === undefined)) throw malformed()
  return { size: Number.parseInt(match[1] ?? '', 16), signature: match[2] ?? '' }
}

/** Clients end trailer lines with LF or CRLF, put an empty line before the signature, or leave out the last line end. */
async function readTrailers(
  reader: LineReader,
  chain: SignatureChain | null,
  expected: boolean,
  trailers: Map<string, string>,
): Promise<void> {
  let text = ''
  let signature: string | null = null
  let lines = 0
  for (let line = await reader.line(); line !== null; line = await reader.line()) {
    if (line === '') continue
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).trim().toLowerCase()
    if (!expected || colon < 1 || signature !== null || ++lines > MAX_TRAILERS || trailers.has(name))
      throw malformed()
    const value = line.slice(colon + 1).trim()
    if (name === 'x-amz-trailer-signature') signature = value
    else {
      trailers.set(name, value)
      text += `${name}:${value}\n`
    }
  }
  if (chain !== null && expected)
    chain.checkTrailer(signature ?? '', createHash('sha256').update(text, 'latin1').digest('hex'))
}

/** Each signature is over the one before it, the first over the request's own. */
class SignatureChain {
  readonly #payload: Extract<Payload, { mode: 'signed-chunks' }>
  #previous: string

  constructor(payload: Extract<Payload, { mode: 'signed-chunks' }>) {
    this.#payload = payload
    this.#previous = payload.seedSignature
  }

  checkChunk(signature: string, sha256: string): void {
    this.#check(signature, 'AWS4-HMAC-SHA256-PAYLOAD', `${EMPTY_SHA256}\n${sha256}`)
  }

  checkTrailer(signature: string, sha256: string): void {
    this.#check(signature, 'AWS4-HMAC-SHA256-TRAILER', sha256)
  }

  #check(signature: string, algorithm: string, hashes: string): void {
    const { timestamp, scope, signingKey } = this.#payload
    const text = `${algorithm}\n${timestamp}\n${scope}\n${this.#previous}\n${hashes}`
    const expected = createHmac('sha256', signingKey).update(text).digest('hex')
    if (!sameSignature(expected, signature))
      throw new SealgateError(
        'SignatureDoesNotMatch',
        'The signature of a chunk or of the trailer does not match.',
      )
    this.#previous = expected
  }
}

/** Lines and runs of bytes out of a stream, without looking ahead further than a line. */
class LineReader {
  readonly #source: AsyncIterator<Uint8Array>
  #rest: Uint8Array = new Uint8Array(0)

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#source = body[Symbol.asyncIterator]()
  }

  /** Without its LF or CRLF; null at the end of the stream. A last line may lack its end. */
  async line(): Promise<string | null> {
    const pieces: Uint8Array[] = []
    let length = 0
    for (;;) {
      const end = this.#rest.indexOf(10)
      const piece = end < 0 ? this.#rest : this.#rest.subarray(0, end)
      length += piece.length
      if (length > MAX_LINE_BYTES) throw malformed()
      pieces.push(piece)
      this.#rest = end < 0 ? new Uint8Array(0) : this.#rest.subarray(end + 1)
      if (end >= 0) break
      if (!(await this.#fill())) {
        if (length === 0) return null
        break
      }
    }
    return Buffer.concat(pieces).toString('latin1').replace(/\r$/, '')
  }

  async *take(bytes: number): AsyncGenerator<Uint8Array> {
    let remaining = bytes
    while (remaining > 0) {
      if (this.#rest.length === 0 && !(await this.#fill())) throw new SealgateError('IncompleteBody')
      const piece = this.#rest.subarray(0, remaining)
      this.#rest = this.#rest.subarray(piece.length)
      remaining -= piece.length
      yield piece
    }
  }

  async #fill(): Promise<boolean> {
    const next = await this.#source.next()
    if (next.done === true) return false
    this.#rest = next.value
    return true
  }
}

function malformed(): SealgateError {
  return new SealgateError(
    'IncompleteBody',
    'The request body is not well-formed aws-chunked: check chunk sizes, chunk signatures and trailers.',
  )
}
