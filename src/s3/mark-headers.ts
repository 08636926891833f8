import { SealgateError } from '../errors.ts'
import type { Gateway } from '../gateway/gateway.ts'
import type { ObjectLock, ObjectMarks, Retention, ShownMarks } from '../gateway/marks.ts'
import type { Tag } from '../gateway/subresources/tags.ts'
import { readAcl } from './acl-headers.ts'
import type { RequestHeaders } from './headers.ts'
import { Query } from './target.ts'

/** Tags, locks and lists of access that a write brings along. */
export function readMarks(gateway: Gateway, headers: RequestHeaders): ObjectMarks {
  const [tags, lock, acl] = [readTags(headers), readLock(headers), readAcl(gateway, headers)]
  return {
    ...(tags === undefined ? {} : { tags }),
    ...(lock === undefined ? {} : { lock }),
    ...(acl === undefined ? {} : { acl }),
  }
}

/** Those of a copy: its tags are the source's, unless the directive says otherwise. */
export function readCopyMarks(gateway: Gateway, headers: RequestHeaders): ObjectMarks {
  const directive = (headers.get('x-amz-tagging-directive') ?? 'COPY').toUpperCase()
  if (directive !== 'COPY' && directive !== 'REPLACE')
    throw new SealgateError('InvalidArgument', 'Unknown tagging directive.', {
      details: { ArgumentName: 'x-amz-tagging-directive', ArgumentValue: directive },
    })
  const { tags = [], ...others } = readMarks(gateway, headers)
  return directive === 'REPLACE' ? { ...others, tags } : others
}

/** A query string; an empty header is none. */
function readTags(headers: RequestHeaders): readonly Tag[] | undefined {
  const text = headers.get('x-amz-tagging')
  if (text === undefined || text === '') return undefined
  const tags = parseTags(text)
  if (tags === null || new Set(tags.map(({ key }) => key)).size < tags.length)
    throw new SealgateError(
      'InvalidArgument',
      "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
      { details: { ArgumentName: 'x-amz-tagging', ArgumentValue: text.slice(0, 256) } },
    )
  return tags
}

function parseTags(text: string): readonly Tag[] | null {
  if (text.split('&').some((pair) => pair.split('=').length > 2)) return null
  try {
    return new Query(text).entries().map(([key, value]) => ({ key, value }))
  } catch {
    return null
  }
}

function readLock(headers: RequestHeaders): ObjectLock | undefined {
  const retention = readRetention(headers)
  const hold = headers.get('x-amz-object-lock-legal-hold')
  if (hold !== undefined && hold !== 'ON' && hold !== 'OFF')
    throw invalid('x-amz-object-lock-legal-hold', "Legal Hold must be either of 'ON' or 'OFF'")
  if (retention === undefined && hold === undefined) return undefined
  return { retention, ...(hold === undefined ? {} : { legalHold: hold === 'ON' }) }
}

function readRetention(headers: RequestHeaders): Retention | undefined {
  const mode = headers.get('x-amz-object-lock-mode')
  const date = headers.get('x-amz-object-lock-retain-until-date')
  if (mode === undefined && date === undefined) return undefined
  if (mode === undefined || date === undefined)
    throw invalid(
      mode === undefined ? 'x-amz-object-lock-mode' : 'x-amz-object-lock-retain-until-date',
      'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied',
    )
  if (mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE')
    throw invalid('x-amz-object-lock-mode', 'Unknown wormMode directive.')
  const until = /^\d{4}-\d\d-\d\d/.test(date) ? Date.parse(date) : Number.NaN
  if (Number.isNaN(until))
    throw invalid(
      'x-amz-object-lock-retain-until-date',
      'The retain until date must be provided in ISO 8601 format',
    )
  return { mode, until }
}

function invalid(name: string, message: string): SealgateError {
  return new SealgateError('InvalidArgument', message, { details: { ArgumentName: name } })
}

/** What GET and HEAD tell of them. */
export function shownMarkHeaders({
  tagCount,
  lock,
}: ShownMarks): Record<string, string | number | undefined> {
  const { retention, legalHold } = lock ?? {}
  return {
    'x-amz-tagging-count': tagCount,
    'x-amz-object-lock-mode': retention?.mode,
    'x-amz-object-lock-retain-until-date':
      retention === undefined ? undefined : new Date(retention.until).toISOString(),
    'x-amz-object-lock-legal-hold': legalHold === undefined ? undefined : legalHold ? 'ON' : 'OFF',
  }
}

/** Of deletions, and of changes of a retention. */
export function readBypass(headers: RequestHeaders): boolean {
  return headers.get('x-amz-bypass-governance-retention')?.toLowerCase() === 'true'
}
