import { SealgateError } from '../errors.ts'
import type { SignedRequest } from './canonical-request.ts'
import type { RequestHeaders } from './headers.ts'
import { isPresigned, readPresigned } from './presigned.ts'

/** What a request says of its own signature, still unverified. */
export interface Claim {
  readonly presigned: boolean
  readonly credential: string
  readonly signedHeaders: readonly string[]
  readonly signature: string
  readonly timestamp: string
  readonly signedAt: number
  /** Presigned URLs only. */
  readonly expiresS?: number
}

/** From the Authorization header or the query. Nothing is verified yet. */
export function readClaim(request: SignedRequest): Claim {
  const authorization = request.headers.get('authorization')
  const { query } = request.target
  const presigned = isPresigned(query)
  const presignedV2 = query.has('AWSAccessKeyId') && query.has('Signature')
  if (authorization !== undefined && (presigned || presignedV2)) {
    throw new SealgateError(
      'InvalidArgument',
      'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified',
      { details: { ArgumentName: 'Authorization' } },
    )
  }
  if (presigned) return readQueryClaim(request)
  if (presignedV2) throw notVersion4()
  if (authorization !== undefined) return readHeaderClaim(request.headers, authorization)
  throw new SealgateError(
    'AccessDenied',
    'Anonymous access is not allowed. Sign the request with an access key.',
    {
      reason: 'anonymous',
    },
  )
}

export function notVersion4(): SealgateError {
  return new SealgateError(
    'InvalidRequest',
    'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256 (signature_version = s3v4 in boto3 and aws-cli).',
  )
}

function readQueryClaim({ target }: SignedRequest): Claim {
  const fields = readPresigned(target.query)
  const signedAt = parseTimestamp(fields.timestamp)
  if (signedAt === null) {
    throw new SealgateError(
      'AuthorizationQueryParametersError',
      "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
    )
  }
  return {
    ...fields,
    presigned: true,
    signedAt,
    signedHeaders: readNames('AuthorizationQueryParametersError', fields.signedHeaders),
  }
}

function readHeaderClaim(headers: RequestHeaders, authorization: string): Claim {
  const [scheme = '', ...rest] = authorization.split(/[ \t]+/)
  if (scheme.startsWith('AWS4-ECDSA-'))
    throw new SealgateError('NotImplemented', 'Signature Version 4A is not supported. Use AWS4-HMAC-SHA256.')
  if (scheme === 'AWS') throw notVersion4()
  if (scheme !== 'AWS4-HMAC-SHA256') {
    throw new SealgateError('InvalidArgument', 'Unsupported Authorization Type', {
      details: { ArgumentName: 'Authorization' },
    })
  }
  const fields = readAuthorizationFields(rest.join(''))
  return {
    presigned: false,
    credential: fields.Credential,
    signature: fields.Signature,
    signedHeaders: readNames('AuthorizationHeaderMalformed', fields.SignedHeaders),
    ...readRequestTime(headers),
  }
}

type AuthorizationField = 'Credential' | 'SignedHeaders' | 'Signature'

function readAuthorizationFields(text: string): Record<AuthorizationField, string> {
  const found = new Map<string, string>()
  for (const field of text.split(',')) {
    const equals = field.indexOf('=')
    const name = field.slice(0, Math.max(equals, 0))
    if (!/^(Credential|SignedHeaders|Signature)$/.test(name) || found.has(name))
      throw malformed('The authorization header is malformed.')
    found.set(name, field.slice(equals + 1))
  }
  const need = (name: AuthorizationField): string => {
    const value = found.get(name)
    if (value === undefined || value === '')
      throw malformed(
        `The authorization header is malformed; the authorization component "${name}" is missing.`,
      )
    return value
  }
  return {
    Credential: need('Credential'),
    SignedHeaders: need('SignedHeaders'),
    Signature: need('Signature'),
  }
}

function malformed(message: string): SealgateError {
  return new SealgateError('AuthorizationHeaderMalformed', message)
}

type MalformedKind = 'AuthorizationHeaderMalformed' | 'AuthorizationQueryParametersError'

function readNames(kind: MalformedKind, text: string): readonly string[] {
  const names = text.split(';')
  if (names.some((name) => !/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) || new Set(names).size !== names.length)
    throw new SealgateError(kind, 'The list of signed headers is malformed.')
  return names
}

/** x-amz-date, or else Date, in ISO 8601's basic format or as an HTTP date; botocore writes GMT as -0000 (RFC 5322 section 3.3). */
export function readRequestTime(headers: RequestHeaders): { timestamp: string; signedAt: number } {
  const text = headers.get('x-amz-date') ?? headers.get('date')
  const basic = text === undefined ? null : parseTimestamp(text)
  if (text !== undefined && basic !== null) return { timestamp: text, signedAt: basic }
  const http =
    text !== undefined && /^[A-Z][a-z]{2}, .* (GMT|[+-]0000)$/.test(text) ? Date.parse(text) : Number.NaN
  // Before the epoch is no time of a request either.
  if (!(http >= 0)) {
    throw new SealgateError('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header')
  }
  return { timestamp: new Date(http).toISOString().replace(/[-:]|\.\d+/g, ''), signedAt: http }
}

/** Strict: 20130231T… is no time, though Date would make it one in March. */
export function parseTimestamp(text: string): number | null {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  if (match === null) return null
  const [, year, month, day, hour, minute, second] = match
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`
  const time = Date.parse(iso)
  return Number.isNaN(time) || new Date(time).toISOString() !== iso ? null : time
}
