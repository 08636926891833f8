/**
 * The suites of a store and of the wire over a real S3 server, which TEST_STORE names: `npm run test:minio`, `npm run test:ceph`, `npm run test:cos` and
 * `npm run test:versitygw`. Where the server cannot do what a test asks for, the test is named in test/lib/real-store.ts with the reason: it must then
 * fail, and both are shown.
 */
import { globSync } from 'node:fs'
import { join, relative } from 'node:path'
import { run } from 'node:test'
import { realStore } from '../lib/real-store.ts'

const store = realStore()
if (store === null)
  throw new Error('TEST_STORE is not set: run this by npm run test:minio, test:ceph or test:versitygw')
const ROOT = join(import.meta.dirname, '..')
const names = process.argv.slice(2)
const SUITES = [
  'storage/real-store.lane.ts',
  ...globSync('e2e/*.test.ts', { cwd: ROOT }).sort(),
  ...store.suites,
]
const files = (names.length > 0 ? names : SUITES).map((file) => join(ROOT, file))

let passed = 0
const failed = new Set<string>()
/** By suite, in milliseconds. */
const took = new Map<string, number>()
const { races = {} } = store
const known = { ...store.expected, ...races }
/** Uploads of very many parts take their time. */
const timeout = (process.env['LANE_PARTS'] === undefined ? 15 : 120) * 60_000
for await (const { type, data } of run({ files, concurrency: 2, timeout })) {
  if (type === 'test:stderr') process.stderr.write(data.message)
  if (type === 'test:summary' && data.file !== undefined) took.set(data.file, data.duration_ms)
  // The summaries at the end are of no test.
  if (type === 'test:diagnostic' && data.nesting > 0) console.log(`    ${data.message}`)
  if (type === 'test:pass' && data.details.type !== 'suite') {
    passed++
    console.log(`ok: ${data.name}`)
  }
  if (type === 'test:fail' && data.details.type !== 'suite' && !isOfItsTests(data.details.error)) {
    failed.add(data.name)
    if (known[data.name] === undefined) console.log(`FAILED: ${data.name}\n`, data.details.error.cause)
  }
}

const wrong = [...failed].filter((name) => known[name] === undefined)
const outdated = names.length > 0 ? [] : Object.keys(store.expected).filter((name) => !failed.has(name))
console.log(`\n${store.name}: ${passed} tests passed.`)
const slowest = [...took].sort(([, a], [, b]) => b - a).slice(0, 8)
for (const [file, ms] of slowest) console.log(`slowest: ${relative(ROOT, file)} ${Math.round(ms / 1000)} s`)
for (const name of failed)
  if (known[name] !== undefined)
    console.log(`differs${name in races ? ' at times' : ''}: ${name}: ${known[name]}`)
for (const name of outdated) console.log(`WRONG: declared to differ, and does not: ${name}`)
for (const name of wrong) console.log(`FAILED: ${name}`)
process.exitCode = wrong.length + outdated.length === 0 ? 0 : 1

/** A file fails with its tests, and that is not one more failure. */
function isOfItsTests(error: Error): boolean {
  return 'failureType' in error && error.failureType === 'subtestsFailed'
}
