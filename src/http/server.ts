import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { Line } from './line.ts'
import { refuse } from './refusal.ts'

export interface HttpLimits {
  readonly maxHeaderBytes: number
  readonly headersTimeoutMs: number
  readonly idleTimeoutMs: number
  /** Above it, clients are told to slow down. */
  readonly maxConnections: number
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void
const expecting = new WeakSet<IncomingMessage>()
const lines = new WeakMap<Duplex, Line>()

/** A server that bounds headers and silence but not the length of an upload; it does not listen yet. */
export function createHttpServer(o: { handler: Handler; limits: HttpLimits }): Server {
  const { maxHeaderBytes: maxHeaderSize, headersTimeoutMs: headersTimeout } = o.limits
  const crowd = new WeakSet<Duplex>()
  const handler: Handler = (request, response) => {
    if (crowd.has(request.socket)) return refuse(request.socket, 'SlowDown')
    lineOf(request.socket).join(request, response, () => {
      if (request.headers.host === undefined && request.httpVersionMinor > 0)
        refuse(request.socket, 'BadRequest', 'Missing required header for this request: Host')
      else o.handler(request, response)
    })
  }
  const server = createServer(
    {
      maxHeaderSize,
      headersTimeout,
      requestTimeout: 0,
      // Node's 30 s would let a slow header live for so much longer than it may.
      connectionsCheckingInterval: Math.min(5000, headersTimeout),
      requireHostHeader: false,
    },
    handler,
  )
  limitConnections(server, o.limits.maxConnections, (socket) => crowd.add(socket))
  // Node's 5 s are less than clients and load balancers keep a connection for: their next request would meet one that just closed.
  server.keepAliveTimeout = o.limits.idleTimeoutMs
  // Longer than the handler waits for a body, so that it can say so before the socket goes.
  server.setTimeout(o.limits.idleTimeoutMs + 10_000)
  server.on('checkContinue', (request, response) => {
    expecting.add(request)
    handler(request, response)
  })
  // Any other expectation is taken no notice of (RFC 9110 section 10.1.1 leaves the choice).
  server.on('checkExpectation', handler)
  server.on('clientError', answerClientError)
  return server
}

/**
 * A connection too many is let in, to be told so at its first request: one that is closed unheard looks to clients like a network that
 * fails. Only what comes on top of a tenth more is.
 */
function limitConnections(server: Server, max: number, onTooMany: (socket: Duplex) => void): void {
  let open = 0
  server.maxConnections = max + Math.max(8, Math.ceil(max / 10))
  server.on('connection', (socket) => {
    open += 1
    socket.once('close', () => {
      open -= 1
    })
    if (open > max) onTooMany(socket)
  })
}

function lineOf(socket: Duplex): Line {
  const line = lines.get(socket) ?? new Line(socket)
  lines.set(socket, line)
  return line
}

/** True while the client waits for `100 Continue` and so keeps its body back. */
export function expectsContinue(request: IncomingMessage): boolean {
  return expecting.has(request)
}

/** Lets a client that waits go on; call it before the first read of a body. */
export function letContinue(request: IncomingMessage, response: ServerResponse): void {
  if (expecting.delete(request)) response.writeContinue()
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
  // Refused already, and still sending.
  if (socket.writableEnded) return
  // Beside the answer to another request, this one would be taken for it, or for bytes of it.
  if (error.code === 'ECONNRESET' || !socket.writable || lineOf(socket).owesAnswer)
    return void socket.destroy()
  if (error.code === 'HPE_HEADER_OVERFLOW') refuse(socket, 'RequestHeaderSectionTooLarge')
  else if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') refuse(socket, 'RequestTimeout')
  else refuse(socket, 'BadRequest', 'The request could not be read.')
}
