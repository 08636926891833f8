import { Agent, type Dispatcher } from 'undici'
import { ConnectionError, unreachable } from './errors.ts'
import { PhaseTimer } from './phase-timer.ts'
import { ResponseBody } from './response-body.ts'

export interface ConnectionOptions {
  readonly maxConnections: number
  /** For a connection, waiting for a free one included. */
  readonly connectTimeoutMs: number
  /** How long either side may be silent while bytes are due. */
  readonly idleTimeoutMs: number
  readonly tls: TlsOptions
}

export interface TlsOptions {
  /** PEM: instead of the system's authorities. */
  readonly ca?: string | undefined
  /** PEM, of the client. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
}

export interface WireRequest {
  readonly origin: string
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** A body that is iterated has a content-length among the headers. */
  readonly body: Buffer | AsyncIterable<Uint8Array> | null
  /** How long the answer may take once the request is out. */
  readonly answerTimeoutMs: number
  readonly signal?: AbortSignal | undefined
}

export interface WireResponse {
  readonly status: number
  /** Lower-case names; of a header that came more than once, the values joined. Latin1, as on the wire. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: ResponseBody
}

/**
 * Kept-alive connections to the store: one exchange at a time on each, no redirects, a time limit on every phase. An exchange that
 * fails at any point destroys its connection, so nothing half-sent can be taken for whole.
 */
export class Connections {
  readonly #agent: Agent
  readonly #options: ConnectionOptions

  constructor(options: ConnectionOptions) {
    this.#options = options
    const { ca, cert, key } = options.tls
    this.#agent = new Agent({
      connections: options.maxConnections,
      pipelining: 1,
      // Times are kept here, by phase.
      headersTimeout: 0,
      bodyTimeout: 0,
      allowH2: false,
      connect: {
        timeout: options.connectTimeoutMs,
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
      },
    })
  }

  request(request: WireRequest): Promise<WireResponse> {
    return new Promise((resolve, reject) => {
      const exchange = new Exchange(request, this.#options, resolve, reject)
      try {
        this.#agent.dispatch(exchange.dispatchOptions(), exchange)
      } catch (error) {
        exchange.onResponseError(null, error as Error)
      }
    })
  }

  close(): Promise<void> {
    return this.#agent.destroy()
  }
}

/** One request and its answer, as undici reports on them. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #request: WireRequest
  readonly #options: ConnectionOptions
  readonly #resolve: (response: WireResponse) => void
  readonly #reject: (error: unknown) => void
  readonly #timer = new PhaseTimer((phase) => this.#abort(new Error(`the store was silent: ${phase}`)))
  #controller: Dispatcher.DispatchController | null = null
  #started = false
  #bodySent: boolean
  #bodyError: { readonly error: unknown } | null = null
  #failure: { readonly error: unknown } | null = null
  #body: ResponseBody | null = null

  constructor(
    request: WireRequest,
    options: ConnectionOptions,
    resolve: (response: WireResponse) => void,
    reject: (error: unknown) => void,
  ) {
    this.#request = request
    this.#options = options
    this.#resolve = resolve
    this.#reject = reject
    this.#bodySent = request.body === null || Buffer.isBuffer(request.body)
    this.#timer.start('no connection', options.connectTimeoutMs)
    if (request.signal?.aborted === true) queueMicrotask(this.#onAbort)
    else request.signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  dispatchOptions(): Dispatcher.DispatchOptions {
    const { origin, method, path, headers, body } = this.#request
    return {
      origin,
      method: method as Dispatcher.HttpMethod,
      path,
      headers: { ...headers },
      body: (body === null || Buffer.isBuffer(body) ? body : this.#watched(body)) as Buffer | null,
      // undici would close the connection behind every HEAD.
      reset: false,
    }
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#failure !== null) return void controller.abort(this.#failure.error as Error)
    this.#started = true
    if (this.#bodySent) this.#timer.start('no answer', this.#request.answerTimeoutMs)
    else this.#timer.start('bytes of the request are not taken', this.#options.idleTimeoutMs)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) return
    if (!this.#bodySent && status < 300) throw new Error('the store answered before it had the whole request')
    this.#timer.start('bytes of the answer are missing', this.#options.idleTimeoutMs)
    this.#body = new ResponseBody({
      pause: () => {
        this.#timer.stop()
        controller.pause()
      },
      resume: () => {
        this.#timer.start('bytes of the answer are missing', this.#options.idleTimeoutMs)
        controller.resume()
      },
      abort: (error) => this.#abort(error),
    })
    this.#resolve({ status, headers: joined(headers), body: this.#body })
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#timer.refresh()
    this.#body?.push(chunk)
  }

  onResponseEnd(): void {
    this.#finish()
    this.#body?.end()
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.#finish()
    this.#failure ??= { error }
    const failed = this.#reason(error)
    if (this.#body === null) this.#reject(failed)
    else this.#body.fail(failed instanceof ConnectionError ? unreachable(failed) : failed)
  }

  /** What the caller is to see: the body's own error as it is, an abort's reason as it is, all else as a broken connection. */
  #reason(error: Error): unknown {
    if (this.#bodyError !== null) return this.#bodyError.error
    if (this.#request.signal?.aborted === true) return this.#request.signal.reason
    return new ConnectionError(sayable(error), this.#started, error)
  }

  /**
   * The body on its way out. While its source is slow the store is not to blame, so the timer rests. With its last byte handed over it may be
   * answered: over TLS the answer can be here before it is told that the last bytes have left.
   */
  async *#watched(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const rest = () => {
      if (this.#body === null) this.#timer.stop()
    }
    const expect = (phase: string, limitMs: number) => {
      if (this.#body === null) this.#timer.start(phase, limitMs)
    }
    const length = Number(this.#request.headers['content-length'])
    let handedOver = 0
    rest()
    try {
      for await (const chunk of source) {
        expect('bytes of the request are not taken', this.#options.idleTimeoutMs)
        handedOver += chunk.length
        this.#bodySent = handedOver === length
        yield chunk
        rest()
      }
    } catch (error) {
      this.#bodyError = { error }
      throw error
    }
    this.#bodySent = true
    expect('no answer', this.#request.answerTimeoutMs)
  }

  readonly #onAbort = () => this.#abort(this.#request.signal?.reason as Error)

  #abort(error: Error): void {
    this.#failure ??= { error }
    if (this.#controller !== null) return void this.#controller.abort(error)
    // Still waiting for a connection: the caller need not.
    this.#finish()
    this.#reject(this.#reason(error))
  }

  #finish(): void {
    this.#timer.end()
    this.#request.signal?.removeEventListener('abort', this.#onAbort)
  }
}

function joined(headers: Record<string, string | string[] | undefined>): Readonly<Record<string, string>> {
  const result: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) result[name] = Array.isArray(value) ? value.join(',') : value
  return result
}

/** What OpenSSL says has the line of its source in it, and a line break. */
function sayable(error: Error & { readonly code?: string; readonly reason?: string }): string {
  const { code = '', reason = '' } = error
  return code.startsWith('ERR_SSL_') && reason !== '' ? `TLS: ${reason} (${code})` : error.message
}
