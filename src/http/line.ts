import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** No client sends so many requests without waiting for an answer; who does only wants them kept in memory. */
const MAX_WAITING = 100

interface Waiting {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly serve: () => void
}

/**
 * The requests of one connection, each served when the answer to the one before is out. A client that sends several at once may mean
 * one to see what another did (RFC 9112 section 9.3.2), and one connection never costs more than one request.
 */
export class Line {
  readonly #socket: Duplex
  readonly #waiting: Waiting[] = []

  constructor(socket: Duplex) {
    this.#socket = socket
  }

  join(request: IncomingMessage, response: ServerResponse, serve: () => void): void {
    // Refused already: whatever else is on its way is read away unheard.
    if (this.#socket.writableEnded) return
    if (this.#waiting.length === MAX_WAITING) return void this.#socket.destroy()
    this.#waiting.push({ request, response, serve })
    response.once('close', () => this.#next())
    if (this.#waiting.length === 1) serve()
  }

  /** True while an answer is on its way, or owed to a request that is whole. */
  get owesAnswer(): boolean {
    return this.#waiting.some(({ request, response }) => request.complete || response.headersSent)
  }

  #next(): void {
    this.#waiting.shift()
    if (!this.#socket.destroyed && !this.#socket.writableEnded) this.#waiting[0]?.serve()
  }
}
