import type { Expected } from './expected.ts'
import type { Outcomes } from './suite.ts'

export interface Comparison {
  readonly passed: number
  readonly skipped: number
  /** Names by reason, of the tests that fail as the list says. */
  readonly failedAsListed: ReadonlyMap<string, readonly string[]>
  /** Failures without a reason: the lane fails. */
  readonly failedUnlisted: readonly string[]
  /** Listed, and passed all the same: the list must be shorter, and the lane fails. */
  readonly passedListed: readonly string[]
  /** Listed, and no test of this checkout. */
  readonly unknown: readonly string[]
}

/** A run of part of the suite says nothing of names that it does not have. */
export function compare(outcomes: Outcomes, expected: Expected, o: { whole: boolean }): Comparison {
  const names = namesBy(outcomes)
  return {
    passed: names('passed').length,
    skipped: names('skipped').length,
    failedAsListed: byReason(
      names('failed').filter((name) => expected.has(name)),
      expected,
    ),
    failedUnlisted: names('failed').filter((name) => !expected.has(name)),
    passedListed: names('passed').filter((name) => expected.has(name)),
    unknown: o.whole ? [...expected.keys()].filter((name) => !outcomes.has(name)) : [],
  }
}

export interface Difference {
  readonly passed: number
  /** What the reference passes and the gateway does not, by its reason. */
  readonly listed: ReadonlyMap<string, readonly string[]>
  /** The same without a reason: the lane fails. */
  readonly unlisted: readonly string[]
  /** Marked as what the reference does not pass either, and it does: the lane fails. */
  readonly passedMarked: readonly string[]
  /** Not marked so, and it does not: the list can say so. */
  readonly failedUnmarked: readonly string[]
}

export function difference(gateway: Outcomes, reference: Outcomes, expected: Expected): Difference {
  const names = namesBy(reference)
  const missed = names('passed').filter((name) => gateway.get(name) !== 'passed')
  const isMarked = (name: string) => expected.get(name)?.failsOnCeph === true
  return {
    passed: names('passed').length,
    listed: byReason(
      missed.filter((name) => expected.has(name)),
      expected,
    ),
    unlisted: missed.filter((name) => !expected.has(name)),
    passedMarked: missed.filter(isMarked),
    failedUnmarked: names('failed', 'skipped').filter((name) => expected.has(name) && !isMarked(name)),
  }
}

function namesBy(outcomes: Outcomes): (...wanted: string[]) => string[] {
  return (...wanted) => [...outcomes].filter(([, is]) => wanted.includes(is)).map(([name]) => name)
}

/** The largest group first. */
function byReason(names: readonly string[], expected: Expected): Map<string, readonly string[]> {
  const groups = Map.groupBy(names, (name) => expected.get(name)?.reason ?? '')
  return new Map([...groups].sort(([, a], [, b]) => b.length - a.length))
}
