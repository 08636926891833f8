import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isError } from '../../src/errors.ts'
import {
  checkCopyConditions,
  checkReadConditions,
  type ReadConditions,
  writeCondition,
} from '../../src/gateway/conditions.ts'

const STORED = '0123456789abcdef0123456789abcdef'
const TIME = Date.UTC(2026, 0, 1)
const object = { etag: STORED, lastModified: TIME + 700 }
const [mine, other] = [[`${STORED}-0`], ['ffffffffffffffffffffffffffffffff-0']]
const [before, same, later] = [TIME - 1000, TIME, TIME + 1000]
const now = TIME + 2000

/** Conditions, what GET says, and the condition that a copy says did not hold. */
const CASES: readonly [
  ReadConditions,
  get: 'PreconditionFailed' | 'NotModified' | null,
  copy: string | null,
][] = [
  [{}, null, null],
  [{ ifMatch: mine }, null, null],
  [{ ifMatch: '*' }, null, null],
  [{ ifMatch: [...other, ...mine] }, null, null],
  [{ ifMatch: other }, 'PreconditionFailed', 'If-Match'],
  [{ ifMatch: mine, ifUnmodifiedSince: before }, null, null],
  [{ ifUnmodifiedSince: before }, 'PreconditionFailed', 'If-Unmodified-Since'],
  [{ ifUnmodifiedSince: same }, null, null],
  [{ ifNoneMatch: mine }, 'NotModified', 'If-None-Match'],
  [{ ifNoneMatch: '*' }, 'NotModified', 'If-None-Match'],
  [{ ifNoneMatch: other, ifModifiedSince: later }, null, null],
  [{ ifNoneMatch: mine, ifModifiedSince: before }, 'NotModified', 'If-None-Match'],
  [{ ifModifiedSince: before }, null, null],
  [{ ifModifiedSince: same }, 'NotModified', 'If-Modified-Since'],
  [{ ifModifiedSince: now }, 'NotModified', 'If-Modified-Since'],
  [{ ifModifiedSince: now + 1000 }, null, null],
  [{ ifMatch: other, ifNoneMatch: mine }, 'PreconditionFailed', 'If-Match'],
  [{ ifMatch: mine, ifNoneMatch: mine }, 'NotModified', 'If-None-Match'],
]

function outcome(check: () => void): { kind: string; condition: string | undefined } | null {
  try {
    check()
    return null
  } catch (error) {
    assert.ok(isError(error))
    return { kind: error.kind, condition: error.details['Condition'] }
  }
}

describe('conditions of reads and copies', () => {
  it('are those of RFC 9110, in its order; times count by whole seconds', () => {
    for (const [conditions, kind] of CASES) {
      const found = outcome(() => checkReadConditions(conditions, object, now))
      assert.equal(found?.kind ?? null, kind, JSON.stringify(conditions))
    }
  })

  it('on the source of a copy fail by 412 and the name of the header, never by 304', () => {
    for (const [conditions, , name] of CASES) {
      const found = outcome(() => checkCopyConditions(conditions, object, now))
      const expected =
        name === null ? null : { kind: 'PreconditionFailed', condition: `x-amz-copy-source-${name}` }
      assert.deepEqual(found, expected, JSON.stringify(conditions))
    }
  })
})

describe('conditions of writes', () => {
  it('are one ETag, or none at all; whatever cannot be kept is refused', () => {
    assert.equal(writeCondition(undefined, undefined), undefined)
    assert.deepEqual(writeCondition(mine, undefined), { ifMatch: STORED })
    assert.deepEqual(writeCondition(undefined, '*'), { ifNoneMatch: '*' })
    for (const [ifMatch, ifNoneMatch, kind] of [
      ['*', undefined, 'NotImplemented'],
      [[...mine, ...other], undefined, 'NotImplemented'],
      [undefined, mine, 'NotImplemented'],
      [mine, '*', 'NotImplemented'],
    ] as const)
      assert.equal(outcome(() => writeCondition(ifMatch, ifNoneMatch))?.kind, kind)
  })
})
