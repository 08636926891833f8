/**
 * Bodies in frames (aws-chunked): their length is known before their bytes are, every chunk is signed, or the whole is followed by a checksum, or
 * both; and the frame that ends it, without which a server stores nothing, goes out only when the body itself has ended well.
 */
import { createChecksum } from '../../base/checksum.ts'
import type { IncomingBody } from '../storage.ts'
import { type BodyIntegrity, incompleteBody } from '../wire/upload-body.ts'
import { type ChunkSigner, EMPTY_SHA256, sha256 } from './signer.ts'

const CHUNK_BYTES = 128 * 1024
const SIGNATURE = ';chunk-signature='
const CHECKSUM_TRAILER = 'x-amz-checksum-crc32'

/** The value of x-amz-content-sha256. */
export function payloadOf({ signedChunks, checksum }: BodyIntegrity): string {
  if (!signedChunks) return checksum ? 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' : 'UNSIGNED-PAYLOAD'
  return checksum ? 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER' : 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'
}

/** What a chunked body adds to the headers that are signed. No content-encoding: some servers would store it. */
export function chunkedHeaders(size: number, { checksum }: BodyIntegrity): Record<string, string> {
  return {
    'x-amz-decoded-content-length': String(size),
    ...(checksum ? { 'x-amz-trailer': CHECKSUM_TRAILER } : {}),
  }
}

export function checksumHeaderOf(bytes: Buffer): Record<string, string> {
  const crc = createChecksum('CRC32')
  crc.update(bytes)
  return { [CHECKSUM_TRAILER]: crc.digest().toString('base64') }
}

/** Bytes of the chunked body on the wire. */
export function chunkedLength(size: number, integrity: BodyIntegrity): number {
  const signature = integrity.signedChunks ? SIGNATURE.length + 64 : 0
  const frame = (bytes: number) => bytes.toString(16).length + signature + 2
  const [whole, rest] = [Math.floor(size / CHUNK_BYTES), size % CHUNK_BYTES]
  const chunks = whole * (frame(CHUNK_BYTES) + 2) + (rest === 0 ? 0 : frame(rest) + 2)
  const trailer = integrity.checksum ? CHECKSUM_TRAILER.length + 1 + 8 + 2 : 0
  const trailerSignature =
    integrity.checksum && integrity.signedChunks ? TRAILER_SIGNATURE.length + 64 + 2 : 0
  return chunks + size + frame(0) + trailer + trailerSignature + 2
}

const TRAILER_SIGNATURE = 'x-amz-trailer-signature:'

/** The body in its frames. `claimed` is for probes of the store: a trailer that is not the body's. */
export async function* chunkedBody(
  body: IncomingBody,
  size: number,
  integrity: BodyIntegrity,
  signer: ChunkSigner,
  claimed?: string,
): AsyncGenerator<Buffer> {
  const checksum = createChecksum('CRC32')
  for await (const chunk of inChunks(body, size)) {
    if (integrity.checksum) checksum.update(chunk)
    const head = frameHead(chunk.length, integrity.signedChunks ? signer.sign(sha256(chunk)) : null)
    yield Buffer.concat([head, chunk, CRLF])
  }
  let end = frameHead(0, integrity.signedChunks ? signer.sign(EMPTY_SHA256) : null).toString('latin1')
  if (integrity.checksum) {
    const trailer = `${CHECKSUM_TRAILER}:${claimed ?? checksum.digest().toString('base64')}`
    end += `${trailer}\r\n`
    if (integrity.signedChunks) end += `${TRAILER_SIGNATURE}${signer.signTrailer(`${trailer}\n`)}\r\n`
  }
  yield Buffer.from(`${end}\r\n`, 'latin1')
}

/**
 * The same bytes cut at every CHUNK_BYTES, as many as announced; what was taken in is given back. The last of them waits for the
 * body's end: there are stores that commit once they have the announced number of bytes, whatever is still to come.
 */
async function* inChunks(body: IncomingBody, size: number): AsyncGenerator<Buffer> {
  let remaining = size
  let chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, remaining))
  let filled = 0
  for await (const bytes of body) {
    if (bytes.length > remaining - filled) throw incompleteBody(size, 'more')
    for (let at = 0; at < bytes.length; ) {
      const taken = bytes.subarray(at, at + chunk.length - filled)
      chunk.set(taken, filled)
      filled += taken.length
      at += taken.length
      if (filled < chunk.length || filled === remaining) continue
      yield chunk
      remaining -= filled
      filled = 0
      chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, remaining))
    }
    body.release?.(bytes)
  }
  if (filled !== remaining) throw incompleteBody(size, `${size - remaining + filled}`)
  if (filled > 0) yield chunk
}

function frameHead(bytes: number, signature: string | null): Buffer {
  return Buffer.from(`${bytes.toString(16)}${signature === null ? '' : SIGNATURE + signature}\r\n`, 'latin1')
}

const CRLF = Buffer.from('\r\n')
