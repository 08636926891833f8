/**
 * Tencent Cloud COS (XML API) as a local server, by the service's public documentation: buckets by the Host header alone, its own signatures
 * or Signature Version 4, its limits, documents and error bodies, versions, parts and checksums. Where the documentation is silent it is strict.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Access, type Account, authorize } from './cos/access.ts'
import { errorInside, newRequestId, refuse, write } from './cos/answer.ts'
import { type Blob, Blobs } from './cos/blobs.ts'
import { Bucket, type ObjectVersion } from './cos/bucket.ts'
import { type Answer, type Call, type CosService, MAX_BODY_BYTES } from './cos/call.ts'
import { type Fault, Faults } from './cos/faults.ts'
import { nameOf, OPERATIONS } from './cos/operations.ts'
import { CosRefusal } from './cos/refusal.ts'
import { documentOf, receiveBody } from './cos/request-body.ts'
import { readTarget, type Target } from './cos/target.ts'

export interface CosServerOptions {
  readonly appid?: string
  readonly region?: string
  /** Every bucket has the strict mode of signatures. Default true. */
  readonly strict?: boolean
  /** Of sources of copies and of parts; default 5 GiB. */
  readonly maxCopyBytes?: number
  /** Of every part but the last; default 1 MiB. */
  readonly minPartBytes?: number
  /** ETags of whole objects and of parts are the MD5 of their bytes. Default true; false is what SSE-KMS makes of them. */
  readonly md5Etags?: boolean
  /** The S3 face keeps frames (aws-chunked) as if they were bytes of the body. Default false: it refuses them. */
  readonly keepsFrames?: boolean
  /** Buckets by domains of their own. */
  readonly domains?: ReadonlyMap<string, string>
  /** A certificate and its key: then it speaks TLS. */
  readonly tls?: { readonly cert: string; readonly key: string }
  /** Default: one that the system gives. */
  readonly port?: number
}

export interface CosServer {
  readonly port: number
  /** `127.0.0.1:port`: where to connect to, whatever the Host header names. */
  readonly address: string
  /** `http://cos.<region>.myqcloud.com:port`: for clients that resolve it to this machine. */
  readonly endpoint: string
  readonly appid: string
  readonly region: string
  readonly secretId: string
  readonly secretKey: string
  readonly faults: Faults
  /** The clock of signatures runs ahead by this much. */
  clockOffsetMs: number
  /** Temporary keys have a token, and may expire. */
  setAccount(
    secretId: string,
    secretKey: string,
    temporary?: { readonly token: string; readonly expiresAt?: number },
  ): void
  removeAccount(secretId: string): void
  /** Lists show what was there so long ago. */
  lagLists(lagMs: number): void
  /** Lists show what is there now, until they are thawed. */
  freezeLists(): void
  thawLists(): void
  /** Names of the calls since the last `counted`, in their order. */
  counted(): string[]
  /** The bucket itself, by its full name: a look behind the protocol. */
  bucket(name: string): Bucket | undefined
  close(): Promise<void>
}

export async function startCosServer(options: CosServerOptions = {}): Promise<CosServer> {
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-cos-server-'))
  const cos = new Cos(directory, options)
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    response.setHeader('server', 'tencent-cos')
    response.setHeader('x-cos-request-id', newRequestId())
    cos.serve(request, response).catch((error: unknown) => refuse(request, response, error))
  }
  const server = options.tls === undefined ? createServer(listener) : createTlsServer(options.tls, listener)
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const { appid, region } = cos
  const scheme = options.tls === undefined ? 'http' : 'https'
  return Object.assign(cos, {
    port,
    address: `127.0.0.1:${port}`,
    endpoint: `${scheme}://cos.${region}.myqcloud.com:${port}`,
    appid,
    region,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await rm(directory, { recursive: true, force: true })
    },
  })
}

class Cos implements CosService {
  readonly appid: string
  readonly region: string
  readonly secretId = 'AKIDCOSSTORE'
  readonly secretKey = 'the-secret-key-of-the-store-behind'
  readonly faults = new Faults()
  readonly buckets = new Map<string, Bucket>()
  readonly blobs: Blobs
  readonly maxCopyBytes: number
  readonly minPartBytes: number
  readonly md5Etags: boolean
  clockOffsetMs = 0
  readonly #accounts = new Map<string, Account>()
  readonly #horizon = { lagMs: 0, frozenAt: null as number | null }
  readonly #strict: boolean
  readonly #keepsFrames: boolean
  readonly #domains: ReadonlyMap<string, string>
  #calls: string[] = []

  constructor(directory: string, options: CosServerOptions) {
    this.appid = options.appid ?? '1250000000'
    this.region = options.region ?? 'ap-guangzhou'
    this.blobs = new Blobs(directory)
    this.maxCopyBytes = options.maxCopyBytes ?? MAX_BODY_BYTES
    this.minPartBytes = options.minPartBytes ?? 1024 * 1024
    this.md5Etags = options.md5Etags ?? true
    this.#strict = options.strict ?? true
    this.#keepsFrames = options.keepsFrames ?? false
    this.#domains = options.domains ?? new Map()
    this.setAccount(this.secretId, this.secretKey)
  }

  setAccount(
    secretId: string,
    secretKey: string,
    temporary?: { readonly token: string; readonly expiresAt?: number },
  ): void {
    const { token, expiresAt = Number.POSITIVE_INFINITY } = temporary ?? {}
    this.#accounts.set(secretId, { secretKey, token, expiresAt })
  }

  removeAccount(secretId: string): void {
    this.#accounts.delete(secretId)
  }

  lagLists(lagMs: number): void {
    this.#horizon.lagMs = lagMs
  }

  freezeLists(): void {
    this.#horizon.frozenAt = performance.now()
  }

  thawLists(): void {
    this.#horizon.frozenAt = null
  }

  counted(): string[] {
    const counted = this.#calls
    this.#calls = []
    return counted
  }

  bucket(name: string): Bucket | undefined {
    return this.buckets.get(name)
  }

  makeBucket(name: string): Bucket {
    const bucket = new Bucket(name, this.#horizon)
    this.buckets.set(name, bucket)
    return bucket
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = readTarget(request.url ?? '', request.headers.host, this.#domains)
    const access = authorize(request, target, {
      accounts: this.#accounts,
      region: this.region,
      strict: this.#strict,
      keepsFrames: this.#keepsFrames,
      now: () => Date.now() + this.clockOffsetMs,
    })
    const isCopy = access.headers['x-cos-copy-source'] !== undefined
    const name = nameOf(request.method ?? '', target, access.face, isCopy)
    this.#calls.push(name)
    const fault = this.faults.take(name)
    if (fault !== undefined && (await instead(fault, request, response))) return
    const operation = OPERATIONS[name]
    if (operation === undefined) throw new CosRefusal('NotImplemented')
    const act = () => operation(this.#call(request, target, access, fault))
    const answer =
      fault?.kind === 'inside'
        ? await drained(request, errorInside(fault.code))
        : await inWords(access.face, act)
    await write(response, { ...answer, headers: headersOf(access.face, answer.headers) }, fault)
  }

  #call(request: IncomingMessage, target: Target, access: Access, fault: Fault | undefined): Call {
    const { headers, face, sha256 } = access
    const bucketName = target.bucket ?? ''
    const buckets = this.buckets
    const isHere = target.region === null || target.region === this.region
    return {
      service: this,
      face,
      bucketName,
      get bucket() {
        const bucket = isHere ? buckets.get(bucketName) : undefined
        if (bucket === undefined) throw new CosRefusal('NoSuchBucket')
        return bucket
      },
      key: target.key,
      query: (name) => target.query.get(name),
      headers,
      host: headers['host'] ?? '',
      receive: (): Promise<Blob> => receiveBody(this.blobs, request, { headers, sha256, fault }),
      document: () => documentOf(request, { headers, sha256 }),
    }
  }
}

/** Whether the fault has taken the place of all that would be done. */
async function instead(fault: Fault, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
  switch (fault.kind) {
    case 'error':
      throw new CosRefusal(fault.code)
    case 'status': {
      request.resume()
      const text = fault.text ?? '<html><body>gateway error</body></html>'
      response.writeHead(fault.status, { 'content-type': 'text/html', 'content-length': text.length })
      response.end(text)
      return true
    }
    case 'cut':
      request.socket.destroy()
      return true
    case 'reset':
      request.socket.resetAndDestroy()
      return true
    case 'silence':
      request.resume()
      return true
    default:
      return false
  }
}

async function drained(request: IncomingMessage, answer: Answer): Promise<Answer> {
  for await (const _ of request);
  return answer
}

async function inWords(face: Access['face'], act: () => Promise<Answer> | Answer): Promise<Answer> {
  try {
    return await act()
  } catch (error) {
    if (!(error instanceof CosRefusal)) throw error
    throw new CosRefusal(error.code, error.message, headersOf(face, error.headers))
  }
}

/** What S3's clients read is named as S3 names it. */
function headersOf(face: Access['face'], headers: Answer['headers'] = {}): Record<string, string> {
  const named = (name: string) =>
    face === 'cos' || name === 'x-cos-hash-crc64ecma' ? name : name.replace(/^x-cos-/, 'x-amz-')
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [named(name), value]))
}

export type { Fault, ObjectVersion }
