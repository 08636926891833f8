import { type EtagMatch, type ReadConditions, writeCondition } from '../gateway/conditions.ts'
import type { RequestHeaders } from './headers.ts'
import { notImplementedHeader } from './refused-headers.ts'

/*
 * Conditions as clients write them (RFC 9110 section 13.1). One that cannot be kept is refused, never dropped: what it guards is
 * somebody's lock.
 */

/** @param prefix `x-amz-copy-source-` for those on the source of a copy */
export function readConditions(headers: RequestHeaders, prefix = ''): ReadConditions {
  return {
    ifMatch: readEtags(headers.get(`${prefix}if-match`)),
    ifNoneMatch: readEtags(headers.get(`${prefix}if-none-match`)),
    ifModifiedSince: readDate(headers.get(`${prefix}if-modified-since`)),
    ifUnmodifiedSince: readDate(headers.get(`${prefix}if-unmodified-since`)),
  }
}

/** S3 knows two for what a write replaces: If-None-Match with `*`, and If-Match with one ETag. */
export function readWriteCondition(headers: RequestHeaders): ReturnType<typeof writeCondition> {
  refuse(headers, ['if-modified-since', 'if-unmodified-since'])
  return writeCondition(readEtags(headers.get('if-match')), readEtags(headers.get('if-none-match')))
}

/** One ETag, or `*` for any object at all. Those on size and time are of S3's directory buckets alone. */
export function readDeleteCondition(headers: RequestHeaders): string | undefined {
  refuse(headers, [
    'if-none-match',
    'if-modified-since',
    'if-unmodified-since',
    'x-amz-if-match-last-modified-time',
    'x-amz-if-match-size',
  ])
  const match = readEtags(headers.get('if-match'))
  if (match === undefined || match === '*') return match
  const [etag, ...others] = match
  if (etag === undefined || others.length > 0) throw notImplementedHeader('If-Match')
  return etag
}

export function readIfRange(headers: RequestHeaders): { etag: string } | { time: number } | undefined {
  const value = headers.get('if-range')
  if (value === undefined) return undefined
  // Date.parse makes dates of much that is none; an ETag must never be one.
  const time = /^[A-Z][a-z]+,? /.test(value) ? Date.parse(value) : Number.NaN
  return Number.isNaN(time) ? { etag: unquoteEtag(value) } : { time }
}

/** Quoted, unquoted and weak ETags, lists, and `*`. */
function readEtags(value: string | undefined): EtagMatch | undefined {
  if (value === undefined) return undefined
  if (value.trim() === '*') return '*'
  return value.split(',').map(unquoteEtag)
}

export function unquoteEtag(value: string): string {
  return value.trim().replace(/^W\//, '').replace(/^"|"$/g, '')
}

/** A date that cannot be read is no condition (RFC 9110 section 13.1.3). */
function readDate(value: string | undefined): number | undefined {
  const time = value === undefined ? Number.NaN : Date.parse(value)
  return Number.isNaN(time) ? undefined : time
}

function refuse(headers: RequestHeaders, names: readonly string[]): void {
  for (const name of names) if (headers.get(name) !== undefined) throw notImplementedHeader(name)
}
