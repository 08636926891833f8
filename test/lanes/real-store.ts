/**
 * The suites of a store and of the wire over a real S3 server, which TEST_STORE names: `npm run test:minio`, `npm run test:ceph`. Where
 * the server cannot do what a test asks for, the test is named in test/lib/real-store.ts with the reason: it must then fail, and both
 * are shown.
 */
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { realStore } from '../lib/real-store.ts'

const store = realStore()
if (store === null)
  throw new Error('TEST_STORE is not set: run this by npm run test:minio or npm run test:ceph')
const ROOT = join(import.meta.dirname, '..')
const names = process.argv.slice(2)
const suites =
  names.length > 0
    ? names
    : ['storage/real-store.lane.ts', ...globSync('e2e/*.test.ts', { cwd: ROOT }).sort()]
const files = suites.filter((file) => store.leftOut[file] === undefined).map((file) => join(ROOT, file))

let passed = 0
const failed = new Set<string>()
const stream = run({ files, concurrency: 2, timeout: 15 * 60_000 })
stream.on('test:pass', ({ details }) => {
  if (details.type !== 'suite') passed++
})
stream.on('test:fail', ({ name, details }) => {
  if (details.type === 'suite' || details.error.cause === undefined) return
  // A suite fails with its tests, and that is not one more failure.
  if ('failureType' in details.error && details.error.failureType === 'subtestsFailed') return
  failed.add(name)
})
stream.compose(new spec()).pipe(process.stdout)
stream.on('end', () => {
  const { expected } = store
  const wrong = [...failed].filter((name) => expected[name] === undefined)
  const outdated = names.length > 0 ? [] : Object.keys(expected).filter((name) => !failed.has(name))
  console.log(`\n${store.name}: ${passed} tests passed.`)
  for (const [file, reason] of Object.entries(store.leftOut)) console.log(`not run: ${file}: ${reason}`)
  for (const name of failed)
    if (expected[name] !== undefined) console.log(`differs: ${name}: ${expected[name]}`)
  for (const name of outdated) console.log(`WRONG: declared to differ, and does not: ${name}`)
  for (const name of wrong) console.log(`FAILED: ${name}`)
  process.exitCode = wrong.length + outdated.length === 0 ? 0 : 1
})
