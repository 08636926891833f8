import type { ObjectLock, ObjectMarks, Retention, ShownMarks } from '../marks.ts'
import { taggingHeader } from '../tagging.ts'
import { badAnswer } from './errors.ts'

type Headers = Readonly<Record<string, string>>

const MODE = 'x-amz-object-lock-mode'
const UNTIL = 'x-amz-object-lock-retain-until-date'
const LEGAL_HOLD = 'x-amz-object-lock-legal-hold'

/** Of a write. */
export function markHeaders({ tags = [], lock = {}, acl = {} }: ObjectMarks = {}): Record<string, string> {
  const { retention, legalHold } = lock
  return {
    ...acl,
    ...(tags.length === 0 ? {} : { 'x-amz-tagging': taggingHeader(tags) }),
    ...(retention === undefined
      ? {}
      : { [MODE]: retention.mode, [UNTIL]: new Date(retention.until).toISOString() }),
    ...(legalHold === undefined ? {} : { [LEGAL_HOLD]: legalHold ? 'ON' : 'OFF' }),
  }
}

/** Of an answer about an object. */
export function shownMarks(headers: Headers): ShownMarks {
  const count = headers['x-amz-tagging-count']
  if (count !== undefined && !/^\d{1,4}$/.test(count)) throw badAnswer('no number of tags')
  const tagCount = Number(count ?? 0)
  const lock = shownLock(headers)
  return { ...(tagCount > 0 ? { tagCount } : {}), ...(lock === null ? {} : { lock }) }
}

function shownLock(headers: Headers): ObjectLock | null {
  const hold = headers[LEGAL_HOLD]
  const retention = shownRetention(headers)
  if (hold === undefined && retention === undefined) return null
  return { retention, ...(hold === undefined ? {} : { legalHold: hold.toUpperCase() === 'ON' }) }
}

/** Some stores tell of a mode without a time, or of none by an empty one. */
function shownRetention(headers: Headers): Retention | undefined {
  const mode = headers[MODE]?.toUpperCase()
  const until = Date.parse(headers[UNTIL] ?? '')
  if ((mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') || Number.isNaN(until)) return undefined
  return { mode, until }
}
