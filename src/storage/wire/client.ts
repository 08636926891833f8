import { setTimeout as sleep } from 'node:timers/promises'
import { isError, type SealgateError } from '../../errors.ts'
import type { StoreCall } from './call.ts'
import type { Connections, WireResponse } from './connections.ts'
import type { Dialect, PreparedCall } from './dialect.ts'
import {
  badAnswer,
  ConnectionError,
  failureInside,
  readFailure,
  type StoreFailure,
  storeError,
  unreachable,
} from './errors.ts'
import { collectBody, SMALL_BODY_BYTES } from './upload-body.ts'

/** Of a HEAD: not understood, elsewhere, or credentials that may be none any more. */
const UNEXPLAINED = [301, 400, 403]

const ATTEMPTS = 3
/** Largest document that a store may answer; a page of 1000 names of 1024 bytes, all of them escaped, has about 4 MB. */
const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024
const MAX_ERROR_BYTES = 64 * 1024

/** Signed calls to one store, sent again only where that cannot do anything twice. */
export class StoreClient {
  readonly dialect: Dialect
  readonly #connections: Connections

  constructor(connections: Connections, dialect: Dialect) {
    this.#connections = connections
    this.dialect = dialect
  }

  /** A successful answer, whose body the caller consumes or destroys. Throws SealgateError, or the body's or the signal's own error. */
  send(call: StoreCall): Promise<WireResponse> {
    return this.#repeat(call, async (response) => response)
  }

  /** The document of a successful answer, whole. */
  document(call: StoreCall): Promise<{ bytes: Buffer; headers: WireResponse['headers'] }> {
    return this.#repeat(call, async ({ body, headers }, prepared) => {
      const bytes = await readAll(body, MAX_DOCUMENT_BYTES)
      const failure = failureInside(bytes, headers)
      if (failure !== null) throw storeError(prepared.refused(failure), call)
      return { bytes, headers }
    })
  }

  /** For answers without a document: its headers. One with an error in it is none of success. */
  done(call: StoreCall): Promise<WireResponse['headers']> {
    return this.#repeat(call, async ({ body, headers }, prepared) => {
      const failure = failureInside(await readAll(body, MAX_ERROR_BYTES), headers)
      if (failure !== null) throw storeError(prepared.refused(failure), call)
      return headers
    })
  }

  async #repeat<T>(call: StoreCall, finish: Finish<T>): Promise<T> {
    const ready = await withSmallBody(call)
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#attempt(ready, finish)
      if ('result' in outcome) return outcome.result
      const again = attempt < ATTEMPTS && (await this.#mayRepeat(ready, outcome))
      if (!again) throw outcome.error
      await sleep(50 * 4 ** (attempt - 1) * (0.5 + Math.random()), undefined, { signal: call.signal })
    }
  }

  async #attempt<T>(call: StoreCall, finish: Finish<T>): Promise<{ readonly result: T } | FailedOutcome> {
    const prepared = await this.dialect.prepare(call)
    try {
      const response = await this.#exchange(prepared)
      if (response.status < 300) return { result: await finish(response, prepared) }
      const failure = prepared.refused(await this.#whyRefused(call, response))
      return { error: storeError(failure, call), failure, prepared, sent: true }
    } catch (error) {
      if (error instanceof ConnectionError)
        return { error: unreachable(error), failure: null, prepared, sent: error.sent }
      // The answer broke off.
      if (isError(error) && error.cause instanceof ConnectionError)
        return { error, failure: null, prepared, sent: true }
      throw error
    }
  }

  /**
   * The answer to a HEAD has no document, and few servers name a bucket's region in a header as S3 does: why one was not understood is asked
   * again, by a GET of where the bucket is, or of a byte of the object.
   */
  async #whyRefused(
    { method, bucket, key, signal }: StoreCall,
    response: WireResponse,
  ): Promise<StoreFailure> {
    const read = async ({ status, headers, body }: WireResponse) =>
      readFailure(status, await readAll(body, MAX_ERROR_BYTES), headers)
    const failure = await read(response)
    const { status, code, region } = failure
    const isMute = method === 'HEAD' && code === '' && region === undefined
    if (!isMute || !UNEXPLAINED.includes(status)) return failure
    const same = key === undefined ? { query: { location: '' } } : { key, headers: { range: 'bytes=0-0' } }
    const asked = await this.once({ method: 'GET', bucket, ...same, idempotent: true, signal })
    if (asked.status === status) return read(asked)
    asked.body.destroy()
    return failure
  }

  /** One exchange, whatever its status. A connection that breaks is a ConnectionError. */
  async once(call: StoreCall): Promise<WireResponse> {
    return this.#exchange(await this.dialect.prepare(call))
  }

  /** One exchange with its document, and the status that S3 would have given it: that of an error in the document of a success included. */
  async tried(call: StoreCall): Promise<TriedCall> {
    const prepared = await this.dialect.prepare(call)
    const { status, headers, body } = await this.#exchange(prepared)
    const bytes = await readAll(body, MAX_DOCUMENT_BYTES)
    const failure = status < 300 ? failureInside(bytes, headers) : readFailure(status, bytes, headers)
    if (failure === null) return { status, headers, bytes }
    const { status: said } = prepared.refused(failure)
    return { status: said < 300 ? 400 : said, headers, bytes }
  }

  async #exchange(prepared: PreparedCall): Promise<WireResponse> {
    return prepared.answered(await this.#connections.request(prepared.request))
  }

  async #mayRepeat(call: StoreCall, { failure, prepared, sent }: FailedOutcome): Promise<boolean> {
    const whole = call.body === undefined || Buffer.isBuffer(call.body)
    // Nothing of it has left: not even a body has been touched.
    if (!sent) return true
    if (failure === null) return call.idempotent && whole
    const learned = await this.dialect.learn(failure, prepared)
    if (!whole || learned) return whole
    // These are said of requests that were not carried out.
    const refused = failure.status === 429 || failure.status === 503 || failure.code === 'SlowDown'
    return refused || (call.idempotent && failure.status >= 500 && failure.status !== 501)
  }
}

type Finish<T> = (response: WireResponse, prepared: PreparedCall) => Promise<T>

export interface TriedCall {
  readonly status: number
  readonly headers: WireResponse['headers']
  readonly bytes: Buffer
}

interface FailedOutcome {
  readonly error: SealgateError
  readonly failure: StoreFailure | null
  readonly prepared: PreparedCall
  readonly sent: boolean
}

/** A small body is collected before anything is sent: it is signed as a whole, and can be sent again. */
async function withSmallBody(call: StoreCall): Promise<StoreCall> {
  const { body } = call
  if (body === undefined || Buffer.isBuffer(body) || body.size > SMALL_BODY_BYTES) return call
  if (body.integrity !== undefined) return call
  const bytes = await collectBody(body.body, body.size)
  call.signal?.throwIfAborted()
  return { ...call, body: bytes }
}

/** Collects a document; one that is longer than any that S3 gives is refused before it fills the memory. */
export async function readAll(body: WireResponse['body'], limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > limit) throw badAnswer(`a document of more than ${limit} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}
