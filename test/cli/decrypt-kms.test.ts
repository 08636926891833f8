/** Recovery where the keys lie in a key service: what it is asked, and what is said while it does not answer. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { S3Client } from '@aws-sdk/client-s3'
import { openFilesystemStorage } from '../../src/storage/filesystem.ts'
import { TencentKmsEmulator } from '../emulators/tencent-kms.ts'
import { TestBucket } from '../lib/bucket.ts'
import { startServer } from '../lib/server.ts'
import { storedOf } from '../recovery/helpers.ts'
import { capture } from './capture.ts'
import { ROOT } from './run.ts'

const home = mkdtempSync(join(tmpdir(), 'sealgate-decrypt-kms-'))
const dataDir = join(home, 'data')
let kms: TencentKmsEmulator
let cmk: string
let environment: Record<string, string>

before(async () => {
  mkdirSync(dataDir)
  kms = await TencentKmsEmulator.start()
  kms.setAccount('AKIDGATEWAY', 'gateway-secret')
  cmk = kms.createKey('sealgate')
  environment = {
    SEALGATE_DATA_DIR: dataDir,
    SEALGATE_KMS: 'tencent',
    SEALGATE_TENCENT_REGION: kms.region,
    SEALGATE_TENCENT_KMS_ENDPOINT: kms.endpoint,
    SEALGATE_TENCENT_KMS_KEY_ID: cmk,
    SEALGATE_TENCENT_SECRET_ID: 'AKIDGATEWAY',
    SEALGATE_TENCENT_SECRET_KEY: 'gateway-secret',
    SEALGATE_KMS_TIMEOUT_MS: '500',
    SEALGATE_EPOCH_MAX_OBJECTS: '5',
  }
  const server = await startServer({ dataDir, env: environment })
  const credentials = { accessKeyId: server.accessKeyId, secretAccessKey: server.secretAccessKey }
  const s3 = new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials,
  })
  const orders = await TestBucket.create(s3, 'orders')
  for (let n = 0; n < 20; n++) await orders.put(`k${n}`, `value ${n}`)
  s3.destroy()
  await server.stop()
  const storage = await openFilesystemStorage({ directory: join(dataDir, 'store'), readOnly: true })
  const { bytes, ...attributes } = await storedOf(storage, 'orders', 'k7')
  writeFileSync(join(home, 'k7'), bytes)
  writeFileSync(join(home, 'k7.metadata.json'), JSON.stringify(attributes))
  await storage.close()
})
after(async () => {
  await kms.close()
  rmSync(home, { recursive: true })
})

const decrypt = (args: readonly string[], more: Record<string, string> = {}) =>
  capture(['decrypt', ...args], { environment: { ...environment, ...more } })
const K7 = ['-b', 'orders', '-k', 'k7']

describe('recovery with a key service', () => {
  it('asks once for each data key, and takes the realm from the store', async () => {
    kms.calls.length = 0
    const all = await decrypt(['s3://orders/', '-o', join(home, 'orders')])
    assert.equal(all.status, 0, all.stderr)
    assert.equal(readdirSync(join(home, 'orders')).length, 20)
    assert.equal(readFileSync(join(home, 'orders/k19'), 'utf8'), 'value 19')
    assert.equal(kms.count('Decrypt'), 4)
  })

  it('opens a downloaded object without the store, if the realm is given', async () => {
    const elsewhere = { SEALGATE_DATA_DIR: join(home, 'none') }
    const unnamed = await decrypt([join(home, 'k7'), ...K7], elsewhere)
    assert.equal(unnamed.status, 2)
    assert.match(unnamed.stderr, /no store in .*--realm/s)
    const storage = await openFilesystemStorage({ directory: join(dataDir, 'store'), readOnly: true })
    const { realm } = JSON.parse(
      (await storedOf(storage, 'sealgate-system', 'v1/realm')).bytes.toString(),
    ) as {
      realm: string
    }
    await storage.close()
    const opened = await decrypt([join(home, 'k7'), ...K7, '--realm', realm], elsewhere)
    assert.equal(opened.stdout.toString(), 'value 7', opened.stderr)
    const wrong = await decrypt([join(home, 'k7'), ...K7, '--realm', 'other'], elsewhere)
    assert.equal(wrong.status, 1)
    assert.match(wrong.stderr, /does not open its data key .* the realm other/)
  })

  it('ends while the service does not answer, says what stands in its way, and goes on later', async () => {
    const directory = join(home, 'again')
    const all = ['s3://orders/', '-o', directory]
    kms.outage = { kind: 'status', status: 500 }
    const cut = await decrypt(all)
    assert.equal(cut.status, 2)
    assert.match(
      cut.stderr,
      /^sealgate: s3:\/\/orders\/k\d+: the key service gives no key for the CMK .*HTTP 500/,
    )
    kms.outage = undefined
    kms.setState(cmk, 'Disabled')
    const disabled = await decrypt(all)
    assert.equal(disabled.status, 1)
    assert.match(disabled.stderr, /CmkDisabled/)
    assert.match(disabled.stdout.toString(), /0 objects .* 20 failed/)
    kms.setState(cmk, 'Enabled')
    const back = await decrypt(all)
    assert.match(back.stdout.toString(), /20 objects/, back.stderr)
    assert.equal(back.status, 0)
  })

  it('leaves no half-written file when it is stopped', async () => {
    const out = join(home, 'out')
    const metadata = join(home, 'k7.metadata.json')
    const args = ['decrypt', '-', '-m', metadata, ...K7, '-o', out]
    const child = spawn(process.execPath, [join(ROOT, 'src/cli/main.ts'), ...args], {
      env: { PATH: process.env['PATH'], ...environment },
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    const partial = () => readdirSync(home).filter((name) => name.endsWith('.part'))
    for (let n = 0; n < 400 && partial().length === 0; n++) await sleep(25)
    assert.equal(partial().length, 1)
    child.kill('SIGTERM')
    const [code] = (await once(child, 'close')) as [number]
    assert.equal(code, 143)
    assert.deepEqual(partial(), [])
  })

  it('opens what left a CMK that is gone: by the ring in the store, or by its backup', async () => {
    const next = kms.createKey('next')
    const rules = JSON.stringify([{ match: '*', cmk: `tencent:${next}`, retired: [`tencent:${cmk}`] }])
    environment['SEALGATE_BUCKETS'] = rules
    const backup = join(home, 'ring.jsonl')
    for (const command of [['rewrap'], ['keys', 'export', '--out', backup]]) {
      const { status, stderr } = await capture(command, { environment })
      assert.equal(status, 0, stderr)
    }
    kms.setState(cmk, 'Disabled')
    const stored = await decrypt(['s3://orders/k7'])
    assert.equal(stored.stdout.toString(), 'value 7', stored.stderr)
    const elsewhere = { SEALGATE_DATA_DIR: join(home, 'none') }
    const file = [join(home, 'k7'), ...K7]
    const opened = await decrypt([...file, '--ring', backup], elsewhere)
    assert.equal(opened.stdout.toString(), 'value 7', opened.stderr)
    const inspected = await capture(['inspect', ...file, '--ring', backup, '--json'], { environment })
    const { opened: found } = JSON.parse(inspected.stdout.toString()) as { opened: { metadata: string } }
    assert.equal(found.metadata, 'authentic')
    const without = await decrypt(file)
    assert.equal(without.status, 2)
    assert.match(without.stderr, /gives no key .*CmkDisabled.* give the backup of the key ring: --ring FILE/)
    const unnamed = [{ match: '*', cmk: `tencent:${kms.createKey('third')}`, retired: [`tencent:${cmk}`] }]
    const passedOver = { SEALGATE_BUCKETS: JSON.stringify(unnamed) }
    for (const source of [[...file, '--ring', backup], ['s3://orders/k7']]) {
      const { status, stderr } = await decrypt(source, passedOver)
      assert.equal(status, 2)
      assert.match(stderr, /No record of the key ring opened it either\. Name the CMK .*sealgate keys import/)
    }
    writeFileSync(backup, readFileSync(backup, 'utf8').replace('"generation":2', '"generation":3'))
    const damaged = await decrypt([...file, '--ring', backup])
    assert.equal(damaged.status, 2)
    assert.match(damaged.stderr, /ring\.jsonl: the backup is damaged/)
  })
})
