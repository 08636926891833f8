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
import { cephTarget, LOCKING_OUT, sameUserOver } from './ceph.ts'
import { type Comparison, compare, type Difference, difference } from './compare.ts'
import { configurationOf, type SuiteTarget, sameUser } from './configuration.ts'
import { expectedOver, readExpected, type SuiteStore } from './expected.ts'
import { LANES, type Outcomes, runSuite } from './suite.ts'

const [suite, reference] = process.argv.slice(2)
assert.ok(suite !== undefined, 'run this lane by `npm run test:s3tests -- PATH`')
const select = process.env['LANE_SELECT'] || undefined
const store: SuiteStore = reference === 'ceph' ? 'ceph' : 'fs'
const expected = expectedOver(readExpected(), store)
// Its buckets have the names that the suite gives them, and none of the tests' own.
delete process.env['TEST_STORE']
const ceph = store === 'ceph' ? await cephTarget(cephEndpoint()) : null
const [gateway, other] = await Promise.all([ofGateway(), ofReference()])
const result = compare(gateway, expected, { whole: select === undefined })
print(result)
let wrong = result.failedUnlisted.length + result.passedListed.length
if (other !== null) {
  const found = difference(gateway, other, expected)
  printDifference(found, other.size)
  if (store === 'ceph') wrong += found.unlisted.length + found.passedMarked.length
}
process.exitCode = wrong === 0 ? 0 : 1

async function ofGateway(): Promise<Outcomes> {
  const foreign = process.env['LANE_ENDPOINT']
  const server =
    foreign === undefined
      ? await startServer({
          env: { SEALGATE_WORKERS: '1', SEALGATE_SIGNATURE_V2: 'accept', ...storeSettings() },
        })
      : {
          endpoint: foreign,
          accessKeyId: process.env['AWS_ACCESS_KEY_ID'] ?? '',
          secretAccessKey: process.env['AWS_SECRET_ACCESS_KEY'] ?? '',
          stop: async () => undefined,
        }
  try {
    const { endpoint } = server
    const cmkId = await cmkOf(server)
    const users = ceph === null ? sameUser(server) : sameUserOver(ceph.users, server)
    return await runOn('gateway', { endpoint, users, kmsKeyIds: [cmkId, cmkId] })
  } finally {
    await server.stop()
  }
}

/** Before the server that test/ceph/with has started, or the fs store. */
function storeSettings(): Record<string, string> {
  if (store === 'fs') return {}
  return {
    SEALGATE_STORE: 's3',
    SEALGATE_S3_ENDPOINT: cephEndpoint(),
    SEALGATE_S3_FORWARD: 'acl,policy,publicAccessBlock',
    SEALGATE_S3_ACCESS_KEY_ID: process.env['TEST_STORE_ACCESS_KEY_ID'] ?? '',
    SEALGATE_S3_SECRET_ACCESS_KEY: process.env['TEST_STORE_SECRET_ACCESS_KEY'] ?? '',
  }
}

function cephEndpoint(): string {
  const endpoint = process.env['TEST_STORE_ENDPOINT']
  assert.ok(endpoint !== undefined, 'run this lane by `npm run test:s3tests -- PATH ceph`')
  return endpoint
}

async function ofReference(): Promise<Outcomes | null> {
  if (reference === undefined) return null
  if (ceph !== null) return runOn('reference', ceph)
  return run('reference', reference)
}

async function runOn(name: 'gateway' | 'reference', target: SuiteTarget): Promise<Outcomes> {
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-s3tests-'))
  try {
    const configuration = join(directory, 's3tests.conf')
    await writeFile(configuration, configurationOf(target), { mode: 0o600 })
    return await run(name, configuration)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** The suite says how far it is, before the reference into a file. */
function run(name: 'gateway' | 'reference', configuration: string): Promise<Outcomes> {
  assert.ok(suite !== undefined)
  const file = join(LANES, `s3tests-${name}`)
  const output = name === 'gateway' ? 'inherit' : `${file}.log`
  const leaveOut = name === 'gateway' && ceph !== null ? LOCKING_OUT : []
  return runSuite({ suite, configuration, select, leaveOut, report: `${file}.xml`, output })
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
  count(failedAsListed)
  list('WRONG: listed, but they pass: take them off the list', passedListed)
  list('Listed, but this checkout has no such test', unknown)
  list('FAILED without a reason in the list', failedUnlisted)
  const listed = [...failedAsListed.values()].flat().length
  console.log(
    `\ngateway over ${store}: ${passed} passed, ${listed} failed as listed, ${failedUnlisted.length} failed otherwise, ${skipped} skipped by the suite`,
  )
}

function printDifference(found: Difference, all: number): void {
  const { passed, listed, unlisted, passedMarked, failedUnmarked } = found
  console.log(`\nreference: ${passed} of ${all} passed. What it passes and the gateway does not, by reason:`)
  count(listed)
  for (const [reason, names] of listed) list(reason, names)
  if (store === 'ceph') {
    list('Fails on the reference as well: mark it (nor Ceph)', failedUnmarked)
    list('WRONG: marked (nor Ceph), but the reference passes it', passedMarked)
  }
  list('DIFFERENCES without a reason in the list', unlisted)
  console.log(`\n${[...listed.values()].flat().length + unlisted.length} differences`)
}

function count(groups: ReadonlyMap<string, readonly string[]>): void {
  for (const [reason, names] of groups) console.log(`${String(names.length).padStart(5)}  ${reason}`)
}

function list(title: string, names: readonly string[]): void {
  if (names.length === 0) return
  console.log(`\n${title.replace(/\.$/, '')}:`)
  for (const name of names) console.log(`  ${name}`)
}
