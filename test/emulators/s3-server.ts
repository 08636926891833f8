/**
 * An S3 server that keeps what it gets as it gets it: what is behind a gateway. Signatures, chunks and trailers are verified by the
 * gateway's own front, bytes are kept by the fs store. It counts its calls, and can be made to ignore what real servers ignore.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { isError, SealgateError } from '../../src/errors.ts'
import { RequestHeaders } from '../../src/s3/headers.ts'
import { requestBody } from '../../src/s3/request-body.ts'
import { authenticate } from '../../src/s3/sigv4.ts'
import { parseTarget } from '../../src/s3/target.ts'
import { openFilesystemStorage } from '../../src/storage/filesystem.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { BUCKET_CALLS } from './s3-bucket-calls.ts'
import type { Answer, Call, Ignored, Operations } from './s3-call.ts'
import { callName } from './s3-call-names.ts'
import { LIST_CALLS } from './s3-list-calls.ts'
import { Locks } from './s3-locks.ts'
import { OBJECT_CALLS } from './s3-object-calls.ts'
import { KeptSubresources } from './s3-subresources.ts'
import { UPLOAD_CALLS } from './s3-upload-calls.ts'

export type { Ignored } from './s3-call.ts'

export interface S3Server {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly storage: Storage
  readonly subresources: KeptSubresources
  /** Names of the calls since the last `counted`, in their order. */
  counted(): string[]
  close(): Promise<void>
}

export interface S3ServerOptions {
  readonly ignores?: readonly Ignored[]
  /** Requests must be signed for it; default us-east-1. */
  readonly region?: string
  /** Largest source of CopyObject and of a part, in bytes. */
  readonly maxCopyBytes?: number
  /** Puts something between the server and what it keeps. */
  readonly wrap?: (storage: Storage) => Storage
  /** Elements of documents that it does not know, and drops. */
  readonly unknownElements?: readonly string[]
  /** Before anything of a call is done: may throw, or answer itself and return true. */
  readonly intercept?: (call: string, request: IncomingMessage, response: ServerResponse) => boolean
}

const ACCESS_KEY_ID = 'AKIDSTORE'
const SECRET_ACCESS_KEY = 'the-secret-of-the-store-behind'

export async function startS3Server(options: S3ServerOptions = {}): Promise<S3Server> {
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-s3-server-'))
  const files = await openFilesystemStorage({ directory })
  const storage = options.wrap?.(files) ?? files
  const subresources = new KeptSubresources(options.unknownElements)
  const locks = new Locks(subresources)
  let calls: string[] = []
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const headers = new RequestHeaders(request.rawHeaders)
    const target = parseTarget(request.url ?? '', headers.get('host'), [])
    const method = request.method ?? ''
    const signed = { method, target, headers }
    const credentials = (id: string) => (id === ACCESS_KEY_ID ? SECRET_ACCESS_KEY : undefined)
    const { payload } = authenticate(signed, {
      credentials,
      region: options.region ?? 'us-east-1',
      now: Date.now,
    })
    const name = callName(method, target, headers)
    calls.push(name)
    if (options.intercept?.(name, request, response) === true) return
    const ignores = new Set(options.ignores)
    const call: Call = {
      storage,
      subresources,
      locks,
      target,
      bucket: target.bucket ?? '',
      key: ignores.has('name-parts') ? cleaned(target.key ?? '') : (target.key ?? ''),
      query: (parameter) =>
        parameter === 'versionId' && ignores.has('version-ids') ? undefined : target.query.get(parameter),
      headers,
      body: () =>
        requestBody({
          body: request,
          method,
          headers,
          payload,
          maxBytes: 2 ** 40,
          checksumsOf: method === 'POST' ? 'object' : 'body',
        }),
      ignores,
      maxCopyBytes: options.maxCopyBytes ?? 5 * 1024 ** 3,
    }
    const operation = OPERATIONS[name]
    if (operation === undefined) throw new SealgateError('NotImplemented')
    await write(response, await operation(call))
  }
  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => fail(request, response, error))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    accessKeyId: ACCESS_KEY_ID,
    secretAccessKey: SECRET_ACCESS_KEY,
    storage,
    subresources,
    counted() {
      const counted = calls
      calls = []
      return counted
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await files.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** As a file system takes a path. */
function cleaned(key: string): string {
  return key
    .split('/')
    .filter((name, at, { length }) => (name !== '' || at === length - 1) && name !== '.')
    .join('/')
}

const OPERATIONS: Operations = { ...BUCKET_CALLS, ...OBJECT_CALLS, ...LIST_CALLS, ...UPLOAD_CALLS }

async function write(response: ServerResponse, { status = 200, headers = {}, body }: Answer): Promise<void> {
  response.writeHead(status, headers)
  if (typeof body === 'string' || body === undefined) return void response.end(body)
  await pipeline(body, response)
}

function fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.writableEnded) return void response.destroy()
  const known = isError(error) ? error : new SealgateError('InternalError', String(error))
  // A connection that closes on unread bytes takes the answer with it.
  request.resume()
  response.writeHead(known.status, { ...known.headers, 'content-type': 'application/xml' })
  response.end(
    request.method === 'HEAD'
      ? undefined
      : `<Error><Code>${known.kind}</Code>${regionElement(known)}</Error>`,
  )
}

/** What S3 says to those who signed for another region. */
function regionElement({ details }: SealgateError): string {
  const { Region } = details
  return Region === undefined ? '' : `<Region>${Region}</Region>`
}
