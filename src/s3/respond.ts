import type { IncomingMessage, ServerResponse } from 'node:http'
import { finished } from 'node:stream/promises'
import { isError, SealgateError } from '../errors.ts'
import { expectsContinue } from '../http/index.ts'
import type { Answer } from './context.ts'
import type { Target } from './target.ts'
import { plainDocument } from './xml.ts'

/** What the log says of one request. */
export interface RequestOutcome {
  readonly requestId: string
  operation: string
  readonly method: string
  status: number
  durationMs: number
  bucket?: string | undefined
  key?: string | undefined
  accessKeyId?: string | undefined
  /** An object was served that nobody sealed. */
  plaintext?: true
  error?: string | undefined
  reason?: string | undefined
  cause?: unknown
}

/** Answers whose head and XML declaration are out already; see keep-alive.ts. */
export const keptAlive = new WeakSet<ServerResponse>()

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly requestId: string
  readonly region: string
  /** For a page of another origin: on whatever is answered. */
  readonly cors?: Readonly<Record<string, string>> | undefined
}

export async function writeAnswer(exchange: Exchange, answer: Answer): Promise<void> {
  const { request, response } = exchange
  const { body } = answer
  if (keptAlive.has(response)) {
    response.end(withoutDeclaration(typeof body === 'string' ? body : ''))
    await finishExchange(exchange)
    return
  }
  try {
    writeHead(exchange, answer)
  } catch (error) {
    // A field that cannot be sent; nobody else will let the body go.
    if (typeof body === 'object') await body[Symbol.asyncIterator]().return?.()
    throw error
  }
  if (body === undefined || request.method === 'HEAD') response.end()
  else if (typeof body === 'string') response.end(body)
  else await stream(response, body)
  await finishExchange(exchange)
}

function writeHead(exchange: Exchange, { status, headers = {}, body }: Answer): void {
  const { response } = exchange
  const { 'content-length': announced, ...others } = headers
  for (const [name, value] of Object.entries(others)) if (value !== undefined) response.setHeader(name, value)
  commonHeaders(exchange)
  // The last one: behind it, Node would read a Content-Disposition as UTF-8 and cut each character to its low byte, which may be a line end.
  const length = typeof body === 'string' ? Buffer.byteLength(body) : announced
  if (length !== undefined) response.setHeader('content-length', length)
  response.writeHead(status)
}

/** A stream that breaks breaks the connection: a client must never take a cut body for a whole one. */
async function stream(response: ServerResponse, body: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of body) {
      if (response.destroyed) return
      if (!response.write(chunk)) await drained(response)
    }
    response.end()
  } catch (error) {
    response.destroy()
    throw error
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}

/** Renders whatever was thrown. What is not ours says nothing of itself to the client. */
export async function writeError(exchange: Exchange, thrown: unknown, target: Target | null): Promise<void> {
  const { request, response } = exchange
  const error = isError(thrown) ? thrown : new SealgateError('InternalError', undefined, { cause: thrown })
  if (keptAlive.has(response) && !response.destroyed) {
    response.end(withoutDeclaration(documentOf(error, exchange, target)))
    await finishExchange(exchange)
    return
  }
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  for (const [name, value] of Object.entries(error.headers)) response.setHeader(name, value)
  commonHeaders(exchange)
  const hasBody = request.method !== 'HEAD' && error.status !== 304
  const body = hasBody ? documentOf(error, exchange, target) : ''
  if (hasBody) {
    response.setHeader('content-type', 'application/xml')
    response.setHeader('content-length', Buffer.byteLength(body))
  }
  if (!request.complete) response.setHeader('connection', 'close')
  response.writeHead(error.status)
  if (!request.complete && !expectsContinue(request)) {
    if (hasBody) response.write(body)
    else response.flushHeaders()
    await readAway(request)
    response.end()
    return
  }
  response.end(body)
  await finishExchange(exchange)
}

export function commonHeaders({ response, requestId, region, cors = {} }: Exchange): void {
  for (const [name, value] of Object.entries(cors)) response.setHeader(name, value)
  response.setHeader('x-amz-request-id', requestId)
  response.setHeader('x-amz-id-2', 'sealgate')
  response.setHeader('server', 'Sealgate')
  if (response.req.method === 'HEAD' && !response.hasHeader('x-amz-bucket-region'))
    response.setHeader('x-amz-bucket-region', region)
}

function documentOf(error: SealgateError, { requestId }: Exchange, target: Target | null): string {
  return plainDocument('Error', {
    Code: error.kind,
    Message: error.message,
    ...error.details,
    Resource: target?.path,
    RequestId: requestId,
    HostId: 'sealgate',
  })
}

function withoutDeclaration(document: string): string {
  return document.replace(/^<\?xml[^>]*>\n/, '')
}

/** How much of an unread body is read away, and for how long, so that a client that is still sending gets to see the answer. */
const READ_AWAY_BYTES = 32 * 1024 * 1024
const READ_AWAY_MS = 2000

async function finishExchange({ request, response }: Exchange): Promise<void> {
  await finished(response, { readable: false }).catch(() => undefined)
  if (!(await readAway(request))) request.destroy()
}

/**
 * Closing a connection with bytes unread resets it, and the client may lose the answer that is on its way: an early answer is
 * written, and ended only when the client has stopped. False if it has not.
 */
function readAway(request: IncomingMessage): Promise<boolean> {
  if (request.complete || request.destroyed) return Promise.resolve(true)
  return new Promise((resolve) => {
    let bytes = 0
    const timer = setTimeout(() => resolve(false), READ_AWAY_MS)
    const done = (): void => {
      clearTimeout(timer)
      resolve(true)
    }
    request.on('data', (chunk: Uint8Array) => {
      bytes += chunk.length
      if (bytes > READ_AWAY_BYTES) resolve(false)
    })
    request.once('error', done)
    request.once('close', done)
    request.once('end', done)
    request.resume()
  })
}
