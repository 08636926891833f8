import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The stores that the suite is run over. */
export const STORES = ['fs', 'ceph'] as const
export type SuiteStore = (typeof STORES)[number]

export interface ExpectedFailure {
  readonly reason: string
  /** The stores over which it fails. */
  readonly stores: readonly SuiteStore[]
  /** Ceph's own RADOS Gateway does not pass it either, so it is no difference. */
  readonly failsOnCeph: boolean
}

/** Every test that is known not to pass. */
export type Expected = ReadonlyMap<string, ExpectedFailure>

export function readExpected(): Expected {
  return parseExpected(readFileSync(join(import.meta.dirname, 'expected.txt'), 'utf8'))
}

/** What is known not to pass over one store. */
export function expectedOver(expected: Expected, store: SuiteStore): Expected {
  return new Map([...expected].filter(([, { stores }]) => stores.includes(store)))
}

/**
 * A line `## reason`, or `## [store] reason` where it holds over that store alone, and under it the names of tests, one a line, with
 * `(nor Ceph)` behind those that Ceph's own RADOS Gateway does not pass; other lines that begin with `#` are comments.
 */
export function parseExpected(text: string): Expected {
  const expected = new Map<string, ExpectedFailure>()
  let reason = ''
  let stores: readonly SuiteStore[] = STORES
  for (const line of text.split('\n').map((raw) => raw.trim())) {
    const heading = /^## (?:\[(\w+)\] )?(.+)$/.exec(line)
    if (heading !== null) {
      reason = heading[2] ?? ''
      stores = STORES.filter((store) => heading[1] === undefined || heading[1] === store)
      if (stores.length === 0) throw new Error(`expected.txt: there is no store ${heading[1]}`)
    }
    if (line === '' || line.startsWith('#')) continue
    const [, name = '', mark] = /^(\S+)( \(nor Ceph\))?$/.exec(line) ?? []
    if (name === '') throw new Error(`expected.txt: ${line} is no name of a test`)
    if (reason === '') throw new Error(`expected.txt: ${name} stands under no reason`)
    if (expected.has(name)) throw new Error(`expected.txt: ${name} stands there twice`)
    expected.set(name, { reason, stores, failsOnCeph: mark !== undefined })
  }
  return expected
}
