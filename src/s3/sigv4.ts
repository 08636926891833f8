import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { SealgateError } from '../errors.ts'
import type { RequestHeaders } from './headers.ts'
import type { Target } from './target.ts'

/*
 * AWS Signature Version 4 as S3 uses it: "Authenticating Requests: Using the Authorization Header" and "…Using Query
 * Parameters" in the Amazon S3 API reference.
 */

/** How the body is to be read and checked. */
export type Payload =
  | { readonly mode: 'sha256'; readonly sha256: Buffer }
  | { readonly mode: 'unsigned' }
  | { readonly mode: 'unsigned-chunks-trailer' }
  | {
      readonly mode: 'signed-chunks'
      readonly trailer: boolean
      readonly seedSignature: string
      readonly signingKey: Buffer
      readonly scope: string
      readonly timestamp: string
    }

export interface Identity {
  readonly accessKeyId: string
  readonly presigned: boolean
  readonly payload: Payload
}

export interface SignedRequest {
  readonly method: string
  readonly target: Target
  readonly headers: RequestHeaders
}

export interface AuthenticationOptions {
  readonly credentials: (accessKeyId: string) => string | undefined
  /** Null accepts any region. */
  readonly region: string | null
  /** Milliseconds. */
  readonly now: () => number
}

/** What a signature says of itself. */
interface Claim {
  readonly accessKeyId: string
  readonly date: string
  readonly region: string
  readonly signedHeaders: readonly string[]
  readonly signature: string
  readonly timestamp: string
  readonly contentSha256: string
  readonly expiresSeconds: number | null
}

const ALGORITHM = 'AWS4-HMAC-SHA256'
const MAX_SKEW_MS = 15 * 60 * 1000
const MAX_EXPIRES_SECONDS = 7 * 24 * 3600

export function authenticate(request: SignedRequest, options: AuthenticationOptions): Identity {
  const claim = readClaim(request)
  checkScope(claim, options)
  checkTime(claim, options.now())
  const secret = options.credentials(claim.accessKeyId)
  if (secret === undefined) {
    throw new SealgateError('InvalidAccessKeyId', undefined, {
      details: { AWSAccessKeyId: claim.accessKeyId },
    })
  }
  checkSignedHeaders(request.headers, claim)
  const scope = `${claim.date}/${claim.region}/s3/aws4_request`
  const canonical = canonicalRequest(request, claim)
  const stringToSign = `${ALGORITHM}\n${claim.timestamp}\n${scope}\n${sha256Hex(canonical)}`
  const signingKey = deriveSigningKey(secret, claim.accessKeyId, claim.date, claim.region)
  const expected = createHmac('sha256', signingKey).update(stringToSign, 'latin1').digest('hex')
  if (!sameSignature(expected, claim.signature)) {
    throw new SealgateError('SignatureDoesNotMatch', undefined, {
      details: {
        AWSAccessKeyId: claim.accessKeyId,
        StringToSign: stringToSign,
        SignatureProvided: claim.signature,
        CanonicalRequest: canonical,
      },
    })
  }
  const presigned = claim.expiresSeconds !== null
  return { accessKeyId: claim.accessKeyId, presigned, payload: payloadOf(claim, signingKey, scope) }
}

export function sameSignature(expected: string, provided: string): boolean {
  const [a, b] = [Buffer.from(expected, 'latin1'), Buffer.from(provided, 'latin1')]
  return a.length === b.length && timingSafeEqual(a, b)
}

function readClaim({ headers, target }: SignedRequest): Claim {
  const authorization = headers.get('authorization')
  const { query } = target
  const inQuery = query.has('X-Amz-Algorithm') || query.has('X-Amz-Signature')
  if (authorization !== undefined && inQuery) {
    throw new SealgateError(
      'InvalidArgument',
      'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified',
    )
  }
  if (inQuery) return claimOfQuery(target, headers)
  if (authorization !== undefined) return claimOfHeader(authorization, headers)
  if (query.has('AWSAccessKeyId') || query.has('Signature')) throw unsupported()
  throw new SealgateError('AccessDenied', 'Access Denied: the request is not signed.')
}

function claimOfHeader(authorization: string, headers: RequestHeaders): Claim {
  const [algorithm = '', ...rest] = authorization.split(' ')
  if (algorithm !== ALGORITHM) throw unsupported()
  const fields = new Map(
    rest
      .join(' ')
      .split(',')
      .map((field) => {
        const equals = field.indexOf('=')
        return [field.slice(0, equals).trim(), field.slice(equals + 1).trim()] as const
      }),
  )
  const [credential, signedHeaders, signature] = [
    fields.get('Credential'),
    fields.get('SignedHeaders'),
    fields.get('Signature'),
  ]
  if (credential === undefined || signedHeaders === undefined || signature === undefined) {
    throw malformed(
      'The authorization header is malformed; it must hold Credential, SignedHeaders and Signature.',
    )
  }
  const contentSha256 = headers.get('x-amz-content-sha256')
  if (contentSha256 === undefined)
    throw new SealgateError(
      'InvalidRequest',
      'Missing required header for this request: x-amz-content-sha256',
    )
  const timestamp = headers.get('x-amz-date') ?? basicDate(headers.get('date'))
  return {
    ...readCredential(credential, malformed),
    signedHeaders: signedHeaders.split(';'),
    signature,
    timestamp,
    contentSha256,
    expiresSeconds: null,
  }
}

function claimOfQuery({ query }: Target, headers: RequestHeaders): Claim {
  const wrong = (message: string) => new SealgateError('AuthorizationQueryParametersError', message)
  if (query.get('X-Amz-Algorithm') !== ALGORITHM)
    throw wrong('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"')
  const need = (name: string) => {
    const value = query.get(name)
    if (value === undefined || value === '')
      throw wrong(
        'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
      )
    return value
  }
  const expires = need('X-Amz-Expires')
  if (!/^\d{1,9}$/.test(expires)) throw wrong('X-Amz-Expires should be a number')
  if (Number(expires) > MAX_EXPIRES_SECONDS)
    throw wrong(
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds',
    )
  return {
    ...readCredential(need('X-Amz-Credential'), wrong),
    signedHeaders: need('X-Amz-SignedHeaders').split(';'),
    signature: need('X-Amz-Signature'),
    timestamp: need('X-Amz-Date'),
    contentSha256:
      query.get('X-Amz-Content-Sha256') ?? headers.get('x-amz-content-sha256') ?? 'UNSIGNED-PAYLOAD',
    expiresSeconds: Number(expires),
  }
}

function readCredential(credential: string, wrong: (message: string) => SealgateError) {
  const parts = credential.split('/')
  const [terminal, service, region, date] = parts.splice(-4).reverse()
  const accessKeyId = parts.join('/')
  if (accessKeyId === '' || date === undefined || region === undefined || !/^\d{8}$/.test(date)) {
    throw wrong(
      'The Credential is malformed; expecting "<your-access-key-id>/YYYYMMDD/REGION/s3/aws4_request".',
    )
  }
  if (service !== 's3')
    throw wrong(`The Credential is malformed; incorrect service "${service}". This endpoint belongs to "s3".`)
  if (terminal !== 'aws4_request')
    throw wrong('The Credential is malformed; incorrect terminal. This endpoint uses "aws4_request".')
  return { accessKeyId, date, region }
}

function checkScope(claim: Claim, { region }: AuthenticationOptions): void {
  if (region !== null && claim.region !== region) {
    throw new SealgateError(
      'AuthorizationHeaderMalformed',
      `The authorization header is malformed; the region '${claim.region}' is wrong; expecting '${region}'`,
      { details: { Region: region } },
    )
  }
}

function checkTime(claim: Claim, now: number): void {
  const time = parseBasicDate(claim.timestamp)
  if (time === null)
    throw new SealgateError('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header')
  if (!claim.timestamp.startsWith(claim.date))
    throw malformed('Invalid credential date: it is not the date of x-amz-date.')
  const details = { ServerTime: new Date(now).toISOString(), RequestTime: claim.timestamp }
  if (claim.expiresSeconds === null) {
    if (Math.abs(now - time) > MAX_SKEW_MS) {
      throw new SealgateError('RequestTimeTooSkewed', undefined, {
        details: { ...details, MaxAllowedSkewMilliseconds: String(MAX_SKEW_MS) },
      })
    }
    return
  }
  if (time - now > MAX_SKEW_MS)
    throw new SealgateError('AccessDenied', 'Request is not yet valid', { details })
  if (now > time + claim.expiresSeconds * 1000) {
    throw new SealgateError('AccessDenied', 'Request has expired', {
      details: { ...details, Expires: new Date(time + claim.expiresSeconds * 1000).toISOString() },
    })
  }
}

/** Host and every x-amz-* header must be signed: one that is not could have been added on the way. */
function checkSignedHeaders(headers: RequestHeaders, claim: Claim): void {
  const signed = new Set(claim.signedHeaders)
  const unsigned = headers
    .names()
    .filter((name) => (name === 'host' || name.startsWith('x-amz-')) && !signed.has(name))
  // A presigned URL's x-amz-content-sha256 may come unsigned: what was signed is in the query.
  const missing =
    claim.expiresSeconds === null ? unsigned : unsigned.filter((name) => name !== 'x-amz-content-sha256')
  if (missing.length > 0 || !signed.has('host')) {
    throw new SealgateError(
      'AccessDenied',
      'There were headers present in the request which were not signed',
      { details: { HeadersNotSigned: missing.join(', ') || 'host' } },
    )
  }
}

function canonicalRequest({ method, target, headers }: SignedRequest, claim: Claim): string {
  const query = target.query
    .entries()
    .filter(([name]) => claim.expiresSeconds === null || name !== 'X-Amz-Signature')
    .map(([name, value]) => [uriEncode(name), uriEncode(value)] as const)
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
  const lines = claim.signedHeaders.map((name) => {
    const value = headers
      .all(name)
      .map((text) => text.trim().replace(/ +/g, ' '))
      .join(',')
    return `${name}:${value}\n`
  })
  const path = target.path.split('/').map(uriEncode).join('/')
  return `${method}\n${path}\n${query}\n${lines.join('')}\n${claim.signedHeaders.join(';')}\n${claim.contentSha256}`
}

function payloadOf(claim: Claim, signingKey: Buffer, scope: string): Payload {
  const { contentSha256, signature, timestamp } = claim
  const chunks = { mode: 'signed-chunks', seedSignature: signature, signingKey, scope, timestamp } as const
  if (contentSha256 === 'UNSIGNED-PAYLOAD') return { mode: 'unsigned' }
  if (contentSha256 === 'STREAMING-UNSIGNED-PAYLOAD-TRAILER') return { mode: 'unsigned-chunks-trailer' }
  if (contentSha256 === 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD') return { ...chunks, trailer: false }
  if (contentSha256 === 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER') return { ...chunks, trailer: true }
  if (/^[0-9a-fA-F]{64}$/.test(contentSha256))
    return { mode: 'sha256', sha256: Buffer.from(contentSha256, 'hex') }
  if (contentSha256.startsWith('STREAMING-AWS4-ECDSA')) throw unsupported()
  throw new SealgateError(
    'InvalidArgument',
    'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.',
    {
      details: { ArgumentName: 'x-amz-content-sha256', ArgumentValue: contentSha256 },
    },
  )
}

/** A signing key serves a day, a region and an access key: four HMACs that need not be done for each request. */
const signingKeys = new LRUCache<string, Buffer>({ max: 1000 })

function deriveSigningKey(secret: string, accessKeyId: string, date: string, region: string): Buffer {
  const id = sha256Hex(JSON.stringify([accessKeyId, secret, date, region]))
  let key = signingKeys.get(id)
  if (key === undefined) {
    key = [date, region, 's3', 'aws4_request'].reduce(
      (previous, text) => createHmac('sha256', previous).update(text).digest(),
      Buffer.from(`AWS4${secret}`),
    )
    signingKeys.set(id, key)
  }
  return key
}

/** RFC 3986: all but the unreserved characters, as UTF-8. */
export function uriEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function sha256Hex(latin1: string): string {
  return createHash('sha256').update(latin1, 'latin1').digest('hex')
}

/** 20130524T000000Z */
function parseBasicDate(text: string): number | null {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  if (match === null) return null
  const [, year, month, day, hour, minute, second] = match
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  return Number.isNaN(time) ? null : time
}

/** An HTTP date in the form that is signed. */
function basicDate(date: string | undefined): string {
  const time = date === undefined ? Number.NaN : Date.parse(date)
  return Number.isNaN(time) ? '' : `${new Date(time).toISOString().replace(/[-:]|\.\d+/g, '')}`
}

function malformed(message: string): SealgateError {
  return new SealgateError('AuthorizationHeaderMalformed', message)
}

function unsupported(): SealgateError {
  return new SealgateError(
    'InvalidRequest',
    'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
  )
}
