/**
 * Signature Version 2 of Amazon S3 (User Guide, "Signing and Authenticating REST Requests"), for clients that know no other: the Authorization
 * header and presigned URLs. It signs neither the body nor most of the query, and its hash is SHA-1; it is off unless the configuration says so.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { SealgateError } from '../errors.ts'
import type { SignedRequest } from './canonical-request.ts'
import { withPresignedHeaders } from './presigned.ts'
import { readRequestTime } from './signature-claim.ts'
import {
  type AuthenticateOptions,
  checkRequestTime,
  type Identity,
  type Payload,
  secretOf,
  withoutSecrets,
} from './sigv4.ts'
import type { Query, Target } from './target.ts'

/** Whether a request claims to be signed so, in one way and by no other version beside it. */
export function isVersion2({ headers, target: { query } }: SignedRequest): boolean {
  const authorization = headers.get('authorization')
  if (query.has('X-Amz-Algorithm') || query.has('X-Amz-Credential') || query.has('X-Amz-Signature'))
    return false
  if (authorization !== undefined) return /^AWS[ \t]/.test(authorization) && !query.has('Signature')
  return query.has('AWSAccessKeyId') && query.has('Signature')
}

/**
 * Who sent this request. Nothing of the body is read.
 * @throws SealgateError AccessDenied, InvalidAccessKeyId, SignatureDoesNotMatch, RequestTimeTooSkewed, InvalidArgument
 */
export function authenticateVersion2(request: SignedRequest, options: AuthenticateOptions): Identity {
  const presigned = request.headers.get('authorization') === undefined
  const claim = presigned ? readQueryClaim(request) : readHeaderClaim(request)
  const secret = secretOf(claim.accessKeyId, options)
  if (claim.expiresS === undefined) checkRequestTime(readRequestTime(request.headers).signedAt, options.now())
  else checkExpiry(claim.expiresS, options.now())
  const toSign = resourcesOf(request.target).map((resource) =>
    stringToSign(request, resource, claim.expiresS),
  )
  const shown = { StringToSign: withoutSecrets(toSign[0] ?? '') }
  requireSignature({ ...claim, secret, toSign, encoding: 'latin1', shown })
  return { accessKeyId: claim.accessKeyId, presigned, payload: readPayload(request) }
}

export interface Version2Claim {
  readonly accessKeyId: string
  /** Base64. */
  readonly signature: string
  /** Presigned URLs only: seconds since the epoch. */
  readonly expiresS?: number
}

function readHeaderClaim({ headers }: SignedRequest): Version2Claim {
  // Where the blanks end is no question, or a field full of them would be read once for each.
  const [, accessKeyId = '', signature = ''] =
    /^AWS[ \t]+([^ \t].*):([^:]+)$/.exec(headers.get('authorization') ?? '') ?? []
  if (accessKeyId !== '') return { accessKeyId, signature }
  throw new SealgateError(
    'InvalidArgument',
    'AWS authorization header is invalid. Expected AwsAccessKeyId:signature',
    { details: { ArgumentName: 'Authorization' } },
  )
}

function readQueryClaim({ target: { query } }: SignedRequest): Version2Claim {
  const expires = query.get('Expires') ?? ''
  if (!/^\d{1,15}$/.test(expires))
    throw new SealgateError(
      'AccessDenied',
      expires === ''
        ? 'Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters'
        : `Invalid date (should be seconds since epoch): ${expires.slice(0, 100)}`,
    )
  return {
    accessKeyId: query.get('AWSAccessKeyId') ?? '',
    signature: query.get('Signature') ?? '',
    expiresS: Number(expires),
  }
}

function checkExpiry(expiresS: number, now: number): void {
  if (now <= expiresS * 1000) return
  throw new SealgateError('AccessDenied', 'Request has expired', {
    details: { Expires: new Date(expiresS * 1000).toISOString(), ServerTime: new Date(now).toISOString() },
  })
}

/** A bucket in the path is the same with a slash behind it; there are clients that send it without, and sign it with one. */
function resourcesOf({ bucket, key, resource }: Target): readonly string[] {
  return bucket === null || key !== null || resource.endsWith('/') ? [resource] : [resource, `${resource}/`]
}

/** One character a byte, as headers are. */
function stringToSign(request: SignedRequest, resource: string, expiresS: number | undefined): string {
  const { method, target } = request
  // Fields of a presigned URL stand for the headers of their names.
  const headers =
    expiresS === undefined
      ? request.headers
      : withPresignedHeaders(request.headers, target.query, { all: true })
  const date = headers.get('x-amz-date') === undefined ? (headers.get('date') ?? '') : ''
  const amz = headers
    .names()
    .filter((name) => name.startsWith('x-amz-'))
    .sort()
    .map((name) => `${name}:${headers.all(name).join(',')}\n`)
  return [
    method,
    headers.get('content-md5') ?? '',
    headers.get('content-type') ?? '',
    expiresS === undefined ? date : String(expiresS),
    `${amz.join('')}${resource}${signedQuery(target.query)}`,
  ].join('\n')
}

/**
 * What of the query is signed: every parameter that chooses an operation or a version, or changes the answer, so that none of them can be added to a
 * request that somebody else signed. Clients that leave a newer one out are refused there.
 */
export const SIGNED_PARAMETERS: ReadonlySet<string> = new Set([
  ...['accelerate', 'acl', 'analytics', 'cors', 'delete', 'encryption', 'intelligent-tiering', 'inventory'],
  ...['legal-hold', 'lifecycle', 'location', 'logging', 'metrics', 'notification', 'object-lock'],
  ...['ownershipControls', 'partNumber', 'policy', 'policyStatus', 'publicAccessBlock', 'replication'],
  ...[
    'requestPayment',
    'restore',
    'retention',
    'select',
    'select-type',
    'storageClass',
    'tagging',
    'torrent',
  ],
  ...['uploadId', 'uploads', 'versionId', 'versioning', 'versions', 'website'],
  ...['response-cache-control', 'response-content-disposition', 'response-content-encoding'],
  ...['response-content-language', 'response-content-type', 'response-expires'],
])

/** Values are signed as the bytes that they stand for, and a name without `=` without it. */
function signedQuery(query: Query): string {
  const pairs = query
    .entries()
    .filter(([name]) => SIGNED_PARAMETERS.has(name))
    .map(([name, value]) => [name, query.isBare(name) ? name : `${name}=${bytesOf(value)}`] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return pairs.length === 0 ? '' : `?${pairs.map(([, pair]) => pair).join('&')}`
}

/** @throws SealgateError SignatureDoesNotMatch */
export function requireSignature(
  o: Version2Claim & {
    readonly secret: string
    /** One of these. */
    readonly toSign: readonly string[]
    readonly encoding: 'latin1' | 'utf8'
    /** What the error says of what was signed. */
    readonly shown: Readonly<Record<string, string>>
  },
): void {
  const provided = Buffer.from(o.signature, 'base64')
  for (const text of o.toSign) {
    const expected = createHmac('sha1', o.secret).update(text, o.encoding).digest()
    if (provided.length === expected.length && timingSafeEqual(provided, expected)) return
  }
  throw new SealgateError('SignatureDoesNotMatch', undefined, {
    details: {
      AWSAccessKeyId: o.accessKeyId,
      ...o.shown,
      SignatureProvided: o.signature.slice(0, 256),
    },
  })
}

function bytesOf(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** A body is not signed here, unless its hash stands in a signed header. */
function readPayload({ headers }: SignedRequest): Payload {
  const value = headers.get('x-amz-content-sha256') ?? 'UNSIGNED-PAYLOAD'
  if (/^[0-9a-f]{64}$/i.test(value)) return { mode: 'sha256', sha256: Buffer.from(value, 'hex') }
  if (value === 'UNSIGNED-PAYLOAD') return { mode: 'unsigned' }
  if (value === 'STREAMING-UNSIGNED-PAYLOAD-TRAILER') return { mode: 'unsigned-chunks-trailer' }
  throw new SealgateError(
    'InvalidArgument',
    'With Signature Version 2, x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER or a valid sha256 value.',
    { details: { ArgumentName: 'x-amz-content-sha256', ArgumentValue: value.slice(0, 256) } },
  )
}
