/** How an answer goes out: whole, early with white space, or as a fault has it. */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer } from './call.ts'
import { type Fault, flipped } from './faults.ts'
import { CosRefusal } from './refusal.ts'
import { cosDocument } from './xml.ts'

const BLANK_EVERY_MS = 100

export function newRequestId(): string {
  return Buffer.from(randomBytes(18).toString('hex')).toString('base64')
}

export async function write(
  response: ServerResponse,
  { status = 200, headers = {}, body, early = false }: Answer,
  fault: Fault | undefined,
): Promise<void> {
  if (fault?.kind === 'lost') return void response.destroy()
  if (typeof body === 'string') response.setHeader('content-type', 'application/xml')
  if (early) return writeEarly(response, headers, String(body), fault)
  if (fault?.kind === 'slow') await sleep(fault.delayMs)
  if (body === undefined) {
    response.writeHead(status, status === 204 ? headers : { 'content-length': '0', ...headers })
    return void response.end()
  }
  if (typeof body === 'string') return writeText(response, status, headers, body, fault)
  if (fault?.kind === 'half' || fault?.kind === 'stall' || fault?.kind === 'truncated')
    return writePart(response, { status, headers, body }, fault.kind)
  response.writeHead(status, headers)
  await pipeline(fault?.kind === 'flipped' ? flipped(body) : body, response)
}

function writeText(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  text: string,
  fault: Fault | undefined,
): Promise<void> | undefined {
  const bytes = Buffer.from(text)
  if (fault?.kind === 'half' || fault?.kind === 'stall' || fault?.kind === 'truncated') {
    const body = (async function* () {
      yield bytes
    })()
    return writePart(
      response,
      { status, headers: { ...headers, 'content-length': String(bytes.length) }, body },
      fault.kind,
    )
  }
  response.writeHead(status, { ...headers, 'content-length': String(bytes.length) })
  response.end(bytes)
  return undefined
}

/** Half of the bytes; what follows is a cut, silence, or an end that looks like one. */
async function writePart(
  response: ServerResponse,
  {
    status,
    headers,
    body,
  }: { status: number; headers: Readonly<Record<string, string>>; body: AsyncIterable<Uint8Array> },
  kind: 'half' | 'stall' | 'truncated',
): Promise<void> {
  const size = Math.floor(Number(headers['content-length']) / 2)
  const length = kind === 'truncated' ? { 'content-length': String(size) } : {}
  response.writeHead(status, { ...headers, ...length })
  response.flushHeaders()
  let left = size
  for await (const chunk of body) {
    const bytes = chunk.subarray(0, left)
    left -= bytes.length
    if (bytes.length > 0) await new Promise((resolve) => response.write(bytes, resolve))
    if (left === 0) break
  }
  if (kind === 'half') response.destroy()
  if (kind === 'truncated') response.end()
}

/** The status is out before the work is done: what comes behind the white space may be an error. */
async function writeEarly(
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
  document: string,
  fault: Fault | undefined,
): Promise<void> {
  response.writeHead(200, headers)
  response.write('\n')
  const until = Date.now() + (fault?.kind === 'slow' ? fault.delayMs : 0)
  while (Date.now() < until) {
    await sleep(Math.min(BLANK_EVERY_MS, until - Date.now()))
    response.write(' ')
  }
  const half = document.slice(0, document.length / 2)
  if (fault?.kind === 'half') return void response.write(half, () => response.destroy())
  if (fault?.kind === 'stall') return void response.write(half)
  response.end(fault?.kind === 'truncated' ? half : document)
}

/** Answers to HEAD have no document, and so no code. */
export function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.writableEnded) return void response.destroy()
  const refusal = error instanceof CosRefusal ? error : new CosRefusal('InternalError', String(error))
  // A connection that closes on unread bytes takes the answer with it.
  request.resume()
  const isBare = request.method === 'HEAD' || refusal.status === 304
  const text = isBare ? '' : errorDocument(request, response, refusal)
  response.writeHead(refusal.status, {
    ...refusal.headers,
    'x-cos-trace-id': newRequestId(),
    ...(isBare
      ? {}
      : { 'content-type': 'application/xml', 'content-length': String(Buffer.byteLength(text)) }),
  })
  response.end(text)
}

function errorDocument(
  { headers, url }: IncomingMessage,
  response: ServerResponse,
  { code, message }: CosRefusal,
): string {
  return cosDocument('Error', {
    Code: code,
    Message: message,
    Resource: `${headers.host ?? ''}${url?.split('?')[0] ?? ''}`,
    RequestId: String(response.getHeader('x-cos-request-id')),
    TraceId: newRequestId(),
  })
}

/** An error in the place of the result of an answer that is under way. */
export function errorInside(code: ConstructorParameters<typeof CosRefusal>[0]): Answer {
  const { message } = new CosRefusal(code)
  const error = { Code: code, Message: message, RequestId: newRequestId(), TraceId: newRequestId() }
  return { early: true, body: cosDocument('Error', error) }
}
