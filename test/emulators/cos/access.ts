/** Who asks: COS's own signature, or Signature Version 4 at the same hosts, whose names then stand in the place of COS's. */
import type { IncomingMessage } from 'node:http'
import { isError } from '../../../src/errors.ts'
import { RequestHeaders } from '../../../src/s3/headers.ts'
import { authenticate } from '../../../src/s3/sigv4.ts'
import { parseTarget } from '../../../src/s3/target.ts'
import { checkStrict, readClaim, verify } from './q-sign.ts'
import { CosRefusal } from './refusal.ts'
import type { Target } from './target.ts'

export interface Account {
  readonly secretKey: string
  /** Of temporary keys, which are nothing without it. */
  readonly token: string | undefined
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

export interface AccessOptions {
  readonly accounts: ReadonlyMap<string, Account>
  readonly region: string
  /** Every bucket has the strict mode of signatures. */
  readonly strict: boolean
  /** The S3 face keeps frames (aws-chunked) as if they were bytes of the body; otherwise it refuses them. */
  readonly keepsFrames: boolean
  readonly now: () => number
}

export interface Access {
  /** Which of its two faces COS shows. */
  readonly face: 'cos' | 's3'
  /** Lower-case names; of Signature Version 4 `x-amz-` is `x-cos-` here. */
  readonly headers: Readonly<Record<string, string>>
  /** Of the body, if the signature has it. */
  readonly sha256: Buffer | null
}

export function authorize(request: IncomingMessage, target: Target, options: AccessOptions): Access {
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
  )
  const isSigV4 =
    headers['authorization']?.startsWith('AWS4-') === true || target.query.has('X-Amz-Algorithm')
  return isSigV4 ? byS3(request, target, headers, options) : byCos(request, target, headers, options)
}

function byCos(
  { method = '' }: IncomingMessage,
  { path, query }: Target,
  headers: Readonly<Record<string, string>>,
  { accounts, strict, now }: AccessOptions,
): Access {
  const request = { method, path, query, headers }
  const claim = readClaim(request)
  if (claim === null) throw new CosRefusal('AccessDenied')
  const token = headers['x-cos-security-token'] ?? query.get('x-cos-security-token')
  const { secretKey } = accountOf(claim.secretId, token, accounts, now())
  verify(request, claim, secretKey, Math.floor(now() / 1000))
  if (!claim.headerList.includes('host'))
    throw new CosRefusal('AccessDenied', 'Strict signature missing header that must be signed: host')
  if (strict) checkStrict(request, claim)
  return { face: 'cos', headers, sha256: null }
}

function accountOf(
  secretId: string,
  token: string | undefined,
  accounts: ReadonlyMap<string, Account>,
  now: number,
): Account {
  const account = accounts.get(secretId)
  if (account === undefined || (account.token !== undefined && token === undefined))
    throw new CosRefusal('InvalidAccessKeyId')
  if (account.expiresAt <= now) throw new CosRefusal('ExpiredToken')
  if (token !== account.token) throw new CosRefusal('AccessDenied', 'The security token does not fit.')
  return account
}

/** What the S3 face does not know of the protocol: frames in the body, and so trailing checksums. */
function byS3(
  request: IncomingMessage,
  target: Target,
  headers: Readonly<Record<string, string>>,
  { accounts, region, keepsFrames, now }: AccessOptions,
): Access {
  const signed = new RequestHeaders(request.rawHeaders)
  const domain = /^[^.]+\.(.*?)(?::\d+)?$/.exec(headers['host'] ?? '')?.[1] ?? ''
  const s3Target = parseTarget(request.url ?? '', headers['host'], target.bucket === null ? [] : [domain])
  const token = headers['x-amz-security-token'] ?? target.query.get('X-Amz-Security-Token')
  const credentials = (id: string) => accountOf(id, token, accounts, now()).secretKey
  const { payload } = refusing(() =>
    authenticate(
      { method: request.method ?? '', target: s3Target, headers: signed },
      { credentials, region, now },
    ),
  )
  const codings = headers['content-encoding']?.split(',').map((coding) => coding.trim()) ?? []
  const isFramed = codings.includes('aws-chunked') || payload.mode.includes('chunks')
  if (isFramed && !keepsFrames)
    throw new CosRefusal(
      'NotImplemented',
      'A header you provided implies functionality that is not implemented',
    )
  return {
    face: 's3',
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.replace(/^x-amz-/, 'x-cos-'), value]),
    ),
    sha256: payload.mode === 'sha256' ? payload.sha256 : null,
  }
}

function refusing<T>(act: () => T): T {
  try {
    return act()
  } catch (error) {
    if (isError(error, 'InvalidAccessKeyId')) throw new CosRefusal('InvalidAccessKeyId')
    if (isError(error, 'RequestTimeTooSkewed')) throw new CosRefusal('RequestTimeTooSkewed')
    if (isError(error, 'SignatureDoesNotMatch')) throw new CosRefusal('SignatureDoesNotMatch')
    if (isError(error)) throw new CosRefusal('AccessDenied', error.message)
    throw error
  }
}
