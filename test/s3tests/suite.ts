import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SaxesParser } from 'saxes'

export type Outcome = 'passed' | 'failed' | 'skipped'

/** What became of each test, by its name (with its parameters, if it has some). */
export type Outcomes = ReadonlyMap<string, Outcome>

/** The files of the suite that speak S3; the others are about IAM, STS, SNS and queries over objects. */
const FILES = ['s3tests/functional/test_s3.py', 's3tests/functional/test_headers.py']
const TEST_SECONDS = 300

/** What lanes keep from run to run. */
export const LANES = join(import.meta.dirname, '../../.lanes')

export interface SuiteRun {
  /** A checkout of the suite. */
  readonly suite: string
  /** One of its configuration files. */
  readonly configuration: string
  /** Names of tests, as pytest's -k; all if it is left out. */
  readonly select: string | undefined
  /** Tests that are not run, and count as failed. */
  readonly leaveOut?: readonly string[]
  /** Where the report stays, with what each failed test said. */
  readonly report: string
  /** Where the suite's own output goes: to this process's, or a file. */
  readonly output: 'inherit' | (string & {})
}

export async function runSuite(o: SuiteRun): Promise<Outcomes> {
  const { suite, configuration, leaveOut = [], report, output } = o
  await rm(report, { force: true })
  const file = output === 'inherit' ? null : await open(output, 'w')
  const options = ['--quiet', '--tb=short', '--show-capture=no', '--no-summary', '-p', 'no:cacheprovider']
  const words = [
    o.select === undefined ? [] : [`(${o.select})`],
    leaveOut.map((name) => `not ${name}`),
  ].flat()
  const chosen = words.length === 0 ? [] : ['-k', words.join(' and ')]
  const pytest = spawn(
    join(LANES, 's3tests/bin/python'),
    [
      '-B',
      '-m',
      'pytest',
      ...options,
      `--timeout=${TEST_SECONDS}`,
      `--junitxml=${report}`,
      ...chosen,
      ...FILES,
    ],
    {
      cwd: suite,
      env: { ...process.env, S3TEST_CONF: configuration },
      stdio: ['ignore', file?.fd ?? 'inherit', file?.fd ?? 'inherit'],
    },
  )
  const [code] = (await once(pytest, 'exit')) as [number | null]
  await file?.close()
  // 0 all passed, 1 some failed; anything else is a suite that did not run.
  if (code !== 0 && code !== 1) throw new Error(`pytest ended with ${code}`)
  return new Map([
    ...readReport(await readFile(report, 'utf8')),
    ...leaveOut.map((name) => [name, 'failed'] as const),
  ])
}

/** JUnit's XML as pytest writes it. A test that fails and then fails again in its cleanup has two entries. */
export function readReport(xml: string): Outcomes {
  const outcomes = new Map<string, Outcome>()
  let name = ''
  const parser = new SaxesParser()
  parser.on('error', (error) => {
    throw error
  })
  parser.on('opentag', (tag) => {
    if (tag.name === 'testcase') {
      name = String(tag.attributes['name'])
      if (!outcomes.has(name)) outcomes.set(name, 'passed')
    }
    if (tag.name === 'failure' || tag.name === 'error') outcomes.set(name, 'failed')
    if (tag.name === 'skipped' && outcomes.get(name) !== 'failed') outcomes.set(name, 'skipped')
  })
  parser.write(xml).close()
  return outcomes
}
