/**
 * An S3 server that answers from memory: what stands behind the gateway and behind the bare proxy while they are measured, so it does as
 * little as it can. It believes every signature, and keeps no byte of what is put under `put/`. Run as a program it prints its port.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createChecksum } from '../src/base/checksum.ts'
import { unchunk } from './unchunk.ts'

interface Kept {
  readonly chunks: readonly Buffer[]
  readonly size: number
  readonly etag: string
  readonly headers: Readonly<Record<string, string>>
  readonly modified: string
}

interface Upload {
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  readonly parts: Map<number, Kept>
}

interface Bucket {
  readonly objects: Map<string, Kept>
  readonly uploads: Map<string, Upload>
  /** The names in order, until one comes or goes. */
  sorted: string[] | null
}

interface Call {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly bucket: string
  readonly key: string
  readonly query: URLSearchParams
}

const buckets = new Map<string, Bucket>()
const KEPT_HEADERS =
  /^(?:x-amz-meta-.*|cache-control|expires|content-(?:type|encoding|language|disposition))$/

const server = createServer((request, response) => {
  const [path = '', query = ''] = (request.url ?? '').split('?')
  const [, bucket = '', ...rest] = path.split('/')
  const key = decodeURIComponent(rest.join('/'))
  serve({ request, response, bucket, key, query: new URLSearchParams(query) }).catch((error: unknown) => {
    if (error instanceof Refusal) refuse(response, error)
    else if (!request.destroyed) {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
      response.destroy()
    }
  })
})
server.keepAliveTimeout = 600_000
server.listen(0, '127.0.0.1', () =>
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`),
)

class Refusal extends Error {
  readonly status: number
  constructor(status: number, code: string) {
    super(code)
    this.status = status
  }
}

function refuse(response: ServerResponse, { status, message }: Refusal): void {
  answer(response, status, {}, `<Error><Code>${message}</Code><Message>${message}</Message></Error>`)
}

function answer(response: ServerResponse, status: number, headers: Record<string, string>, body = ''): void {
  const bytes = Buffer.from(body)
  response.writeHead(status, { ...headers, 'content-length': String(bytes.length) })
  response.end(bytes)
}

function serve(call: Call): Promise<void> {
  const { method = '' } = call.request
  if (call.bucket === '') return listBuckets(call)
  return call.key === '' ? ofBucket(method, call) : ofObject(method, call)
}

async function listBuckets({ response }: Call): Promise<void> {
  const names = [...buckets.keys()].map(
    (name) => `<Bucket><Name>${name}</Name><CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket>`,
  )
  const list = `<ListAllMyBucketsResult><Buckets>${names.join('')}</Buckets></ListAllMyBucketsResult>`
  answer(response, 200, {}, list)
}

async function ofBucket(method: string, call: Call): Promise<void> {
  const { response, query, request } = call
  if (method === 'PUT') {
    await unchunk(request, () => undefined)
    if (query.size > 0) throw new Refusal(501, 'NotImplemented')
    if (buckets.has(call.bucket)) throw new Refusal(409, 'BucketAlreadyOwnedByYou')
    buckets.set(call.bucket, { objects: new Map(), uploads: new Map(), sorted: null })
    return answer(response, 200, {})
  }
  const bucket = bucketOf(call)
  if (method === 'HEAD') return answer(response, 200, {})
  if (method === 'POST' && query.has('delete')) return deleteObjects(call, bucket)
  if (method !== 'GET') throw new Refusal(501, 'NotImplemented')
  if (query.has('location')) return answer(response, 200, {}, '<LocationConstraint/>')
  if (query.has('uploads'))
    return answer(
      response,
      200,
      {},
      '<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>',
    )
  if (query.get('list-type') === '2' || query.size === 0)
    return answer(response, 200, {}, list(bucket, query))
  throw new Refusal(501, 'NotImplemented')
}

async function deleteObjects({ request, response }: Call, bucket: Bucket): Promise<void> {
  const chunks: Buffer[] = []
  await unchunk(request, (chunk) => chunks.push(chunk))
  for (const [, key = ''] of Buffer.concat(chunks)
    .toString()
    .matchAll(/<Key>([^<]*)<\/Key>/g))
    bucket.objects.delete(key)
  bucket.sorted = null
  answer(response, 200, {}, '<DeleteResult/>')
}

function bucketOf({ bucket }: Call): Bucket {
  const found = buckets.get(bucket)
  if (found === undefined) throw new Refusal(404, 'NoSuchBucket')
  return found
}

/** Flat: the names that are measured have nothing to fold. */
function list(bucket: Bucket, query: URLSearchParams): string {
  const prefix = query.get('prefix') ?? ''
  const after = query.get('continuation-token') ?? query.get('start-after') ?? ''
  const most = Number(query.get('max-keys') ?? 1000)
  bucket.sorted ??= [...bucket.objects.keys()].sort()
  const names = bucket.sorted.filter((name) => name.startsWith(prefix) && name > after)
  const page = names.slice(0, most)
  const entries = page.map((name) => {
    const { etag, size, modified } = bucket.objects.get(name) as Kept
    return `<Contents><Key>${name}</Key><LastModified>${modified}</LastModified><ETag>&quot;${etag}&quot;</ETag><Size>${size}</Size><StorageClass>STANDARD</StorageClass></Contents>`
  })
  const next =
    names.length > page.length ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : ''
  return `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>${prefix}</Prefix><KeyCount>${page.length}</KeyCount><MaxKeys>${most}</MaxKeys><EncodingType>url</EncodingType><IsTruncated>${next !== ''}</IsTruncated>${next}${entries.join('')}</ListBucketResult>`
}

async function ofObject(method: string, call: Call): Promise<void> {
  const bucket = bucketOf(call)
  if (method === 'PUT') return call.query.has('uploadId') ? putPart(call, bucket) : putObject(call, bucket)
  if (method === 'POST') return call.query.has('uploads') ? beginUpload(call, bucket) : complete(call, bucket)
  if (method === 'DELETE') return remove(call, bucket)
  if (call.query.has('uploadId')) throw new Refusal(501, 'NotImplemented')
  getObject(call, bucket, method === 'HEAD')
}

async function receive(call: Call): Promise<Kept> {
  const { request, key } = call
  const announced = request.headers['x-amz-checksum-crc32'] ?? request.headers['x-amz-trailer']
  const checksum = announced === undefined ? null : createChecksum('CRC32')
  const chunks: Buffer[] = []
  let size = 0
  const trailers = await unchunk(request, (chunk) => {
    size += chunk.length
    checksum?.update(chunk)
    if (!key.startsWith('put/')) chunks.push(chunk)
  })
  const claimed = trailers.get('x-amz-checksum-crc32') ?? request.headers['x-amz-checksum-crc32']
  if (checksum !== null && claimed !== checksum.digest().toString('base64'))
    throw new Refusal(400, 'BadDigest')
  const headers = Object.fromEntries(
    Object.entries(request.headers).flatMap(([name, value]) =>
      KEPT_HEADERS.test(name) ? [[name, String(value)]] : [],
    ),
  )
  return {
    chunks,
    size,
    etag: randomBytes(16).toString('hex'),
    headers,
    modified: new Date().toISOString(),
  }
}

function checkConditions({ request, key }: Call, bucket: Bucket): void {
  const there = bucket.objects.get(key)
  const { 'if-none-match': ifNone, 'if-match': ifMatch } = request.headers
  if (ifNone === '*' && there !== undefined) throw new Refusal(412, 'PreconditionFailed')
  if (ifMatch === undefined) return
  if (there === undefined) throw new Refusal(404, 'NoSuchKey')
  if (ifMatch !== `"${there.etag}"`) throw new Refusal(412, 'PreconditionFailed')
}

function keep(bucket: Bucket, key: string, object: Kept): void {
  if (!bucket.objects.has(key)) bucket.sorted = null
  bucket.objects.set(key, object)
}

async function putObject(call: Call, bucket: Bucket): Promise<void> {
  const object = await receive(call)
  checkConditions(call, bucket)
  // Copies are not measured: a store that cannot copy is a store.
  if (call.request.headers['x-amz-copy-source'] !== undefined) throw new Refusal(501, 'NotImplemented')
  keep(bucket, call.key, object)
  answer(call.response, 200, { etag: `"${object.etag}"` })
}

async function remove(call: Call, bucket: Bucket): Promise<void> {
  const uploadId = call.query.get('uploadId')
  if (uploadId !== null) {
    if (!bucket.uploads.delete(uploadId)) throw new Refusal(404, 'NoSuchUpload')
  } else {
    checkConditions(call, bucket)
    bucket.objects.delete(call.key)
    bucket.sorted = null
  }
  answer(call.response, 204, {})
}

function getObject({ request, response, key }: Call, bucket: Bucket, isHead: boolean): void {
  const object = bucket.objects.get(key)
  if (object === undefined) throw new Refusal(404, 'NoSuchKey')
  const headers = {
    ...object.headers,
    etag: `"${object.etag}"`,
    'last-modified': new Date(object.modified).toUTCString(),
  }
  const range = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '')
  if (range === null) {
    response.writeHead(200, { ...headers, 'content-length': String(object.size) })
    send(response, isHead ? [] : object.chunks)
    return
  }
  const [, from = '', to = ''] = range
  const start = from === '' ? Math.max(0, object.size - Number(to)) : Number(from)
  const end = from === '' || to === '' ? object.size - 1 : Math.min(Number(to), object.size - 1)
  if (start > end) throw new Refusal(416, 'InvalidRange')
  response.writeHead(206, {
    ...headers,
    'content-length': String(end - start + 1),
    'content-range': `bytes ${start}-${end}/${object.size}`,
  })
  if (isHead) response.end()
  else send(response, cut(object.chunks, start, end))
}

function cut(chunks: readonly Buffer[], start: number, end: number): Buffer[] {
  const result: Buffer[] = []
  let at = 0
  for (const chunk of chunks) {
    if (at + chunk.length > start && at <= end)
      result.push(chunk.subarray(Math.max(0, start - at), end + 1 - at))
    at += chunk.length
  }
  return result
}

/** No faster than it is taken, as a server with a disk would. */
function send(response: ServerResponse, chunks: readonly Buffer[]): void {
  let next = 0
  const more = (): void => {
    while (next < chunks.length) if (!response.write(chunks[next++])) return void response.once('drain', more)
    response.end()
  }
  response.socket?.setNoDelay(true)
  if (chunks.length === 1) response.end(chunks[0])
  else more()
}

async function beginUpload(call: Call, bucket: Bucket): Promise<void> {
  const { headers } = await receive(call)
  const uploadId = randomBytes(16).toString('hex')
  bucket.uploads.set(uploadId, { key: call.key, headers, parts: new Map() })
  const id = `<UploadId>${uploadId}</UploadId>`
  answer(
    call.response,
    200,
    {},
    `<InitiateMultipartUploadResult><Bucket>${call.bucket}</Bucket><Key>${call.key}</Key>${id}</InitiateMultipartUploadResult>`,
  )
}

function uploadOf({ query }: Call, bucket: Bucket): Upload {
  const upload = bucket.uploads.get(query.get('uploadId') ?? '')
  if (upload === undefined) throw new Refusal(404, 'NoSuchUpload')
  return upload
}

async function putPart(call: Call, bucket: Bucket): Promise<void> {
  const { parts } = uploadOf(call, bucket)
  if (call.request.headers['x-amz-copy-source'] !== undefined) throw new Refusal(501, 'NotImplemented')
  const part = await receive(call)
  parts.set(Number(call.query.get('partNumber')), part)
  answer(call.response, 200, { etag: `"${part.etag}"` })
}

async function complete(call: Call, bucket: Bucket): Promise<void> {
  const named: Buffer[] = []
  await unchunk(call.request, (chunk) => named.push(chunk))
  checkConditions(call, bucket)
  const { key, headers, parts } = uploadOf(call, bucket)
  const numbers = [
    ...Buffer.concat(named)
      .toString()
      .matchAll(/<PartNumber>(\d+)</g),
  ]
  const joined = numbers.map(([, number]) => {
    const part = parts.get(Number(number))
    if (part === undefined) throw new Refusal(400, 'InvalidPart')
    return part
  })
  const hash = createHash('md5').update(joined.map(({ etag }) => etag).join(''))
  const etag = `${hash.digest('hex')}-${joined.length}`
  const size = joined.reduce((sum, part) => sum + part.size, 0)
  const chunks = joined.flatMap((part) => part.chunks)
  keep(bucket, key, { chunks, size, etag, headers, modified: new Date().toISOString() })
  bucket.uploads.delete(call.query.get('uploadId') ?? '')
  answer(
    call.response,
    200,
    {},
    `<CompleteMultipartUploadResult><Bucket>${call.bucket}</Bucket><Key>${key}</Key><ETag>&quot;${etag}&quot;</ETag></CompleteMultipartUploadResult>`,
  )
}
