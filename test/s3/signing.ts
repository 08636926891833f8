/** What the tests of signatures share: the requests of AWS's documentation and a signer that is not ours. */
import { createHash, createHmac } from 'node:crypto'
import { isError, type SealgateError } from '../../src/errors.ts'
import { RequestHeaders } from '../../src/s3/headers.ts'
import { authenticate, type Identity } from '../../src/s3/sigv4.ts'
import { parseTarget } from '../../src/s3/target.ts'

export const ACCESS_KEY_ID = 'AKIAIOSFODNN7EXAMPLE'
export const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
export const NOW = Date.UTC(2013, 4, 24)
export const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

export interface Request {
  method: string
  url: string
  headers: [string, string][]
}

export interface Options {
  region?: string | null
  now?: number
}

export function check(request: Request, { region = null, now = NOW }: Options = {}): Identity {
  const headers = new RequestHeaders(request.headers.flat())
  const target = parseTarget(request.url, headers.get('host'), [])
  return authenticate(
    { method: request.method, target, headers },
    { credentials: (id) => (id === ACCESS_KEY_ID ? SECRET : undefined), region, now: () => now },
  )
}

/** The error that a call throws; undefined if it throws none. */
export function errorOf(call: () => unknown): SealgateError | undefined {
  try {
    call()
    return undefined
  } catch (error) {
    if (isError(error)) return error
    throw error
  }
}

export function signingKey(date = '20130524', region = 'us-east-1'): Buffer {
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  return hmac(hmac(hmac(hmac(`AWS4${SECRET}`, date), region), 's3'), 'aws4_request')
}

/** A request of the documentation: GET or PUT of examplebucket, with its published signature. */
export function example(o: {
  method?: string
  url: string
  signature: string
  sha256?: string
  signed: string
  more?: [string, string][]
}): Request {
  return {
    method: o.method ?? 'GET',
    url: o.url,
    headers: [
      ['Host', 'examplebucket.s3.amazonaws.com'],
      ...(o.more ?? []),
      ['x-amz-content-sha256', o.sha256 ?? EMPTY],
      ...(o.signed.includes('x-amz-date') ? [['x-amz-date', '20130524T000000Z'] as [string, string]] : []),
      [
        'Authorization',
        `AWS4-HMAC-SHA256 Credential=${ACCESS_KEY_ID}/20130524/us-east-1/s3/aws4_request,SignedHeaders=${o.signed},Signature=${o.signature}`,
      ],
    ],
  }
}

export const sha256 = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex')
