import { encodePath, uriEncode } from '../base/uri-encode.ts'
import type { RequestHeaders } from './headers.ts'
import type { Target } from './target.ts'

export interface SignedRequest {
  readonly method: string
  readonly target: Target
  readonly headers: RequestHeaders
}

export interface Signing {
  readonly signedHeaders: readonly string[]
  /** The signature itself is in the query, and no part of what was signed. */
  readonly presigned: boolean
  /** The value of x-amz-content-sha256. */
  readonly contentHash: string
}

/**
 * What Signature Version 4 signs ("Create a canonical request" in the S3 API reference). S3 encodes the path once and never normalises
 * it. One character a byte: header values are latin1, everything else ASCII.
 */
export function canonicalRequest({ method, target, headers }: SignedRequest, o: Signing): string {
  const fields = o.signedHeaders.map((name) => {
    const values = headers.all(name).map((value) => value.replace(/[ \t]+/g, ' '))
    return `${name}:${values.join(',')}\n`
  })
  return [
    method,
    encodePath(target.path),
    canonicalQuery(target, o.presigned),
    fields.join(''),
    o.signedHeaders.join(';'),
    o.contentHash,
  ].join('\n')
}

function canonicalQuery(target: Target, presigned: boolean): string {
  const pairs = target.query
    .entries()
    .filter(([name]) => !presigned || name !== 'X-Amz-Signature')
    .map(([name, value]) => [uriEncode(name), uriEncode(value)] as const)
  return pairs
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
