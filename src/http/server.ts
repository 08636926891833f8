import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

export interface HttpLimits {
  readonly maxHeaderBytes: number
  readonly headersTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly maxConnections: number
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void
const expecting = new WeakSet<IncomingMessage>()

/** A server that bounds headers and silence but not the length of an upload; it does not listen yet. */
export function createHttpServer(o: { handler: Handler; limits: HttpLimits }): Server {
  const { maxHeaderBytes: maxHeaderSize, headersTimeoutMs: headersTimeout } = o.limits
  const server = createServer({ maxHeaderSize, headersTimeout, requestTimeout: 0 }, o.handler)
  server.maxConnections = o.limits.maxConnections
  // Longer than the handler waits for a body, so that it can say so before the socket goes.
  server.setTimeout(o.limits.idleTimeoutMs + 10_000)
  server.on('checkContinue', (request, response) => {
    expecting.add(request)
    o.handler(request, response)
  })
  server.on('clientError', answerClientError)
  return server
}

/** True when the client waits for `100 Continue`: call `response.writeContinue()` before the first read. */
export function expectsContinue(request: IncomingMessage): boolean {
  return expecting.has(request)
}

/** Stops accepting, lets running requests finish for `graceMs`, then breaks what is left. */
export async function drain(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  const sweep = setInterval(() => server.closeIdleConnections(), 100)
  const end = setTimeout(() => server.closeAllConnections(), graceMs)
  await closed
  clearInterval(sweep)
  clearTimeout(end)
}

function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const code = error.code === 'HPE_HEADER_OVERFLOW' ? 'RequestHeaderSectionTooLarge' : 'BadRequest'
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>The request could not be read.</Message></Error>`
  const head = `HTTP/1.1 400 Bad Request\r\nContent-Type: application/xml\r\nContent-Length: ${body.length}\r\nConnection: close`
  socket.end(`${head}\r\n\r\n${body}`, () => socket.destroy())
}
