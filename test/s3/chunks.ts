/** Framing of aws-chunked bodies for the tests: an encoder that is not the decoder's mirror image. */
import { createHash, createHmac } from 'node:crypto'
import type { Payload } from '../../src/s3/sigv4.ts'
import { EMPTY, sha256, signingKey } from './signing.ts'

export const TIMESTAMP = '20130524T000000Z'
export const SCOPE = '20130524/us-east-1/s3/aws4_request'

export function signedPayload(seedSignature: string, trailer = false) {
  const payload = { mode: 'signed-chunks', trailer, seedSignature, signingKey: signingKey() } as const
  return { ...payload, scope: SCOPE, timestamp: TIMESTAMP } satisfies Payload
}

function sign(text: string): string {
  return createHmac('sha256', signingKey()).update(text).digest('hex')
}

export interface Framed {
  readonly bytes: Buffer
  readonly signatures: string[]
}

/** Signed framing; `trailer` lines as `name:value`. */
export function frameSigned(
  seed: string,
  pieces: readonly Uint8Array[],
  trailer?: readonly string[],
): Framed {
  const out: Buffer[] = []
  const signatures: string[] = []
  let previous = seed
  for (const piece of [...pieces.filter((p) => p.length > 0), new Uint8Array(0)]) {
    previous = sign(['AWS4-HMAC-SHA256-PAYLOAD', TIMESTAMP, SCOPE, previous, EMPTY, sha256(piece)].join('\n'))
    signatures.push(previous)
    out.push(Buffer.from(`${piece.length.toString(16)};chunk-signature=${previous}\r\n`), Buffer.from(piece))
    if (piece.length > 0 || trailer === undefined) out.push(Buffer.from('\r\n'))
  }
  if (trailer !== undefined) {
    const hash = createHash('sha256')
      .update(trailer.map((line) => `${line}\n`).join(''))
      .digest('hex')
    previous = sign(['AWS4-HMAC-SHA256-TRAILER', TIMESTAMP, SCOPE, previous, hash].join('\n'))
    signatures.push(previous)
    out.push(Buffer.from([...trailer, `x-amz-trailer-signature:${previous}`, '', ''].join('\r\n')))
  }
  return { bytes: Buffer.concat(out), signatures }
}

export function frameUnsigned(pieces: readonly Uint8Array[], end: string): Buffer {
  const chunks = pieces
    .filter((p) => p.length > 0)
    .flatMap((p) => [Buffer.from(`${p.length.toString(16)}\r\n`), Buffer.from(p), Buffer.from('\r\n')])
  return Buffer.concat([...chunks, Buffer.from(`0\r\n${end}`)])
}

/** The bytes cut into pieces of the given lengths in turn. */
export async function* cut(bytes: Uint8Array, lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = lengths.length === 0 ? bytes.length : (lengths[turn % lengths.length] as number)
    yield bytes.subarray(at, at + length)
    at += length
  }
}
