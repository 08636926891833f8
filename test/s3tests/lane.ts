/** Steps of the lane; see `run` beside this file. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { startServer } from '../lib/server.ts'
import { type Comparison, compare, difference } from './compare.ts'
import { configurationOf } from './configuration.ts'
import { readExpected } from './expected.ts'
import { LANES, type Outcomes, runSuite } from './suite.ts'

const [suite, reference] = process.argv.slice(2)
assert.ok(suite !== undefined, 'run this lane by `npm run test:s3tests -- PATH`')
const select = process.env['LANE_SELECT'] || undefined
const expected = readExpected()
const gateway = await ofGateway()
const result = compare(gateway, expected, { whole: select === undefined })
print(result)
if (reference !== undefined) printDifference(await run('reference', reference))
if (result.failedUnlisted.length > 0) process.exitCode = 1

function run(name: string, configuration: string): Promise<Outcomes> {
  assert.ok(suite !== undefined)
  return runSuite({ suite, configuration, select, report: join(LANES, `s3tests-${name}.xml`) })
}

async function ofGateway(): Promise<Outcomes> {
  const foreign = process.env['LANE_ENDPOINT']
  const server =
    foreign === undefined
      ? await startServer({ env: { SEALGATE_WORKERS: '1' } })
      : {
          endpoint: foreign,
          accessKeyId: process.env['AWS_ACCESS_KEY_ID'] ?? '',
          secretAccessKey: process.env['AWS_SECRET_ACCESS_KEY'] ?? '',
          stop: async () => undefined,
        }
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-s3tests-'))
  try {
    const configuration = join(directory, 's3tests.conf')
    await writeFile(configuration, configurationOf({ ...server, cmkId: await cmkOf(server) }), {
      mode: 0o600,
    })
    return await run('gateway', configuration)
  } finally {
    await server.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

/** The CMK that answers name, whatever key service is behind. */
async function cmkOf(server: {
  endpoint: string
  accessKeyId: string
  secretAccessKey: string
}): Promise<string> {
  const s3 = new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: server,
  })
  const [Bucket, Key] = ['s3tests-which-key', 'object']
  await s3.send(new CreateBucketCommand({ Bucket }))
  const { SSEKMSKeyId } = await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }))
  await s3.send(new DeleteObjectCommand({ Bucket, Key }))
  await s3.send(new DeleteBucketCommand({ Bucket }))
  s3.destroy()
  assert.ok(SSEKMSKeyId, 'the endpoint names its key')
  return SSEKMSKeyId
}

function print({ passed, skipped, failedAsListed, failedUnlisted, passedListed, unknown }: Comparison): void {
  console.log('\nTests that fail, by reason (test/s3tests/expected.txt):')
  for (const [reason, names] of [...failedAsListed].sort(([, a], [, b]) => b.length - a.length))
    console.log(`${String(names.length).padStart(5)}  ${reason}`)
  list('Listed, but they pass: take them off the list', passedListed)
  list('Listed, but this checkout has no such test', unknown)
  list('FAILED without a reason in the list', failedUnlisted)
  const listed = [...failedAsListed.values()].reduce((sum, names) => sum + names.length, 0)
  console.log(
    `\ngateway: ${passed} passed, ${listed} failed as listed, ${failedUnlisted.length} failed otherwise, ${skipped} skipped by the suite`,
  )
}

function printDifference(outcomes: Outcomes): void {
  const passed = [...outcomes.values()].filter((outcome) => outcome === 'passed').length
  console.log(`\nreference: ${passed} of ${outcomes.size} passed. What it passes and the gateway does not:`)
  const found = difference(gateway, outcomes, expected)
  for (const [reason, tests] of Map.groupBy(found, (test) => test.reason ?? 'NO REASON'))
    list(
      reason,
      tests.map(({ name }) => name),
    )
  console.log(`\n${found.length} differences`)
}

function list(title: string, names: readonly string[]): void {
  if (names.length === 0) return
  console.log(`\n${title.replace(/\.$/, '')}:`)
  for (const name of names) console.log(`  ${name}`)
}
