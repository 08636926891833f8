/**
 * The signature of Tencent COS from the sending side (COS API documentation, "Request Signature"): HMAC-SHA1 over method, decoded path,
 * parameters and headers. All headers and parameters that there are get signed, which also satisfies a bucket in strict signature mode. The
 * body is not part of it: what vouches for that is its MD5 among the headers, or the CRC-64 of the answer (docs/adr/008-cos-store.md).
 */
import { createHash, createHmac } from 'node:crypto'
import { uriEncode } from '../../base/uri-encode.ts'
import type { StoreCredentials } from '../wire/credentials.ts'

export interface SignableCall {
  readonly method: string
  /** With its slash, and not encoded. */
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  /** Lower-case names; values as they are sent, blanks at their ends apart. */
  readonly headers: Readonly<Record<string, string>>
}

/** Unix seconds. */
export interface Validity {
  readonly start: number
  readonly end: number
}

/** Either clock may be wrong by this much: COS itself does not take a request that is further off. */
const VALID_S = 900

export function validAround(nowMs: number): Validity {
  const now = Math.floor(nowMs / 1000)
  return { start: now - VALID_S, end: now + VALID_S }
}

/** The value of `authorization`. */
export function signCall(
  call: SignableCall,
  credentials: StoreCredentials,
  { start, end }: Validity,
): string {
  const time = `${start};${end}`
  const parameters = signedPairs(call.query)
  const headers = signedPairs(trimmed(call.headers))
  const http = `${call.method.toLowerCase()}\n${call.path}\n${parameters.text}\n${headers.text}\n`
  const key = hmac(credentials.secretAccessKey, time)
  const signature = hmac(key, `sha1\n${time}\n${createHash('sha1').update(http).digest('hex')}\n`)
  return [
    'q-sign-algorithm=sha1',
    `q-ak=${credentials.accessKeyId}`,
    `q-sign-time=${time}`,
    `q-key-time=${time}`,
    `q-header-list=${headers.names}`,
    `q-url-param-list=${parameters.names}`,
    `q-signature=${signature}`,
  ].join('&')
}

/** By name; names in lower case, values as they are. */
function signedPairs(fields: Readonly<Record<string, string>>): { names: string; text: string } {
  const pairs = Object.entries(fields)
    .map(([name, value]) => [uriEncode(name.toLowerCase()).toLowerCase(), uriEncode(value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    names: pairs.map(([name]) => name).join(';'),
    text: pairs.map(([name, value]) => `${name}=${value}`).join('&'),
  }
}

/** As they arrive. */
function trimmed(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.trim()]))
}

/** The key of the second one is the first one's text, in hex. */
function hmac(key: string, text: string): string {
  return createHmac('sha1', key).update(text).digest('hex')
}
