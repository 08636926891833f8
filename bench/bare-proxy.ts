/**
 * The yardstick: a gateway that does all that Sealgate does but keep secrets. It verifies the client's signature and body, signs anew
 * for the store by the same code, and passes every byte on as it is. Run as a program it prints its port.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { RequestHeaders } from '../src/s3/headers.ts'
import { requestBody } from '../src/s3/request-body.ts'
import { authenticate } from '../src/s3/sigv4.ts'
import { parseTarget, type Target } from '../src/s3/target.ts'
import { fixedCredentials } from '../src/storage/s3/credentials.ts'
import { parseEndpoint } from '../src/storage/s3/endpoint.ts'
import { S3Dialect } from '../src/storage/s3/s3-dialect.ts'
import type { StoreCall } from '../src/storage/wire/call.ts'
import { StoreClient } from '../src/storage/wire/client.ts'
import { Connections } from '../src/storage/wire/connections.ts'
import { BENCH_KEYS } from './bench-keys.ts'

const dialect = new S3Dialect({
  endpoint: parseEndpoint(process.argv[2] ?? ''),
  addressing: 'path',
  credentials: fixedCredentials(BENCH_KEYS),
  region: 'us-east-1',
  answerTimeoutMs: 60_000,
})
// What the gateway finds out of the memory store.
dialect.integrity = { signedChunks: true, checksum: true }
const connections = new Connections({
  maxConnections: 256,
  connectTimeoutMs: 5000,
  idleTimeoutMs: 60_000,
  tls: {},
})
const client = new StoreClient(connections, dialect)

const PASSED_UP =
  /^(?:x-amz-meta-.*|cache-control|expires|range|if-.*|content-(?:type|encoding|language|disposition))$/
const PASSED_DOWN = /^(?:x-amz-meta-.*|etag|last-modified|cache-control|expires|accept-ranges|content-.*)$/

const server = createServer((request, response) => {
  pass(request, response).catch((error: unknown) => {
    // A client that went away has its reasons.
    if (!response.destroyed) process.stderr.write(`${request.method} ${request.url}: ${String(error)}\n`)
    response.destroy()
  })
})
server.requestTimeout = 0
server.keepAliveTimeout = 600_000
server.listen(0, '127.0.0.1', () =>
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`),
)

async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const headers = new RequestHeaders(request.rawHeaders)
  const target = parseTarget(request.url ?? '', headers.get('host'), [])
  const method = request.method as StoreCall['method']
  const { payload } = authenticate(
    { method, target, headers },
    {
      credentials: (id) => (id === BENCH_KEYS.accessKeyId ? BENCH_KEYS.secretAccessKey : undefined),
      region: null,
      now: Date.now,
    },
  )
  const hasBody = method === 'PUT' || method === 'POST'
  const body = hasBody ? requestBody({ body: request, method, headers, payload, maxBytes: 2 ** 40 }) : null
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const answer = await client.send({
    method,
    bucket: target.bucket ?? undefined,
    ...(target.key === null ? {} : { key: target.key }),
    query: queryOf(target),
    headers: passedUp(request),
    body: body === null ? undefined : { size: body.size, body },
    idempotent: false,
    signal: gone.signal,
  })
  response.writeHead(answer.status, passedDown(answer.headers))
  for await (const chunk of answer.body)
    if (!response.write(chunk)) await new Promise((resolve) => response.once('drain', resolve))
  response.end()
}

function passedUp({ headers }: IncomingMessage): Record<string, string> {
  const passed: Record<string, string> = {}
  for (const name in headers) if (PASSED_UP.test(name)) passed[name] = String(headers[name])
  return passed
}

function passedDown(headers: Readonly<Record<string, string>>): Record<string, string> {
  const passed: Record<string, string> = {}
  for (const name in headers) if (PASSED_DOWN.test(name)) passed[name] = headers[name] ?? ''
  return passed
}

function queryOf({ query }: Target): Record<string, string> {
  return Object.fromEntries(query.entries())
}
