/**
 * Signature Version 4 from the sending side (S3 API reference, "Authenticating Requests: Using the Authorization Header" and
 * "Transferring Payload in Multiple Chunks"). Header values are latin1, one character a byte, and are signed as those bytes:
 * a signer that takes text for UTF-8 signs other bytes than it sends (docs/adr/006-signing-for-the-store.md).
 */
import { createHash, createHmac } from 'node:crypto'
import { signingKeyOf } from '../../base/signing-key.ts'
import type { StoreCredentials } from '../wire/credentials.ts'

export interface SignableRequest {
  readonly method: string
  /** Encoded as it goes on the wire. */
  readonly path: string
  /** Encoded and sorted as it goes on the wire, without the question mark. */
  readonly query: string
  /** Lower-case names. All of them are signed, so content-length and its kind must not be among them. */
  readonly headers: Readonly<Record<string, string>>
  /** The value of x-amz-content-sha256. */
  readonly payload: string
}

export interface SignedRequest {
  /** Those of the request, and what signing adds. */
  readonly headers: Readonly<Record<string, string>>
  readonly chunks: ChunkSigner
}

export function signRequest(
  request: SignableRequest,
  credentials: StoreCredentials,
  region: string,
  now: number,
): SignedRequest {
  const timestamp = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '')
  const scope = `${timestamp.slice(0, 8)}/${region}/s3/aws4_request`
  const headers: Record<string, string> = {
    ...request.headers,
    'x-amz-content-sha256': request.payload,
    'x-amz-date': timestamp,
    ...(credentials.sessionToken === undefined ? {} : { 'x-amz-security-token': credentials.sessionToken }),
  }
  const names = Object.keys(headers).sort()
  const fields = names.map((name) => `${name}:${headers[name]?.trim().replace(/[ \t]+/g, ' ')}\n`).join('')
  const canonical = [
    request.method,
    request.path,
    request.query,
    fields,
    names.join(';'),
    request.payload,
  ].join('\n')
  const key = signingKeyOf(credentials.accessKeyId, scope, credentials.secretAccessKey)
  const signature = hmac(key, `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${sha256(canonical)}`)
  headers['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope},SignedHeaders=${names.join(';')},Signature=${signature}`
  return { headers, chunks: new ChunkSigner(key, timestamp, scope, signature) }
}

/** Signs the chunks of one body, each over the signature before it. */
export class ChunkSigner {
  readonly #key: Buffer
  readonly #context: string
  #previous: string

  constructor(key: Buffer, timestamp: string, scope: string, seed: string) {
    this.#key = key
    this.#context = `${timestamp}\n${scope}`
    this.#previous = seed
  }

  /** @param hash SHA-256 of the chunk's bytes, in hex */
  sign(hash: string): string {
    const text = `AWS4-HMAC-SHA256-PAYLOAD\n${this.#context}\n${this.#previous}\n${EMPTY_SHA256}\n${hash}`
    this.#previous = hmac(this.#key, text)
    return this.#previous
  }

  /** @param trailer `name:value` LF, for each trailer */
  signTrailer(trailer: string): string {
    const text = `AWS4-HMAC-SHA256-TRAILER\n${this.#context}\n${this.#previous}\n${sha256(trailer)}`
    this.#previous = hmac(this.#key, text)
    return this.#previous
  }
}

export const EMPTY_SHA256 = sha256('')

/** Of bytes, or of text that has one character a byte. */
export function sha256(bytes: string | Buffer): string {
  return createHash('sha256')
    .update(Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes, 'latin1'))
    .digest('hex')
}

function hmac(key: Buffer, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex')
}
