/**
 * COS's own signature (product 436, "Request signature", q-sign-algorithm sha1): in the Authorization header or in the query. Only the
 * headers and parameters that it lists are verified; the strict mode of a bucket demands that certain ones be listed.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { uriEncode } from '../../../src/base/uri-encode.ts'
import { CosRefusal } from './refusal.ts'

export interface SignedRequest {
  readonly method: string
  /** Decoded. */
  readonly path: string
  readonly query: ReadonlyMap<string, string>
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
}

export interface Claim {
  readonly secretId: string
  readonly signTime: string
  readonly keyTime: string
  readonly headerList: readonly string[]
  readonly paramList: readonly string[]
  readonly signature: string
}

const FIELDS = [
  'q-sign-algorithm',
  'q-ak',
  'q-sign-time',
  'q-key-time',
  'q-header-list',
  'q-url-param-list',
  'q-signature',
] as const
const TOKEN = 'x-cos-security-token'

/** Null if the request carries no signature of this kind. */
export function readClaim({ headers, query }: SignedRequest): Claim | null {
  const authorization = headers['authorization']
  const inHeader = new Map(
    (authorization ?? '')
      .trim()
      .split('&')
      .map((pair) => {
        const at = pair.indexOf('=')
        return [pair.slice(0, at), pair.slice(at + 1)] as const
      }),
  )
  const fields = authorization === undefined ? query : inHeader
  if (!fields.has('q-sign-algorithm')) return null
  const [algorithm, secretId, signTime, keyTime, headerList, paramList, signature] = FIELDS.map(
    (name) => fields.get(name) ?? '',
  )
  if (algorithm !== 'sha1' || !/^\d+;\d+$/.test(keyTime ?? '') || !/^\d+;\d+$/.test(signTime ?? ''))
    throw new CosRefusal('AccessDenied', 'The signature is malformed.')
  return {
    secretId: secretId ?? '',
    signTime: signTime ?? '',
    keyTime: keyTime ?? '',
    headerList: names(headerList),
    paramList: names(paramList),
    signature: signature ?? '',
  }
}

const names = (list: string | undefined) =>
  decodeURIComponent(list ?? '')
    .split(';')
    .filter((name) => name !== '')

/** What the request is signed with by this secret, if it lists these headers and parameters. */
export function signatureOf(
  request: SignedRequest,
  claim: Omit<Claim, 'signature'>,
  secretKey: string,
): string {
  return hmac(hmac(secretKey, claim.keyTime), stringToSign(request, claim))
}

export function httpString(
  { method, path, query, headers }: SignedRequest,
  { headerList, paramList }: Pick<Claim, 'headerList' | 'paramList'>,
): string {
  const parameters = new Map([...query].map(([name, value]) => [name.toLowerCase(), value]))
  const params = pairs(paramList, (name) => parameters.get(name))
  const lines = pairs(headerList, (name) => utf8(headers[name]))
  return `${method.toLowerCase()}\n${path}\n${params}\n${lines}\n`
}

function stringToSign(request: SignedRequest, claim: Omit<Claim, 'signature'>): string {
  const digest = createHash('sha1').update(httpString(request, claim)).digest('hex')
  return `sha1\n${claim.signTime}\n${digest}\n`
}

function pairs(listed: readonly string[], read: (name: string) => string | undefined): string {
  return listed.map((name) => `${uriEncode(name).toLowerCase()}=${uriEncode(read(name) ?? '')}`).join('&')
}

/** Node gives header values a character a byte; clients sign the text. */
function utf8(value = ''): string {
  return /^[\0-\xff]*$/.test(value) && /[\x80-\xff]/.test(value)
    ? Buffer.from(value, 'latin1').toString('utf8')
    : value
}

/** @param nowS seconds since the epoch */
export function verify(request: SignedRequest, claim: Claim, secretKey: string, nowS: number): void {
  for (const time of [claim.signTime, claim.keyTime]) {
    const [start = 0, end = 0] = time.split(';').map(Number)
    if (nowS > end) throw new CosRefusal('AccessDenied', 'Request has expired')
    if (nowS < start) throw new CosRefusal('RequestTimeTooSkewed')
  }
  const expected = Buffer.from(signatureOf(request, claim, secretKey))
  const given = Buffer.from(claim.signature)
  if (given.length !== expected.length || !timingSafeEqual(given, expected))
    throw new CosRefusal('SignatureDoesNotMatch')
}

/** Strict signature mode: the host, Content-MD5, every x-cos-* header and every parameter must be signed where they are. */
export function checkStrict({ headers, query }: SignedRequest, { headerList, paramList }: Claim): void {
  const isBound = (name: string) =>
    name !== TOKEN && (name === 'host' || name === 'content-md5' || name.startsWith('x-cos-'))
  const header = Object.keys(headers).find((name) => isBound(name) && !headerList.includes(name))
  if (header !== undefined)
    throw new CosRefusal('AccessDenied', `Strict signature missing header that must be signed: ${header}`)
  const isFree = (name: string) => FIELDS.some((field) => field === name) || name === TOKEN
  const param = [...query.keys()]
    .map((name) => name.toLowerCase())
    .find((name) => !isFree(name) && !paramList.includes(name))
  if (param !== undefined)
    throw new CosRefusal('AccessDenied', `Strict signature missing param that must be signed: ${param}`)
}

function hmac(key: string, text: string): string {
  return createHmac('sha1', key).update(text).digest('hex')
}
