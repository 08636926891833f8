/**
 * Bodies on their way to the store. A small one is collected, and goes whole under its hash. A large one goes in frames where the server
 * takes some (s3/chunked-body.ts), and otherwise as it is.
 */
import { SealgateError } from '../../errors.ts'
import type { IncomingBody } from '../storage.ts'

/** How the store is shown that it holds what was sent. */
export interface BodyIntegrity {
  /** Every chunk carries a signature: over connections that are not secure, or where the trailer is not checked. */
  readonly signedChunks: boolean
  /** The body ends with its CRC-32: where the store checks it. */
  readonly checksum: boolean
}

/** Neither: the body has no frames, and what the server answers must confirm it. */
export const PLAIN_BODY: BodyIntegrity = { signedChunks: false, checksum: false }

export function isPlain({ signedChunks, checksum }: BodyIntegrity): boolean {
  return !signedChunks && !checksum
}

/** Up to here a body is collected, signed as a whole, and can be sent again. */
export const SMALL_BODY_BYTES = 128 * 1024

/** All of a body that has at most SMALL_BODY_BYTES. Throws IncompleteBody if it is not `size` bytes long. */
export async function collectBody(body: IncomingBody, size: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  for await (const chunk of body) {
    if (at + chunk.length > size) throw incompleteBody(size, 'more')
    bytes.set(chunk, at)
    at += chunk.length
    body.release?.(chunk)
  }
  if (at !== size) throw incompleteBody(size, `${at}`)
  return bytes
}

/**
 * The bytes as they are, as many as announced, while their digest is made. The last chunk waits for the body's end: a server stores what it has
 * once that is as long as announced.
 */
export async function* plainBody(
  body: IncomingBody,
  size: number,
  digest: { update(bytes: Uint8Array): unknown },
): AsyncGenerator<Uint8Array> {
  let received = 0
  let last: Uint8Array | null = null
  for await (const chunk of body) {
    if (chunk.length === 0) continue
    received += chunk.length
    if (received > size) throw incompleteBody(size, 'more')
    digest.update(chunk)
    if (last !== null) yield last
    last = chunk
  }
  if (received !== size) throw incompleteBody(size, `${received}`)
  if (last !== null) yield last
}

/** The body is not as long as announced. */
export function incompleteBody(size: number, received: string): SealgateError {
  return new SealgateError('IncompleteBody', undefined, {
    reason: `a body of ${size} bytes had ${received}`,
  })
}
