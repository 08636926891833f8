import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SaxesParser } from 'saxes'

export type Outcome = 'passed' | 'failed' | 'skipped'

/** What became of each test, by its name (with its parameters, if it has some). */
export type Outcomes = ReadonlyMap<string, Outcome>

/** The files of the suite that speak S3; the others are about IAM, STS, SNS and queries over objects. */
const FILES = ['s3tests/functional/test_s3.py', 's3tests/functional/test_headers.py']
const TEST_SECONDS = 300

/** Runs the suite with one of its configuration files; its own output goes to this process's. */
export async function runSuite(
  suite: string,
  configuration: string,
  select: string | undefined,
): Promise<Outcomes> {
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-s3tests-'))
  const report = join(directory, 'report.xml')
  const python = join(import.meta.dirname, '../../.lanes/s3tests/bin/python')
  const options = ['--quiet', '--tb=no', '-p', 'no:cacheprovider', `--timeout=${TEST_SECONDS}`]
  const chosen = select === undefined ? [] : ['-k', select]
  const pytest = spawn(
    python,
    ['-B', '-m', 'pytest', ...options, `--junitxml=${report}`, ...chosen, ...FILES],
    {
      cwd: suite,
      env: { ...process.env, S3TEST_CONF: configuration },
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  )
  try {
    const [code] = (await once(pytest, 'exit')) as [number | null]
    // 0 all passed, 1 some failed; anything else is a suite that did not run.
    if (code !== 0 && code !== 1) throw new Error(`pytest ended with ${code}`)
    return readReport(await readFile(report, 'utf8'))
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
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
