/** What the emulated key services share: a local HTTP server that counts its calls and fails as tests want it to. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { CERTIFICATE, PRIVATE_KEY } from './tls.ts'

/** What happens to a call instead of an answer. */
export type Fault =
  /** The service refuses, with this code of its own. */
  | { readonly kind: 'error'; readonly code: string }
  /** Something in front of it answers a page. */
  | { readonly kind: 'status'; readonly status: number; readonly text?: string }
  /** The connection breaks before the answer, or in the middle of it; or nothing comes, or no more. */
  | { readonly kind: 'cut' | 'half' | 'silence' | 'stall' }
  /** The answer is whole and well-formed, but ends too early to be one. */
  | { readonly kind: 'truncated' }
  | { readonly kind: 'change'; readonly change: (answer: Record<string, unknown>) => void }

export interface SeenCall {
  readonly action: string
  readonly body: Readonly<Record<string, unknown>>
  /** The error code of its answer. */
  readonly error: string | undefined
}

export interface Answered extends SeenCall {
  readonly status: number
  readonly answer: Record<string, unknown>
}

export abstract class Emulator {
  readonly calls: SeenCall[] = []
  readonly #server: Server
  readonly #faults: Fault[] = []
  /** Every call meets it while it is set, if its action is one of these. */
  outage: Fault | undefined
  outageOf = /./
  /** Every data key in the clear that was in an answer or a request. */
  readonly secrets = new Set<string>()
  clockOffsetMs = 0

  readonly #scheme: 'http' | 'https'

  constructor({ tls = false } = {}) {
    const listener = (request: IncomingMessage, response: ServerResponse) => {
      this.#serve(request, response).catch((error: unknown) => response.destroy(error as Error))
    }
    this.#scheme = tls ? 'https' : 'http'
    this.#server = tls
      ? createTlsServer({ cert: CERTIFICATE, key: PRIVATE_KEY }, listener)
      : createServer(listener)
  }

  async listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return this
  }

  get endpoint(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  /** Clients' connections that are open. */
  async connections(): Promise<number> {
    return new Promise((resolve, reject) =>
      this.#server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
    )
  }

  /** The next calls meet these, one each. */
  fail(...faults: readonly Fault[]): void {
    this.#faults.push(...faults)
  }

  /** Calls of this kind that were answered well. */
  count(action: string): number {
    return this.calls.filter((call) => call.action === action && call.error === undefined).length
  }

  protected now(): number {
    return Date.now() + this.clockOffsetMs
  }

  /** What the service answers; with `refuse` it refuses the call with this code, whatever it is. */
  protected abstract answer(request: IncomingMessage, body: Buffer, refuse: string | undefined): Answered

  protected abstract actionOf(request: IncomingMessage): string

  /** The answer as the service wraps it. */
  protected wrap(answer: Record<string, unknown>): unknown {
    return answer
  }

  protected readonly contentType: string = 'application/json'

  #keepSecrets(text: string): void {
    for (const [, secret = ''] of text.matchAll(/"plaintext":"([^"]+)"/gi)) this.secrets.add(secret)
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const isOut = this.outageOf.test(this.actionOf(request))
    const fault = this.#faults.shift() ?? (isOut ? this.outage : undefined)
    if (fault?.kind === 'silence') return
    if (fault?.kind === 'cut') return void request.socket.destroy()
    response.setHeader('date', new Date(this.now()).toUTCString())
    if (fault?.kind === 'status') {
      response.writeHead(fault.status, { 'content-type': 'text/html' })
      response.end(fault.text ?? '<html><body>gateway error</body></html>')
      return
    }
    const refuse = fault?.kind === 'error' ? fault.code : undefined
    const { status, answer, ...call } = this.answer(request, body, refuse)
    this.calls.push(call)
    for (const text of [JSON.stringify(answer), body.toString()]) this.#keepSecrets(text)
    if (fault?.kind === 'change') fault.change(answer)
    const text = JSON.stringify(this.wrap(answer))
    if (fault?.kind === 'half' || fault?.kind === 'stall') {
      response.writeHead(status, { 'content-type': this.contentType, 'content-length': text.length })
      response.write(text.slice(0, text.length / 2), () => fault.kind === 'half' && request.socket.destroy())
      return
    }
    response.writeHead(status, { 'content-type': this.contentType })
    response.end(fault?.kind === 'truncated' ? text.slice(0, text.length / 2) : text)
  }
}

/** A refusal of the service, with its code. */
export class Refusal extends Error {
  readonly code: string

  constructor(code: string, message = `emulated ${code}`) {
    super(message)
    this.code = code
  }
}

/** The JSON object in a body; null if it is none. */
export function parse(body: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null
  } catch {
    return null
  }
}
