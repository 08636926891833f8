import { once } from 'node:events'
import { type IncomingMessage, Agent as PlainAgent, request as plainRequest } from 'node:http'
import { Agent as TlsAgent, request as tlsRequest } from 'node:https'
import { KmsError } from './kms-error.ts'

export interface HttpClientOptions {
  /** Whom messages speak of. */
  readonly name: string
  /** For one answer, from connecting to its last byte. */
  readonly timeoutMs: number
  /** PEM certificates of the authorities that are trusted, instead of the system's. */
  readonly ca?: string | undefined
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
}

export interface HttpAnswer {
  readonly status: number
  /** The Date header. */
  readonly date: string | null
  readonly text: string
}

/** Nothing that a key service is asked for has a long answer. */
const MAX_ANSWER_BYTES = 64 * 1024

/** Requests to a key service: one time limit for all of it, a bounded answer, redirects not followed, faults as KmsError. */
export class HttpClient {
  readonly #o: HttpClientOptions
  readonly #plain = new PlainAgent({ keepAlive: true })
  readonly #tls: TlsAgent

  constructor(options: HttpClientOptions) {
    this.#o = options
    this.#tls = new TlsAgent({ keepAlive: true, ...(options.ca === undefined ? {} : { ca: options.ca }) })
  }

  async send(request: HttpRequest): Promise<HttpAnswer> {
    const signal = AbortSignal.timeout(this.#o.timeoutMs)
    try {
      return await this.#exchange(request, signal)
    } catch (error) {
      if (error instanceof KmsError) throw error
      if (signal.aborted) throw new KmsError('unavailable', 'Timeout', `${this.#o.name} did not answer`)
      const { code } = error as NodeJS.ErrnoException
      throw new KmsError('unavailable', 'ConnectionFailed', `${this.#o.name} did not answer (${code})`)
    }
  }

  close(): void {
    this.#plain.destroy()
    this.#tls.destroy()
  }

  async #exchange({ url, body, ...request }: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    const sent = url.startsWith('https:')
      ? tlsRequest(url, { ...request, signal, agent: this.#tls })
      : plainRequest(url, { ...request, signal, agent: this.#plain })
    // What goes wrong after the answer has begun is met where the answer is read.
    sent.on('error', () => undefined)
    const arrived = once(sent, 'response')
    sent.end(body)
    const [answer] = (await arrived) as [IncomingMessage]
    return {
      status: answer.statusCode ?? 0,
      date: answer.headers.date ?? null,
      text: await this.#read(answer),
    }
  }

  async #read(answer: IncomingMessage): Promise<string> {
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > MAX_ANSWER_BYTES)
        throw new KmsError('protocol', 'AnswerTooLong', `the answer is no answer of ${this.#o.name}`)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString('utf8')
  }
}
