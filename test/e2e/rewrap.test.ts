import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { S3Client } from '@aws-sdk/client-s3'
import { loadConfig } from '../../src/config/config.ts'
import { systemObjects } from '../../src/gateway/system-bucket.ts'
import { exportRing, KeyRing } from '../../src/keys/index.ts'
import { openOffline } from '../../src/offline.ts'
import { capture } from '../cli/capture.ts'
import { sealgate } from '../cli/run.ts'
import { TencentKmsEmulator } from '../emulators/tencent-kms.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { MemoryRecords } from '../lib/memory-records.ts'
import { storeEnvironment } from '../lib/real-store.ts'
import { type RunningServer, startServer } from '../lib/server.ts'
import { storedOf } from '../recovery/helpers.ts'

let emulator: TencentKmsEmulator
let dataDir: string
let server: RunningServer | undefined

before(async () => {
  emulator = await TencentKmsEmulator.start()
  emulator.setAccount('AKIDGATEWAY', 'gateway-secret')
})
after(async () => {
  await server?.stop()
  await emulator.close()
})

function tencent(keyId: string): Record<string, string> {
  return {
    SEALGATE_KMS: 'tencent',
    SEALGATE_TENCENT_REGION: emulator.region,
    SEALGATE_TENCENT_KMS_ENDPOINT: emulator.endpoint,
    SEALGATE_TENCENT_KMS_KEY_ID: keyId,
    SEALGATE_TENCENT_SECRET_ID: 'AKIDGATEWAY',
    SEALGATE_TENCENT_SECRET_KEY: 'gateway-secret',
  }
}

const rule = (cmk: string, retired: string) => ({
  SEALGATE_BUCKETS: JSON.stringify([{ match: '*', cmk, retired: [retired] }]),
})

/** Many data keys, as a gateway of years has them. */
const EPOCHS = { SEALGATE_EPOCH_MAX_OBJECTS: '5', SEALGATE_EPOCH_POLL_MS: '200' }

/** A client that does not try again: every failure is one. */
async function restart(environment: Record<string, string>): Promise<S3Client> {
  await server?.stop()
  server = await startServer({ dataDir, env: { ...EPOCHS, ...environment } })
  const { endpoint, accessKeyId, secretAccessKey } = server
  const credentials = { accessKeyId, secretAccessKey }
  return new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials, maxAttempts: 1 })
}

async function command(environment: Record<string, string>, ...args: string[]) {
  const run = sealgate(args, {
    ...EPOCHS,
    ...storeEnvironment(dataDir),
    ...environment,
    SEALGATE_DATA_DIR: dataDir,
  })
  return { status: await run.exit, output: run.output() }
}

interface Report {
  readonly dataKeys: number
  readonly current: number
  readonly moved: number
  readonly failed: number
  readonly moves: { from: string; to: string; reEncrypted: number }[]
}

async function rewrapped(environment: Record<string, string>, ...args: string[]): Promise<Report> {
  const { status, output } = await command(environment, 'rewrap', '--json', ...args)
  assert.equal(status, 0, output)
  return JSON.parse(output) as Report
}

const value = (key: string) => `value of ${key}`.repeat(50)

async function write(bucket: TestBucket, prefix: string, count: number): Promise<string[]> {
  const keys = Array.from({ length: count }, (_, n) => `${prefix}${n}`)
  for (const key of keys) await bucket.put(key, value(key))
  return keys
}

async function readAll(bucket: TestBucket, keys: readonly string[]): Promise<void> {
  for (const key of keys) assert.equal((await bucket.read(key)).toString(), value(key))
}

/** Clients that write and read without pause until `stop`, which rejects with the first failure. */
function load(bucket: TestBucket, known: readonly string[]) {
  const written: string[] = []
  let done = false
  let requests = 0
  const client = async (id: number) => {
    for (let n = 0; !done; n += 1) {
      const key = `load-${id}-${n}`
      await bucket.put(key, value(key))
      written.push(key)
      for (const read of [key, known[(n * 7 + id) % known.length] ?? key])
        assert.equal((await bucket.read(read)).toString(), value(read))
      requests += 3
    }
  }
  const clients = Promise.all([1, 2, 3].map(client))
  clients.catch(() => undefined)
  return {
    written,
    async stop(): Promise<number> {
      done = true
      await clients
      return requests
    },
  }
}

describe('leaving a CMK while clients write and read', () => {
  let former: string
  let next: string
  let leaving: Record<string, string>
  let keys: string[]
  const parts = [Buffer.alloc(5 * 1024 * 1024, 1), Buffer.alloc(100, 2)]
  let uploadId: string
  let firstPart: Awaited<ReturnType<TestBucket['send']>>

  before(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'sealgate-rewrap-'))
    former = emulator.createKey('former')
    next = emulator.createKey('next')
    leaving = { ...tencent('alias/next'), ...rule('alias/next', 'alias/former') }
    const bucket = await TestBucket.create(await restart(tencent('alias/former')), 'photos')
    keys = await write(bucket, 'former', 60)
    uploadId = await bucket.begin('upload')
    firstPart = await bucket.send('upload', uploadId, 1, parts[0]!)
  })
  after(async () => {
    await server?.stop()
    rmSync(dataDir, { recursive: true })
  })

  it('fails no request, costs calls for each data key and none for each object, and leaves plaintext in the KMS', async () => {
    const bucket = TestBucket.of(await restart(leaving), 'photos')
    const clients = load(bucket, keys)
    const dry = await rewrapped(leaving, '--dry-run')
    assert.ok(dry.moved >= 12)
    assert.equal(emulator.count('ReEncrypt'), 0)
    const report = await rewrapped(leaving)
    assert.deepEqual([report.moved, report.failed], [dry.moved, 0])
    assert.deepEqual(
      [report.moves[0]?.from, report.moves[0]?.to, report.moves[0]?.reEncrypted],
      [`tencent:${former}`, `tencent:${next}`, report.moved],
    )
    assert.equal((await command(leaving, 'rotate')).status, 0)
    assert.equal((await rewrapped(leaving)).moved, 0)
    emulator.setState(former, 'Disabled')
    await sleep(1000)
    const requests = await clients.stop()
    assert.ok(requests > 30, `${requests} requests`)
    keys.push(...clients.written)
  })

  it('lets everything open when the CMK is gone, also after a restart, and an upload end that was begun under it', async () => {
    const bucket = TestBucket.of(await restart(leaving), 'photos')
    await readAll(bucket, keys)
    const second = await bucket.send('upload', uploadId, 2, parts[1]!)
    await bucket.complete('upload', uploadId, [firstPart, second])
    assert.ok((await bucket.read('upload')).equals(Buffer.concat(parts)))
  })

  it('does not let go of the list: a CMK that is not named opens nothing', async () => {
    const bucket = TestBucket.of(await restart(tencent('alias/next')), 'photos')
    await fails(bucket.read(keys[0]!), 'ObjectIntegrityError', 500)
  })

  it('says what it could not move, and by its exit status', async () => {
    emulator.setState(former, 'Enabled')
    const old = TestBucket.of(await restart(tencent('alias/former')), 'photos')
    await write(old, 'late', 3)
    emulator.setState(former, 'Disabled')
    const { status, output } = await command(leaving, 'rewrap')
    assert.equal(status, 1, output)
    assert.match(
      output,
      /1 failed\.\n(.*\n)*failed: photos [0-9a-f]{32}: its record under tencent:.*CmkDisabled/,
    )
    emulator.setState(former, 'Enabled')
    const again = await command(leaving, 'rewrap', '--bucket', 'photos', '--no-decrypt')
    assert.equal(again.status, 0, again.output)
    assert.match(again.output, /1 moved, 0 failed\.(.*\n)*.*inside the key service(.*\n)*.*--no-decrypt/)
    assert.match((await command(leaving, 'rewrap')).output, /Every data key of the ring opens/)
  })
})

describe('leaving a key service', () => {
  before(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'sealgate-rewrap-'))
  })
  after(() => rmSync(dataDir, { recursive: true }))

  let keys: string[]
  let moving: Record<string, string>

  it('opens everything when the keyring that sealed it is no longer there', async () => {
    const bucket = await TestBucket.create(await restart({}), 'photos')
    keys = await write(bucket, 'local', 12)
    await server?.stop()
    const keyring = join(dataDir, 'keyring.json')
    const { current } = JSON.parse(readFileSync(keyring, 'utf8')) as { current: string }
    const target = emulator.createKey('target')
    moving = { ...tencent('alias/target'), ...rule('alias/target', current) }
    const report = await rewrapped(moving)
    assert.deepEqual(
      [report.failed, report.moves[0]?.from, report.moves[0]?.to],
      [0, current, `tencent:${target}`],
    )
    assert.equal(report.moves[0]?.reEncrypted, 0)
    rmSync(keyring)
    await readAll(TestBucket.of(await restart(moving), 'photos'), keys)
  })

  it('needs the key ring for that, which comes back from a backup', async () => {
    const backup = join(dataDir, 'ring.jsonl')
    const written = await command(moving, 'keys', 'export', '--out', backup)
    assert.deepEqual(
      [written.status, /^\d+ records of the key ring written to .*ring\.jsonl\.\n$/.test(written.output)],
      [0, true],
    )
    assert.equal(
      (await command(moving, 'keys', 'export')).output.split('\n')[1],
      readFileSync(backup, 'utf8').split('\n')[1],
    )
    const environment = { ...storeEnvironment(dataDir), ...moving, SEALGATE_DATA_DIR: dataDir }
    const config = loadConfig(undefined, environment)
    const { systemBucket } = config
    const { storage, close } = await openOffline(config, { write: true })
    const { bytes, ...metadata } = await storedOf(storage, 'photos', keys[0]!)
    writeFileSync(join(dataDir, 'sealed'), bytes)
    writeFileSync(join(dataDir, 'sealed.metadata.json'), JSON.stringify(metadata))
    for await (const { key } of systemObjects({ storage, systemBucket }, 'v1/ring/'))
      await storage.deleteObject({ bucket: systemBucket, key })
    await close()
    const bucket = TestBucket.of(await restart(moving), 'photos')
    await fails(bucket.read(keys[0]!), 'KMS.NotFoundException', 400)
    const imported = await command(moving, 'keys', 'import', backup)
    assert.deepEqual(
      [imported.status, /: \d+ records added, 0 were there\.\n$/.test(imported.output)],
      [0, true],
    )
    // A refusal is remembered for some seconds.
    const until = performance.now() + 10_000
    const isRefused = () =>
      bucket.read(keys[0]!).then(
        () => false,
        () => true,
      )
    while ((await isRefused()) && performance.now() < until) await sleep(100)
    await readAll(bucket, keys)
    assert.match((await command(moving, 'keys', 'import', '--json', backup)).output, /"added":0,/)
  })

  it('opens a downloaded object by the backup alone', async () => {
    const elsewhere = { ...moving, SEALGATE_DATA_DIR: join(dataDir, 'none') }
    const names = ['-b', 'photos', '-k', keys[0]!]
    const args = ['decrypt', join(dataDir, 'sealed'), ...names, '--ring', join(dataDir, 'ring.jsonl')]
    const opened = await capture(args, { environment: elsewhere })
    assert.equal(opened.stdout.toString(), value(keys[0]!), opened.stderr)
    const stranger = await capture([...args, '--realm', 'another'], { environment: elsewhere })
    assert.equal(stranger.status, 2, stranger.stderr)
  })

  it('takes no backup of another deployment, and none that is damaged', async () => {
    const backup = join(dataDir, 'ring.jsonl')
    const text = readFileSync(backup, 'utf8')
    writeFileSync(backup, text.slice(0, -5))
    const cut = await command(moving, 'keys', 'import', backup)
    assert.deepEqual(
      [cut.status, /^sealgate: .*ring\.jsonl: the backup is damaged: /.test(cut.output)],
      [2, true],
    )
    const other = { ...moving, SEALGATE_SYSTEM_BUCKET: `another-${randomUUID()}` }
    writeFileSync(backup, text)
    const claimed = await command(other, 'keys', 'import', backup)
    assert.match(claimed.output, /The store is now that of the deployment /)
    const { realm } = JSON.parse(text.split('\n')[0] ?? '') as { realm: string }
    const foreign = join(dataDir, 'foreign.jsonl')
    const records = new KeyRing({ records: new MemoryRecords(), realm: randomUUID() })
    for await (const line of exportRing(records, { records: 0, damaged: 0 })) appendFileSync(foreign, line)
    const refused = await command(moving, 'keys', 'import', foreign)
    assert.equal(refused.status, 2)
    assert.ok(refused.output.includes(`the store is of another one (${realm})`), refused.output)
  })
})
