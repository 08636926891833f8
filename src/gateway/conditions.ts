import { SealgateError } from '../errors.ts'
import type { WriteCondition } from '../storage/storage.ts'
import { toClientEtag, toStoredEtag } from './etag.ts'

/** A list of ETags as clients see them, or `*`. */
export type EtagMatch = readonly string[] | '*'

/** RFC 9110 section 13.1, with S3's rules of precedence. Times in milliseconds. */
export interface ReadConditions {
  readonly ifMatch?: EtagMatch | undefined
  readonly ifNoneMatch?: EtagMatch | undefined
  readonly ifModifiedSince?: number | undefined
  readonly ifUnmodifiedSince?: number | undefined
}

export interface Validators {
  readonly etag: string
  readonly lastModified: number
}

/** Throws PreconditionFailed or NotModified. */
export function checkReadConditions(conditions: ReadConditions, object: Validators, now: number): void {
  const condition = failedCondition(conditions, object, now)
  if (condition === null) return
  throw condition === 'If-Match' || condition === 'If-Unmodified-Since'
    ? failed(condition)
    : notModified(object)
}

/** The same conditions on the source of a copy: every failure is 412 (a copy has no 304). */
export function checkCopyConditions(conditions: ReadConditions, object: Validators, now: number): void {
  const condition = failedCondition(conditions, object, now)
  if (condition !== null) throw failed(`x-amz-copy-source-${condition}`)
}

/**
 * If-Match that holds makes If-Unmodified-Since void, If-None-Match that is present makes If-Modified-Since void (RFC 9110
 * section 13.2.2; the GetObject page of the S3 API says the same). A time to come is none that anything was modified since: S3 takes
 * no notice of it.
 */
function failedCondition(conditions: ReadConditions, object: Validators, now: number) {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, object.etag)) return 'If-Match'
  } else if (ifUnmodifiedSince !== undefined && isLater(object, ifUnmodifiedSince)) {
    return 'If-Unmodified-Since'
  }
  if (ifNoneMatch !== undefined) return matches(ifNoneMatch, object.etag) ? 'If-None-Match' : null
  const since = ifModifiedSince === undefined || ifModifiedSince > now ? null : ifModifiedSince
  return since !== null && !isLater(object, since) ? 'If-Modified-Since' : null
}

export function matches(match: EtagMatch, storedEtag: string): boolean {
  return match === '*' || match.some((etag) => toStoredEtag(etag) === storedEtag)
}

/** What a client asks of a write, in the store's terms. */
export function writeCondition(
  ifMatch: EtagMatch | undefined,
  ifNoneMatch: EtagMatch | undefined,
): WriteCondition | undefined {
  if (ifMatch !== undefined && ifNoneMatch !== undefined) {
    throw new SealgateError('NotImplemented', 'Send either If-Match or If-None-Match with a write, not both.')
  }
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch !== '*') {
      throw new SealgateError('NotImplemented', 'A write accepts If-None-Match only with the value "*".')
    }
    return { ifNoneMatch: '*' }
  }
  if (ifMatch === undefined) return undefined
  const [etag, ...others] = ifMatch === '*' ? [] : ifMatch
  if (etag === undefined || others.length > 0) {
    throw new SealgateError('NotImplemented', 'A write accepts If-Match only with one ETag.')
  }
  return { ifMatch: toStoredEtag(etag) }
}

/** HTTP dates have whole seconds. */
function isLater(object: Validators, time: number): boolean {
  return Math.floor(object.lastModified / 1000) > Math.floor(time / 1000)
}

function failed(condition: string): SealgateError {
  return new SealgateError('PreconditionFailed', undefined, { details: { Condition: condition } })
}

function notModified(object: Validators): SealgateError {
  return new SealgateError('NotModified', undefined, {
    headers: {
      etag: `"${toClientEtag(object.etag)}"`,
      'last-modified': new Date(object.lastModified).toUTCString(),
    },
  })
}
