/** HTTP as bytes on a socket, with a signer of its own, for the requests that no client library would send. */
import { createHash, createHmac } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import type { TestGateway } from './gateway.ts'

export interface RawRequest {
  readonly method?: string
  /** The target as it goes on the wire. */
  readonly target: string
  /** More header fields, or other values of those that are there by default; null leaves one out. */
  readonly headers?: Readonly<Record<string, string | null>>
  /** x-amz-content-sha256; by default the hash of the body. */
  readonly payload?: string
  readonly body?: Buffer | string
  /** Milliseconds since the epoch; default now. */
  readonly time?: number
  readonly secret?: string
}

export interface RawAnswer {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
  /** The error code of an XML body. */
  readonly code: string | undefined
}

const hash = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex')
/** Headers are one character a byte. */
const hashLatin1 = (text: string): string => hash(Buffer.from(text, 'latin1'))
const hmac = (key: Buffer | string, text: string): Buffer => createHmac('sha256', key).update(text).digest()

/** A signed request as bytes. The target is signed as it stands: it must be encoded as S3 encodes it. */
export function signed(gateway: TestGateway, request: RawRequest): Buffer {
  const { method = 'GET', target, body = '', time = Date.now() } = request
  const timestamp = new Date(time).toISOString().replace(/[-:]|\.\d+/g, '')
  const fields: Record<string, string | null> = {
    host: new URL(gateway.endpoint).host,
    'x-amz-content-sha256': request.payload ?? hash(body),
    'x-amz-date': timestamp,
    ...(body.length > 0 || method === 'PUT' ? { 'content-length': String(Buffer.byteLength(body)) } : {}),
    ...request.headers,
  }
  const headers = Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== null)
  const names = headers
    .map(([name]) => name.toLowerCase())
    .filter((name) => !['content-length', 'transfer-encoding', 'connection', 'expect'].includes(name))
    .sort()
  const canonical = names
    .map(
      (name) =>
        `${name}:${headers
          .find(([other]) => other.toLowerCase() === name)?.[1]
          .trim()
          .replace(/[ \t]+/g, ' ')}\n`,
    )
    .join('')
  const [path = '', query = ''] = target.split('?')
  const sorted = query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => [pair.split('=')[0] ?? '', pair.includes('=') ? pair : `${pair}=`] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, pair]) => pair)
    .join('&')
  const payload = fields['x-amz-content-sha256'] ?? ''
  const creq = [method, path, sorted, canonical, names.join(';'), payload].join('\n')
  const scope = `${timestamp.slice(0, 8)}/us-east-1/s3/aws4_request`
  const key = ['us-east-1', 's3', 'aws4_request'].reduce<Buffer>(
    hmac,
    hmac(`AWS4${request.secret ?? gateway.secretAccessKey}`, timestamp.slice(0, 8)),
  )
  const signature = hmac(key, ['AWS4-HMAC-SHA256', timestamp, scope, hashLatin1(creq)].join('\n')).toString(
    'hex',
  )
  const authorization = `AWS4-HMAC-SHA256 Credential=${gateway.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`
  const lines = [...headers, ['Authorization', authorization]].map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([
    Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1'),
    Buffer.from(body),
  ])
}

export interface Conversation {
  readonly socket: Socket
  /** All that came back so far. */
  received(): string
  /** Resolves when what came back fits, or the connection ended, or after `ms`. */
  until(fits: (received: string) => boolean, ms?: number): Promise<string>
  /** Resolves with all that came back once the server has closed the connection. */
  ended(ms?: number): Promise<string>
}

export function converse(gateway: TestGateway): Conversation {
  const { port } = new URL(gateway.endpoint)
  const socket = connect(Number(port), '127.0.0.1')
  let text = ''
  let closed = false
  const waiting = new Set<() => void>()
  const wake = () => {
    for (const look of [...waiting]) look()
  }
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
    wake()
  })
  socket.on('error', () => undefined)
  socket.on('close', () => {
    closed = true
    wake()
  })
  const wait = (done: () => boolean, ms: number): Promise<string> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(look)
        reject(new Error(`nothing of the kind after ${ms} ms; received: ${text.slice(0, 2000)}`))
      }, ms)
      const look = () => {
        if (!done() && !closed) return
        clearTimeout(timer)
        waiting.delete(look)
        resolve(text)
      }
      waiting.add(look)
      look()
    })
  return {
    socket,
    received: () => text,
    until: (fits, ms = 5000) => wait(() => fits(text), ms),
    ended: (ms = 5000) => wait(() => false, ms),
  }
}

/** Sends bytes and reads one whole answer. */
export async function exchange(gateway: TestGateway, bytes: Buffer | string): Promise<RawAnswer> {
  const conversation = converse(gateway)
  const toHead = Buffer.from(bytes).subarray(0, 5).toString() === 'HEAD '
  conversation.socket.write(bytes)
  try {
    const text = await conversation.until((received) => parseAnswer(received, { toHead }) !== null)
    const answer = parseAnswer(text, { toHead })
    if (answer === null) throw new Error(`no whole answer: ${text.slice(0, 500)}`)
    return answer
  } finally {
    conversation.socket.destroy()
  }
}

export function send(gateway: TestGateway, request: RawRequest): Promise<RawAnswer> {
  return exchange(gateway, signed(gateway, request))
}

/** The last answer in what was received (behind a 100 Continue), or null while it is not whole. One to HEAD has no body. */
export function parseAnswer(text: string, { toHead = false } = {}): RawAnswer | null {
  const start = text.startsWith('HTTP/1.1 100') ? text.indexOf('\r\n\r\n') + 4 : 0
  const end = text.indexOf('\r\n\r\n', start)
  if (end < 0) return null
  const [line = '', ...fields] = text.slice(start, end).split('\r\n')
  const headers = new Map(
    fields.map((field) => [
      field.slice(0, field.indexOf(':')).toLowerCase(),
      field.slice(field.indexOf(':') + 1).trim(),
    ]),
  )
  const rest = text.slice(end + 4)
  const status = Number(line.split(' ')[1])
  const length = toHead ? 0 : Number(headers.get('content-length') ?? 0)
  const chunked = headers.get('transfer-encoding') === 'chunked'
  if (chunked ? !rest.endsWith('0\r\n\r\n') : rest.length < length) return null
  const body = chunked ? unchunk(rest) : rest.slice(0, length)
  return { status, headers, body, code: /<Code>([^<]*)<\/Code>/.exec(body)?.[1] }
}

function unchunk(text: string): string {
  let out = ''
  for (let at = 0; ; ) {
    const end = text.indexOf('\r\n', at)
    const size = Number.parseInt(text.slice(at, end), 16)
    if (!(size > 0)) return out
    out += text.slice(end + 2, end + 2 + size)
    at = end + 2 + size + 2
  }
}
