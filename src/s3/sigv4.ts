/**
 * Signature Version 4 of Amazon S3 (API reference, "Authenticating Requests (AWS Signature Version 4)"): the
 * Authorization header and presigned URLs. S3 encodes the path once and never normalises it.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { signingKeyOf } from '../base/signing-key.ts'
import { SealgateError } from '../errors.ts'
import { canonicalRequest, type SignedRequest } from './canonical-request.ts'
import type { RequestHeaders } from './headers.ts'
import { checkLifetime } from './presigned.ts'
import { type Claim, readClaim } from './signature-claim.ts'

export const MAX_SKEW_MS = 15 * 60 * 1000

export interface SignedChunks {
  readonly mode: 'signed-chunks'
  readonly trailer: boolean
  /** The request's signature, hex: what the first chunk's signature chains to. */
  readonly seedSignature: string
  readonly signingKey: Buffer
  /** `20130524/us-east-1/s3/aws4_request` */
  readonly scope: string
  /** `20130524T000000Z` */
  readonly timestamp: string
}

/** How the body is framed and authenticated, from x-amz-content-sha256. */
export type Payload =
  | { readonly mode: 'sha256'; readonly sha256: Buffer }
  | { readonly mode: 'unsigned' }
  | SignedChunks
  | { readonly mode: 'unsigned-chunks-trailer' }

export interface Identity {
  readonly accessKeyId: string
  readonly presigned: boolean
  readonly payload: Payload
}

export interface AuthenticateOptions {
  /** The secret access key of an access key id. */
  readonly credentials: (accessKeyId: string) => string | undefined
  /** The only region that scopes may name; null: any. */
  readonly region: string | null
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/**
 * Who sent this request. Nothing of the body is read; its own checks follow from `payload`.
 * @throws SealgateError AccessDenied, InvalidAccessKeyId, SignatureDoesNotMatch, RequestTimeTooSkewed,
 *   AuthorizationHeaderMalformed, AuthorizationQueryParametersError, InvalidRequest, InvalidArgument, NotImplemented
 */
export function authenticate(request: SignedRequest, options: AuthenticateOptions): Identity {
  const claim = readClaim(request)
  const scope = readScope(claim)
  const secret = secretOf(scope.accessKeyId, options)
  checkScope(claim, scope, options.region)
  checkTime(claim, options.now())
  checkSignedHeaders(request.headers, claim)
  const contentHash = readContentHash(request, claim)
  const signingKey = signingKeyOf(scope.accessKeyId, scope.text, secret)
  checkSignature(request, { claim, scope, contentHash, signingKey })
  return {
    accessKeyId: scope.accessKeyId,
    presigned: claim.presigned,
    payload: readPayload(contentHash, { claim, scope, signingKey }),
  }
}

/** @throws SealgateError InvalidAccessKeyId */
export function secretOf(
  accessKeyId: string,
  { credentials }: Pick<AuthenticateOptions, 'credentials'>,
): string {
  const secret = credentials(accessKeyId)
  if (secret !== undefined) return secret
  throw new SealgateError('InvalidAccessKeyId', undefined, { details: { AWSAccessKeyId: accessKeyId } })
}

interface Scope {
  readonly accessKeyId: string
  readonly date: string
  readonly region: string
  readonly service: string
  readonly terminator: string
  /** Without the access key id. */
  readonly text: string
}

/** Signing keys are kept by it, so it has an end. */
export const REGION = /^[A-Za-z0-9_-]{1,64}$/

/** An access key id may hold slashes, so the scope is counted from the end. */
function readScope(claim: Claim): Scope {
  const fields = claim.credential.split('/')
  const [date = '', region = '', service = '', terminator = ''] = fields.slice(-4)
  const accessKeyId = fields.slice(0, -4).join('/')
  if (accessKeyId === '' || !/^\d{8}$/.test(date) || !REGION.test(region)) {
    throw credentialError(
      claim,
      'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
    )
  }
  return { accessKeyId, date, region, service, terminator, text: fields.slice(-4).join('/') }
}

function credentialError(claim: Claim, message: string, details: Record<string, string> = {}): SealgateError {
  return claim.presigned
    ? new SealgateError(
        'AuthorizationQueryParametersError',
        `Error parsing the X-Amz-Credential parameter; ${message}`,
        { details },
      )
    : new SealgateError('AuthorizationHeaderMalformed', `The authorization header is malformed; ${message}`, {
        details,
      })
}

function checkScope(claim: Claim, scope: Scope, region: string | null): void {
  if (scope.terminator !== 'aws4_request')
    throw credentialError(
      claim,
      `incorrect terminal "${scope.terminator}". This endpoint uses "aws4_request".`,
    )
  if (scope.service !== 's3')
    throw credentialError(claim, `incorrect service "${scope.service}". This endpoint belongs to "s3".`)
  if (region !== null && scope.region !== region) {
    throw credentialError(claim, `the region '${scope.region}' is wrong; expecting '${region}'`, {
      Region: region,
    })
  }
  if (scope.date !== claim.timestamp.slice(0, 8)) {
    throw credentialError(
      claim,
      `incorrect date format or date "${scope.date}". It is not the date of the request, "${claim.timestamp.slice(0, 8)}".`,
    )
  }
}

function checkTime({ expiresS, signedAt }: Claim, now: number): void {
  if (expiresS !== undefined) {
    checkLifetime({ signedAt, expiresS, now, maxSkewMs: MAX_SKEW_MS })
    return
  }
  checkRequestTime(signedAt, now)
}

/** @throws SealgateError RequestTimeTooSkewed */
export function checkRequestTime(signedAt: number, now: number): void {
  if (Math.abs(now - signedAt) <= MAX_SKEW_MS) return
  throw new SealgateError('RequestTimeTooSkewed', undefined, {
    details: {
      RequestTime: new Date(signedAt).toISOString(),
      ServerTime: new Date(now).toISOString(),
      MaxAllowedSkewMilliseconds: String(MAX_SKEW_MS),
    },
  })
}

/**
 * What an unsigned x-amz-* header could do (name a copy source, say) the holder of a presigned URL must not. A presigned
 * URL's x-amz-content-sha256 is exempt: its value is in the canonical request anyway.
 */
function checkSignedHeaders(headers: RequestHeaders, claim: Claim): void {
  const signed = new Set(claim.signedHeaders)
  const unsigned = ['host', ...headers.names().filter((name) => name.startsWith('x-amz-'))].filter(
    (name) => !signed.has(name) && !(claim.presigned && name === 'x-amz-content-sha256'),
  )
  if (unsigned.length === 0) return
  throw new SealgateError('AccessDenied', 'There were headers present in the request which were not signed', {
    details: { HeadersNotSigned: unsigned.join(', ') },
  })
}

/** The value of x-amz-content-sha256 as the client signed it. */
function readContentHash({ headers, target }: SignedRequest, { presigned }: Claim): string {
  const header = headers.get('x-amz-content-sha256')
  if (presigned) return target.query.get('X-Amz-Content-Sha256') ?? header ?? 'UNSIGNED-PAYLOAD'
  if (header !== undefined) return header
  throw new SealgateError('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256')
}

function readPayload(value: string, verified: { claim: Claim; scope: Scope; signingKey: Buffer }): Payload {
  const { claim, scope, signingKey } = verified
  const trailer = value.endsWith('-TRAILER')
  if (/^[0-9a-f]{64}$/i.test(value)) return { mode: 'sha256', sha256: Buffer.from(value, 'hex') }
  if (value === 'UNSIGNED-PAYLOAD') return { mode: 'unsigned' }
  if (value === 'STREAMING-UNSIGNED-PAYLOAD-TRAILER') return { mode: 'unsigned-chunks-trailer' }
  if (/^STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD(-TRAILER)?$/.test(value))
    throw new SealgateError('NotImplemented', 'Signature Version 4A is not supported. Use AWS4-HMAC-SHA256.')
  if (/^STREAMING-AWS4-HMAC-SHA256-PAYLOAD(-TRAILER)?$/.test(value) && !claim.presigned) {
    const { signature: seedSignature, timestamp } = claim
    return { mode: 'signed-chunks', trailer, seedSignature, signingKey, scope: scope.text, timestamp }
  }
  throw new SealgateError(
    'InvalidArgument',
    'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.',
    { details: { ArgumentName: 'x-amz-content-sha256', ArgumentValue: value } },
  )
}

function checkSignature(
  request: SignedRequest,
  o: { claim: Claim; scope: Scope; contentHash: string; signingKey: Buffer },
): void {
  const { claim, scope } = o
  const canonical = canonicalRequest(request, { ...claim, contentHash: o.contentHash })
  const toSign = [
    'AWS4-HMAC-SHA256',
    claim.timestamp,
    scope.text,
    createHash('sha256').update(canonical, 'latin1').digest('hex'),
  ].join('\n')
  const expected = createHmac('sha256', o.signingKey).update(toSign, 'latin1').digest()
  const provided = Buffer.from(/^[0-9a-f]{64}$/.test(claim.signature) ? claim.signature : '', 'hex')
  if (provided.length === expected.length && timingSafeEqual(provided, expected)) return
  throw new SealgateError('SignatureDoesNotMatch', undefined, {
    details: {
      AWSAccessKeyId: scope.accessKeyId,
      StringToSign: toSign,
      SignatureProvided: claim.signature,
      CanonicalRequest: withoutSecrets(canonical),
    },
  })
}

/** What a client signed may hold a customer key or a session token; an error document is the wrong place for them. */
export function withoutSecrets(canonical: string): string {
  return canonical
    .replace(/^([a-z0-9-]*(?:customer-key|security-token)):.*$/gm, '$1:***')
    .replace(/((?:^|&)[a-z0-9-]*(?:customer-key|security-token)=)[^&\n]*/gim, '$1***')
}
