import { createHash } from 'node:crypto'
import { crc64Xz } from '../../base/crc-64.ts'
import { SealgateError } from '../../errors.ts'
import type { StoreCall, StreamedBody } from '../wire/call.ts'
import type { WireResponse } from '../wire/connections.ts'
import type { Credentials } from '../wire/credentials.ts'
import type { Dialect, PreparedCall } from '../wire/dialect.ts'
import { type StoreFailure, StoreRefusal } from '../wire/errors.ts'
import { plainBody } from '../wire/upload-body.ts'
import type { CosAddresses } from './addresses.ts'
import { refusedByS3 } from './errors.ts'
import { checkKey } from './keys.ts'
import { signCall, validAround } from './signature.ts'
import { fromCosHeaders, toCosHeaders, toCosQuery } from './words.ts'

export interface CosDialectOptions {
  readonly addresses: CosAddresses
  readonly credentials: Credentials
  readonly answerTimeoutMs: number
  readonly now?: () => number
}

/**
 * Tencent COS: S3's operations under the names of COS, signed its way, to a host for each bucket. COS signs no bodies: a small one goes under
 * its MD5, which COS checks before it stores anything, and a large one is compared with the CRC-64 that COS answers.
 */
export class CosDialect implements Dialect {
  readonly #o: CosDialectOptions
  /** A host's name says where its bucket is. */
  readonly location = null
  readonly checkKey = checkKey
  readonly deletesTags = true

  constructor(options: CosDialectOptions) {
    this.#o = options
  }

  keeps(on: 'bucket' | 'object', name: string): boolean {
    return on === 'object' && name === 'tagging'
  }

  get secure(): boolean {
    return this.#o.addresses.secure
  }

  async prepare(call: StoreCall): Promise<PreparedCall> {
    const { addresses, credentials, answerTimeoutMs, now = Date.now } = this.#o
    const query = toCosQuery(call.query ?? {})
    const { origin, host, path, target } = addresses.target(call.bucket, call.key, query)
    const keys = await credentials.get()
    const said = toCosHeaders(call.method, call.headers ?? {}, (source) => addresses.copySource(source))
    const headers: Record<string, string> = {
      host,
      ...said,
      ...bodyHeaders(call),
      ...(keys.sessionToken === undefined ? {} : { 'x-cos-security-token': keys.sessionToken }),
    }
    headers['authorization'] = signCall(
      { method: call.method, path, query, headers },
      keys,
      validAround(now()),
    )
    const sent = isStreamed(call.body) ? crc64Xz() : null
    const request = {
      origin,
      method: call.method,
      path: target,
      headers,
      body:
        isStreamed(call.body) && sent !== null
          ? plainBody(call.body.body, call.body.size, sent)
          : asBuffer(call.body),
      answerTimeoutMs: call.answerTimeoutMs ?? answerTimeoutMs,
      signal: call.signal,
    }
    return {
      request,
      answered: (response) => {
        if (sent !== null && response.status < 300) requireSame(response, sent.digest())
        return { ...response, headers: fromCosHeaders(response.headers) }
      },
      refused: (failure) => refusedByS3(failure, headers),
    }
  }

  async learn({ code }: StoreFailure): Promise<boolean> {
    return CREDENTIALS_ENDED.includes(code) && this.#o.credentials.renew()
  }
}

const CREDENTIALS_ENDED = ['ExpiredToken', 'InvalidToken', 'InvalidAccessKeyId']

function isStreamed(body: StoreCall['body']): body is StreamedBody {
  return body !== undefined && !Buffer.isBuffer(body)
}

function asBuffer(body: StoreCall['body']): Buffer | null {
  return Buffer.isBuffer(body) && body.length > 0 ? body : null
}

function bodyHeaders({ method, body, headers = {} }: StoreCall): Record<string, string> {
  if (method !== 'PUT' && method !== 'POST') return {}
  if (isStreamed(body)) return { 'content-length': String(body.size) }
  const bytes = body ?? Buffer.alloc(0)
  const length = { 'content-length': String(bytes.length) }
  if (bytes.length === 0 || headers['content-md5'] !== undefined) return length
  return { ...length, 'content-md5': createHash('md5').update(bytes).digest('base64') }
}

/** What arrived there is what left here; otherwise the write has not succeeded, and nobody can take what lies there for whole. */
function requireSame({ headers, body }: WireResponse, crc: Buffer): void {
  const answered = headers['x-cos-hash-crc64ecma']
  if (answered === crc.readBigUInt64BE().toString()) return
  body.destroy()
  if (answered === undefined)
    throw new StoreRefusal('the store answered no CRC-64 (x-cos-hash-crc64ecma) of what it took')
  throw new SealgateError('SlowDown', undefined, {
    reason: 'the store holds other bytes than were sent: their CRC-64 differs',
    headers: { 'retry-after': '1' },
  })
}
