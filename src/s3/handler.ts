import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isError, SealgateError } from '../errors.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { letContinue } from '../http/index.ts'
import type { SignedRequest } from './canonical-request.ts'
import type { Answer, Context } from './context.ts'
import { corsHeaders, preflight } from './cors.ts'
import { type AuthenticateFormOptions, authenticateForm } from './form/form-signature.ts'
import { RequestHeaders } from './headers.ts'
import { keepAlive } from './keep-alive.ts'
import { PLAINTEXT_HEADER } from './object-headers.ts'
import { findOperation, isFormPost } from './operation-table.ts'
import { PostObject } from './operations/post-object.ts'
import { checkExpectedOwner } from './owner.ts'
import { withPresignedHeaders } from './presigned.ts'
import { requestBody } from './request-body.ts'
import { type Exchange, type RequestOutcome, writeAnswer, writeError } from './respond.ts'
import { authenticateVersion2, isVersion2 } from './sigv2.ts'
import { authenticate, type Identity } from './sigv4.ts'
import { parseTarget, type Target } from './target.ts'

export interface S3HandlerOptions {
  readonly gateway: Gateway
  /** The secret of an access key id, or undefined if there is no such key. */
  readonly credentials: (accessKeyId: string) => string | undefined
  /** What clients are told. */
  readonly region: string
  /** Refuse signatures for other regions. */
  readonly strictRegion?: boolean
  /** Accept Signature Version 2 beside version 4; default false. */
  readonly signatureV2?: boolean
  /** Base domains of virtual-host style. */
  readonly domains: readonly string[]
  /** How long a body may be silent before the request is answered RequestTimeout; default 60 000. */
  readonly idleTimeoutMs?: number
  /** When and how often a long answer shows that it is under way; default 3000. */
  readonly keepAliveMs?: number
  readonly now?: () => number
  /** One line a request. */
  readonly onRequest?: (outcome: RequestOutcome) => void
}

/** The status in the log of a request whose client did not wait for an answer, as nginx writes it. */
const CLIENT_GONE = 499

/** From a request to its answer; the one place where an error becomes an answer. */
export function createS3Handler(
  options: S3HandlerOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    handle(options, request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined)
    })
  }
}

async function handle(
  options: S3HandlerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const startedAt = performance.now()
  const requestId = randomBytes(8).toString('hex').toUpperCase()
  const outcome: RequestOutcome = {
    requestId,
    operation: 'Unknown',
    method: request.method ?? '',
    status: 0,
    durationMs: 0,
  }
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  let target: Target | null = null
  let cors: Exchange['cors']
  try {
    const headers = new RequestHeaders(request.rawHeaders)
    target = parseTarget(request.url ?? '', headers.get('host'), options.domains)
    outcome.bucket = target.bucket ?? undefined
    outcome.key = target.key ?? undefined
    cors = await corsHeaders(options.gateway, outcome.method, target, headers)
    const answer = await run(options, {
      request,
      response,
      requestId,
      target,
      headers,
      signal: gone.signal,
      outcome,
      region: options.region,
      cors,
    })
    if (answer.headers?.[PLAINTEXT_HEADER] !== undefined) outcome.plaintext = true
    await writeAnswer({ request, response, requestId, region: options.region, cors }, answer)
  } catch (thrown) {
    const error = gone.signal.aborted && isAbort(thrown) ? clientGone(thrown) : thrown
    outcome.error = isError(error) ? error.kind : 'InternalError'
    outcome.reason = isError(error) ? error.reason : undefined
    // What is not here has a name all the same.
    if (isError(error, 'NotImplemented')) outcome.operation = error.details['Operation'] ?? outcome.operation
    outcome.cause = isError(error) ? error.cause : error
    await writeError({ request, response, requestId, region: options.region, cors }, error, target)
  } finally {
    outcome.status = response.headersSent ? response.statusCode : CLIENT_GONE
    outcome.durationMs = performance.now() - startedAt
    options.onRequest?.(outcome)
  }
}

interface Parts extends Exchange {
  readonly target: Target
  readonly headers: RequestHeaders
  readonly signal: AbortSignal
  readonly outcome: RequestOutcome
}

async function run(options: S3HandlerOptions, parts: Parts): Promise<Answer> {
  const { target, outcome } = parts
  const method = parts.request.method ?? ''
  if (method === 'OPTIONS') {
    outcome.operation = 'CorsPreflight'
    return preflight(options.gateway, target, parts.headers)
  }
  if (isUnsigned(target, parts.headers) && isFormPost(method, target)) return postForm(options, parts)
  const probe = bucketRegionProbe(options, method, target, parts.headers)
  if (probe !== null) return probe
  const identity = authenticated(options, { method, target, headers: parts.headers })
  outcome.accessKeyId = identity.accessKeyId
  const headers = identity.presigned ? withPresignedHeaders(parts.headers, target.query) : parts.headers
  const operation = findOperation(method, target, headers)
  outcome.operation = operation.name
  checkExpectedOwner(headers)
  const context: Context = {
    ...parts,
    headers,
    strictRegion: options.strictRegion === true,
    gateway: options.gateway,
    bucket: target.bucket ?? '',
    key: target.key ?? '',
    accessKeyId: identity.accessKeyId,
    body: (maxBytes, checksumsOf = 'body') => {
      const { request, response } = parts
      const body = readBody(request, response, options.idleTimeoutMs ?? 60_000)
      const payload = identity.payload
      return requestBody({ body, method, headers, payload, maxBytes, checksumsOf })
    },
  }
  if (!operation.mayTakeLong) return operation.run(context)
  return keepAlive(parts, options.keepAliveMs ?? 3000, () => operation.run(context))
}

function authenticated(options: S3HandlerOptions, request: SignedRequest): Identity {
  const authenticating = authentication(options)
  return authenticating.acceptsVersion2 && isVersion2(request)
    ? authenticateVersion2(request, authenticating)
    : authenticate(request, authenticating)
}

function authentication(options: S3HandlerOptions): AuthenticateFormOptions {
  const { credentials, strictRegion, region, signatureV2 = false, now = Date.now } = options
  return { credentials, region: strictRegion === true ? region : null, acceptsVersion2: signatureV2, now }
}

/** Its signature is one of its fields. Until that has come nobody knows whose it is, and it has no more time than a body may be silent. */
async function postForm(options: S3HandlerOptions, parts: Parts): Promise<Answer> {
  const { request, response, outcome, target, headers, signal } = parts
  outcome.operation = 'PostObject'
  checkExpectedOwner(headers)
  const authenticating = authentication(options)
  const idleMs = options.idleTimeoutMs ?? 60_000
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), idleMs)
  try {
    return await PostObject({
      ...{ gateway: options.gateway, request, target, headers, signal, now: authenticating.now },
      bytes: readBody(request, response, idleMs, late.signal),
      authenticate: (fields) => {
        clearTimeout(timer)
        return authenticateForm(fields, authenticating)
      },
      onKnown: (known) => Object.assign(outcome, known),
    })
  } finally {
    clearTimeout(timer)
  }
}

function isUnsigned({ query }: Target, headers: RequestHeaders): boolean {
  return (
    headers.get('authorization') === undefined && !query.has('X-Amz-Signature') && !query.has('Signature')
  )
}

/** An unsigned HEAD of a bucket tells the region even though it is denied: SDKs look it up that way. */
function bucketRegionProbe(
  options: S3HandlerOptions,
  method: string,
  target: Target,
  headers: RequestHeaders,
): Answer | null {
  if (method !== 'HEAD' || !isUnsigned(target, headers) || target.bucket === null || target.key !== null)
    return null
  return { status: 403, headers: { 'x-amz-bucket-region': options.region } }
}

/**
 * Reading the body is what sends 100 Continue: by then the signature, the headers and the key are in order. The request is not
 * destroyed at an early end, as the answer still has to go out on its connection.
 * @param late ends it as well, however busy the client is
 */
async function* readBody(
  request: IncomingMessage,
  response: ServerResponse,
  idleMs: number,
  late?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  letContinue(request, response)
  const chunks = request.iterator({ destroyOnReturn: false })
  let expire = (): void => undefined
  let isWaiting = false
  const timer = setTimeout(() => expire(), idleMs)
  late?.addEventListener('abort', () => expire(), { once: true })
  try {
    for (;;) {
      if (late?.aborted === true) throw new SealgateError('RequestTimeout')
      timer.refresh()
      isWaiting = true
      const next = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        expire = () => reject(new SealgateError('RequestTimeout'))
        chunks.next().then(resolve, (cause: unknown) => reject(clientGone(cause)))
      })
      isWaiting = false
      if (next.done === true) return
      yield next.value
    }
  } finally {
    clearTimeout(timer)
    // Lets the request go, whose rest is then read away; behind a read that waits in vain, this would wait with it.
    if (!isWaiting) await chunks.return?.()
  }
}

/** Whoever was at work for a client that went away has stopped as it was told: no fault of anything here. */
function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}

function clientGone(cause: unknown): SealgateError {
  return new SealgateError('IncompleteBody', undefined, { cause, reason: 'the client went away' })
}
