import type { Expected } from './expected.ts'
import type { Outcomes } from './suite.ts'

export interface Comparison {
  readonly passed: number
  readonly skipped: number
  /** Names by reason, of the tests that fail as the list says. */
  readonly failedAsListed: ReadonlyMap<string, readonly string[]>
  /** Failures without a reason: the lane fails. */
  readonly failedUnlisted: readonly string[]
  /** Listed, and passed all the same: the list can be shorter. */
  readonly passedListed: readonly string[]
  /** Listed, and no test of this checkout. */
  readonly unknown: readonly string[]
}

/** A run of part of the suite says nothing of names that it does not have. */
export function compare(outcomes: Outcomes, expected: Expected, o: { whole: boolean }): Comparison {
  const names = (outcome: string) => [...outcomes].filter(([, is]) => is === outcome).map(([name]) => name)
  const failed = names('failed')
  return {
    passed: names('passed').length,
    skipped: names('skipped').length,
    failedAsListed: Map.groupBy(
      failed.filter((name) => expected.has(name)),
      (name) => expected.get(name) ?? '',
    ),
    failedUnlisted: failed.filter((name) => !expected.has(name)),
    passedListed: names('passed').filter((name) => expected.has(name)),
    unknown: o.whole ? [...expected.keys()].filter((name) => !outcomes.has(name)) : [],
  }
}

/** What the reference passes and the gateway does not, each with its reason; undefined where the list has none. */
export function difference(
  gateway: Outcomes,
  reference: Outcomes,
  expected: Expected,
): readonly { readonly name: string; readonly reason: string | undefined }[] {
  return [...reference]
    .filter(([name, outcome]) => outcome === 'passed' && gateway.get(name) !== 'passed')
    .map(([name]) => ({ name, reason: expected.get(name) }))
}
