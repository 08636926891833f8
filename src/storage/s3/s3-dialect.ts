import { createHash } from 'node:crypto'
import { isAmazon, isTencent } from '../../base/known-services.ts'
import { SealgateError } from '../../errors.ts'
import { checkKey } from '../cos/keys.ts'
import type { StoreCall, StreamedBody } from '../wire/call.ts'
import type { WireRequest, WireResponse } from '../wire/connections.ts'
import type { Credentials } from '../wire/credentials.ts'
import type { Dialect, PreparedCall } from '../wire/dialect.ts'
import type { StoreFailure } from '../wire/errors.ts'
import { readEtag } from '../wire/headers.ts'
import { type BodyIntegrity, isPlain, plainBody } from '../wire/upload-body.ts'
import { checksumHeaderOf, chunkedBody, chunkedHeaders, chunkedLength, payloadOf } from './chunked-body.ts'
import { type Addressing, type Endpoint, storeTarget } from './endpoint.ts'
import { type ChunkSigner, EMPTY_SHA256, sha256, signRequest } from './signer.ts'

export interface S3DialectOptions {
  readonly endpoint: Endpoint
  readonly addressing: Addressing
  readonly credentials: Credentials
  /** Null to find out. */
  readonly region: string | null
  readonly answerTimeoutMs: number
  readonly now?: () => number
}

/** S3 as it is: Signature Version 4, and large bodies in signed chunks or before a checksum, or as they are where the server takes neither. */
export class S3Dialect implements Dialect {
  readonly #o: S3DialectOptions
  #region: string
  /** What capabilities found; until then every chunk is signed. */
  integrity: BodyIntegrity = { signedChunks: true, checksum: false }

  constructor(options: S3DialectOptions) {
    this.#o = options
    this.#region = options.region ?? 'us-east-1'
  }

  get location(): string {
    return this.#region
  }

  /** Amazon's own service, which does what its documents say. */
  get isAmazon(): boolean {
    return isAmazon(this.#o.endpoint.host)
  }

  /** Tencent COS by its names for S3's clients. */
  get isTencent(): boolean {
    return isTencent(this.#o.endpoint.host)
  }

  /** What a server does not take it refuses itself; COS has limits of its own, of which clients are to hear what they are. */
  checkKey(key: string): void {
    if (this.isTencent) checkKey(key)
  }

  /** There are servers whose lists lose the ETag of an object with its DeleteObjectTagging. */
  readonly deletesTags = false

  keeps(): boolean {
    return true
  }

  get secure(): boolean {
    return this.#o.endpoint.secure
  }

  async prepare(call: StoreCall): Promise<PreparedCall> {
    const o = this.#o
    // Another call may learn the right one meanwhile.
    const region = this.#region
    const target = storeTarget(o.endpoint, o.addressing, call)
    const { body } = call
    const streamed = body === undefined || Buffer.isBuffer(body) ? null : body
    const integrity = streamed?.integrity ?? this.integrity
    const payload =
      streamed !== null ? payloadOf(integrity) : Buffer.isBuffer(body) ? sha256(body) : EMPTY_SHA256
    const { headers, chunks } = signRequest(
      {
        method: call.method,
        path: target.path,
        query: target.query,
        headers: { host: target.host, ...call.headers, ...bodyHeaders(call, integrity) },
        payload,
      },
      await o.credentials.get(),
      region,
      (o.now ?? Date.now)(),
    )
    const { sent, confirmed } =
      streamed === null
        ? { sent: asBuffer(body), confirmed: (response: WireResponse) => response }
        : bodyToSend(streamed, integrity, chunks)
    const request = {
      origin: target.origin,
      method: call.method,
      path: target.query === '' ? target.path : `${target.path}?${target.query}`,
      headers: { ...headers, ...lengthHeader(body, integrity) },
      body: sent,
      answerTimeoutMs: call.answerTimeoutMs ?? o.answerTimeoutMs,
      signal: call.signal,
    }
    return { request, region, answered: confirmed, refused: (failure) => failure }
  }

  async learn(failure: StoreFailure, { region }: PreparedCall): Promise<boolean> {
    if (this.#learnRegion(failure, region)) return true
    const { code } = failure
    return (code === 'ExpiredToken' || code === 'InvalidToken') && this.#o.credentials.renew()
  }

  /** True if the store named another region than the one that the request was signed for. */
  #learnRegion({ status, region }: StoreFailure, signedFor: string | undefined): boolean {
    if (this.#o.region !== null || region === undefined || region === signedFor) return false
    if (status !== 400 && status !== 403 && status !== 301 && status !== 307) return false
    if (!REGION.test(region)) return false
    this.#region = region
    return true
  }
}

/** What can stand in the scope of a signature, and so in a header; a store that names anything else teaches nothing. */
const REGION = /^[\w.-]{1,64}$/

/** On a POST, x-amz-checksum-* would speak of the object that comes of it. */
function bodyHeaders({ method, body }: StoreCall, integrity: BodyIntegrity): Record<string, string> {
  if (body === undefined || method !== 'PUT') return {}
  if (!Buffer.isBuffer(body)) return isPlain(integrity) ? {} : chunkedHeaders(body.size, integrity)
  return integrity.checksum ? checksumHeaderOf(body) : {}
}

interface BodyToSend {
  readonly sent: WireRequest['body']
  /** Throws if the answer is not about the bytes that were sent. */
  readonly confirmed: (response: WireResponse) => WireResponse
}

function bodyToSend(body: StreamedBody, integrity: BodyIntegrity, chunks: ChunkSigner): BodyToSend {
  if (!isPlain(integrity))
    return {
      sent: chunkedBody(body.body, body.size, integrity, chunks, body.checksum),
      confirmed: (response) => response,
    }
  const md5 = createHash('md5')
  return {
    sent: plainBody(body.body, body.size, md5),
    confirmed: (response) => (response.status < 300 ? sameBytes(response, md5.digest('hex')) : response),
  }
}

/** What lies there now is not what was sent, or nothing tells that it is: the write has not succeeded. */
function sameBytes(response: WireResponse, md5: string): WireResponse {
  if (readEtag(response.headers['etag']) === md5) return response
  response.body.destroy()
  throw new SealgateError('SlowDown', undefined, {
    reason: 'the store holds other bytes than were sent: its ETag is not their MD5',
    headers: { 'retry-after': '1' },
  })
}

function asBuffer(body: StoreCall['body']): Buffer | null {
  return Buffer.isBuffer(body) && body.length > 0 ? body : null
}

function lengthHeader(body: StoreCall['body'], integrity: BodyIntegrity): Record<string, string> {
  if (body === undefined || Buffer.isBuffer(body)) return {}
  const length = isPlain(integrity) ? body.size : chunkedLength(body.size, integrity)
  return { 'content-length': String(length) }
}
