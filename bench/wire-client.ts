/**
 * HTTP/1.1 over a plain socket, with requests that were signed before the clock ran: node:http's client would cost more than what it is
 * to measure. One exchange at a time; bodies are counted and let go.
 */
import { connect, type Socket } from 'node:net'

export interface Exchange {
  /** Request line and headers, blank line included. */
  readonly head: Buffer
  /** Sent so many times over. */
  readonly body: Buffer | null
  readonly times: number
  /** What stands behind the repetitions. */
  readonly tail: Buffer | null
}

export interface Answered {
  readonly status: number
  /** Bytes of the answer's body. */
  readonly received: number
}

type Framing = { readonly kind: 'length'; left: number } | { readonly kind: 'chunked'; left: number }

export class WireClient {
  readonly #socket: Socket
  readonly #isHead: boolean
  #head = ''
  #status = 0
  #framing: Framing | null = null
  #received = 0
  #line = ''
  #settle: { resolve: (answer: Answered) => void; reject: (error: Error) => void } | null = null
  #first: Buffer | null = null
  /** Bytes of bodies, in both directions, as they pass. */
  onBytes: (bytes: number) => void = () => undefined

  private constructor(socket: Socket, isHead: boolean) {
    this.#socket = socket
    this.#isHead = isHead
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#take(chunk))
    socket.on('close', () => this.#fail(new Error('the connection was closed')))
    socket.on('error', (error) => this.#fail(error))
  }

  static open(port: number, isHead: boolean): Promise<WireClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new WireClient(socket, isHead))
      })
    })
  }

  exchange(request: Exchange): Promise<Answered> {
    this.#head = ''
    this.#framing = null
    this.#received = 0
    const answered = new Promise<Answered>((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    this.#send(request)
    return answered
  }

  close(): void {
    this.#socket.destroy()
    this.#fail(new Error('given up'))
  }

  /** Of the last answer. */
  get head(): string {
    return this.#head
  }

  /** The beginning of the last answer's body. */
  get document(): string {
    return this.#first?.toString('latin1', 0, 1000) ?? ''
  }

  #send({ head, body, times, tail }: Exchange): void {
    this.#socket.cork()
    this.#socket.write(head)
    if (body === null) {
      this.#socket.uncork()
      return
    }
    let sent = 0
    const more = (): void => {
      while (sent < times) {
        sent++
        const isTaken = this.#socket.write(body)
        this.onBytes(body.length)
        if (!isTaken && sent < times) return void this.#socket.once('drain', more)
      }
      if (tail !== null) this.#socket.write(tail)
    }
    more()
    this.#socket.uncork()
  }

  #take(chunk: Buffer): void {
    let rest = chunk
    if (this.#framing === null) {
      const taken = this.#takeHead(rest)
      if (taken === null) return
      rest = taken
    }
    const framing = this.#framing as Framing | null
    if (framing === null) return
    if (framing.kind === 'length') this.#content(rest, framing)
    else this.#chunks(rest, framing)
  }

  #takeHead(chunk: Buffer): Buffer | null {
    const before = this.#head.length
    this.#head += chunk.toString('latin1')
    const end = this.#head.indexOf('\r\n\r\n')
    if (end < 0) return null
    const head = this.#head.slice(0, end)
    this.#status = Number(head.slice(9, 12))
    const rest = chunk.subarray(end + 4 - before)
    if (this.#status === 100) {
      this.#head = ''
      return rest.length > 0 ? this.#takeHead(rest) : null
    }
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    if (/\r\ntransfer-encoding: *chunked/i.test(head)) this.#framing = { kind: 'chunked', left: -1 }
    else this.#framing = { kind: 'length', left: Number(length ?? 0) }
    if (this.#isHead || this.#status === 204 || this.#status === 304)
      this.#framing = { kind: 'length', left: 0 }
    return rest
  }

  #content(rest: Buffer, framing: Framing): void {
    this.#count(rest)
    framing.left -= rest.length
    if (framing.left <= 0) this.#done()
  }

  #chunks(rest: Buffer, framing: Framing): void {
    for (let at = 0; at < rest.length; ) {
      if (framing.left > 0) {
        const taken = rest.subarray(at, at + framing.left)
        this.#count(taken)
        framing.left -= taken.length
        at += taken.length
        continue
      }
      const end = rest.indexOf(10, at)
      this.#line += rest.toString('latin1', at, end < 0 ? rest.length : end)
      if (end < 0) return
      at = end + 1
      const line = this.#line.trim()
      this.#line = ''
      // Behind the last chunk, of length 0, comes an empty line.
      if (framing.left === -2) {
        this.#done()
        return
      }
      if (line !== '') {
        const size = Number.parseInt(line, 16)
        framing.left = size === 0 ? -2 : size
      }
    }
  }

  #count(bytes: Buffer): void {
    if (this.#received === 0) this.#first = bytes
    this.#received += bytes.length
    this.onBytes(bytes.length)
  }

  #done(): void {
    const settle = this.#settle
    this.#settle = null
    settle?.resolve({ status: this.#status, received: this.#received })
  }

  #fail(error: Error): void {
    const settle = this.#settle
    this.#settle = null
    settle?.reject(error)
  }
}
