import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type CheckReport, check } from '../../src/check/check.ts'
import type { Finding } from '../../src/check/finding.ts'
import { loadConfig } from '../../src/config/config.ts'
import { claimRealm } from '../../src/gateway/realm.ts'
import { createKeyring, loadKeyring } from '../../src/keys/index.ts'
import { openFilesystemStorage } from '../../src/storage/filesystem.ts'
import { type Ignored, type S3Server, startS3Server } from '../emulators/s3-server.ts'
import { TencentKmsEmulator } from '../emulators/tencent-kms.ts'
import { killAll, sealgate } from './run.ts'

const home = mkdtempSync(join(tmpdir(), 'sealgate-check-'))
after(() => {
  killAll()
  rmSync(home, { recursive: true, force: true })
})

const SECRETS = ['the-secret-of-the-store-behind', 'gateway-secret', 'secret-of-the-clients']

/** What the command reports, without the start of a process; no secret is ever in it. */
async function checked(environment: Record<string, string>): Promise<CheckReport> {
  const report = await check(loadConfig(undefined, environment), undefined)
  const text = JSON.stringify(report)
  for (const secret of SECRETS) assert.ok(!text.includes(secret))
  return report
}

const found = ({ findings }: CheckReport, part: Finding['part']) =>
  findings.filter((finding) => finding.part === part).map(({ status, what }) => `${status}: ${what}`)
const hints = ({ findings }: CheckReport) =>
  findings.filter(({ status }) => status === 'failed').map(({ hint = '' }) => hint)

/** A data directory with a keyring and a store that it has claimed, as after a first start. */
async function started(name: string): Promise<Record<string, string>> {
  const dataDir = join(home, name)
  const storage = await openFilesystemStorage({ directory: join(dataDir, 'store') })
  createKeyring(join(dataDir, 'keyring.json'))
  await claimRealm(storage, 'sealgate-system', loadKeyring(join(dataDir, 'keyring.json')).realm)
  await storage.createBucket('photos')
  await storage.close()
  return { SEALGATE_DATA_DIR: dataDir }
}

describe('sealgate check of the fs store', () => {
  it('says what the first start will make, and makes none of it', async () => {
    const report = await checked({ SEALGATE_DATA_DIR: join(home, 'fresh/data') })
    assert.deepEqual([report.status, report.capabilities], ['ok', null])
    assert.match(found(report, 'store').join(), /^skipped: There is no store in .* yet/)
    assert.match(found(report, 'keys').join(), /^skipped: There is no keyring .* yet/)
    assert.ok(!existsSync(join(home, 'fresh')))
    writeFileSync(join(home, 'file'), '')
    const away = await checked({ SEALGATE_DATA_DIR: join(home, 'file/data') })
    assert.equal(away.status, 'failed')
    assert.match(hints(away).join(), /SEALGATE_DATA_DIR/)
  })

  it('finds all in order after it, as a command and for programs, and leaves it as it was', async () => {
    const environment = await started('whole')
    const store = join(home, 'whole/store')
    const was = readdirSync(store).sort()
    const file = join(home, 'whole.yaml')
    writeFileSync(file, 'buckets:\n  - {match: "legacy-*", plaintext: read}\n')
    const more = { SEALGATE_ACCESS_KEY_ID: 'AKIDCLIENT', SEALGATE_SECRET_ACCESS_KEY: 'secret-of-the-clients' }
    const run = sealgate(['check', file], { ...environment, ...more })
    assert.equal(await run.exit, 0, run.output())
    assert.match(
      run.output(),
      /^configuration {2}ok {7}.*whole\.yaml, with variables and defaults, is in order\.$/m,
    )
    assert.match(
      run.output(),
      /^configuration {2}warning {2}plaintext: read for legacy-\*.*\n +-> Set it back/m,
    )
    assert.match(run.output(), /^store {10}ok {7}.*store answers; 1 bucket of clients\.$/m)
    assert.match(run.output(), /^system bucket {2}ok {7}sealgate-system is that of the deployment /m)
    assert.match(
      run.output(),
      /^keys {11}ok {7}local:\w{16} for all buckets: .* as for the bucket photos\.$/m,
    )
    assert.match(run.output(), /^ {2}yes {2}enforces If-None-Match on PutObject$/m)
    assert.match(run.output(), /\nNothing is wrong; 1 warning\.\n$/)
    assert.ok(!run.output().includes('secret-of-the-clients'))
    const json = sealgate(['check', '--json'], environment)
    assert.equal(await json.exit, 0, json.output())
    assert.equal((JSON.parse(json.output()) as CheckReport).status, 'ok')
    assert.deepEqual(readdirSync(store).sort(), was)
    const mistaken = sealgate(['check', join(home, 'none.yaml')], environment)
    assert.equal(await mistaken.exit, 2)
    assert.match(mistaken.output(), /none\.yaml: cannot be read/)
  })

  it('finds a keyring that is missing or of another deployment, and a key that is none', async () => {
    const environment = await started('parts')
    const foreign = join(home, 'foreign.json')
    createKeyring(foreign)
    const other = await checked({ ...environment, SEALGATE_KEYRING: foreign })
    assert.match(
      found(other, 'keys').join('\n'),
      /^failed: The store belongs to the deployment .*, and the keyring names /,
    )
    const rule = JSON.stringify([{ match: '*', cmk: 'local:0123456789abcdef' }])
    const unknown = await checked({ ...environment, SEALGATE_BUCKETS: rule })
    assert.match(found(unknown, 'keys').join(), /^failed: .*the rule for \*: /)
    rmSync(join(home, 'parts/keyring.json'))
    const missing = await checked(environment)
    assert.match(
      found(missing, 'keys').join(),
      /^failed: The keyring .* is missing, and the store holds data/,
    )
    assert.match(hints(missing).join(), /Restore it from your backup/)
  })
})

describe('sealgate check of an S3 server', () => {
  let behind: S3Server
  const environment = (
    { endpoint, accessKeyId, secretAccessKey }: S3Server,
    more: Record<string, string> = {},
  ) => ({
    SEALGATE_DATA_DIR: join(home, 's3'),
    SEALGATE_STORE: 's3',
    SEALGATE_S3_ENDPOINT: endpoint,
    SEALGATE_S3_ACCESS_KEY_ID: accessKeyId,
    SEALGATE_S3_SECRET_ACCESS_KEY: secretAccessKey,
    ...more,
  })
  const start = async (ignores: readonly Ignored[]) => {
    const server = await startS3Server({ ignores })
    await server.storage.createBucket('sealgate-system')
    return server
  }
  before(async () => {
    behind = await start([])
  })
  after(() => behind.close())

  it('shows what it can do, as it was just tried, and leaves nothing there', async () => {
    const report = await checked(environment(behind))
    assert.equal(report.status, 'ok')
    assert.match(found(report, 'system bucket').join(), /^skipped: sealgate-system is no deployment's yet/)
    const has = ({ capabilities }: CheckReport, name: string) =>
      capabilities?.find((capability) => capability.name === name)?.has
    for (const name of [
      'enforces If-Match on DeleteObject',
      'keeps expires',
      'verifies checksums behind a body',
    ])
      assert.equal(has(report, name), true, name)
    const listed = { bucket: 'sealgate-system', prefix: '', delimiter: '', startAfter: '', maxKeys: 10 }
    assert.deepEqual((await behind.storage.listObjects(listed)).objects, [])
    const weak = await start(['put', 'delete', 'copy-source-if-match'])
    try {
      const less = await checked(environment(weak))
      assert.equal(less.status, 'ok')
      assert.equal(has(less, 'enforces If-None-Match on PutObject'), false)
      assert.equal(has(less, 'pins the source of a copy'), false)
      assert.equal(has(less, 'enforces If-Match on CompleteMultipartUpload'), true)
      assert.ok(less.capabilities?.every(({ has: hasIt, without }) => hasIt || without !== ''))
    } finally {
      await weak.close()
    }
  })

  it('makes no system bucket, and names what stands in the way of one', async () => {
    const report = await checked(environment(behind, { SEALGATE_SYSTEM_BUCKET: 'records' }))
    assert.deepEqual([report.status, report.capabilities], ['ok', null])
    assert.match(found(report, 'system bucket').join(), /^skipped: There is no bucket records yet/)
    assert.deepEqual(
      (await behind.storage.listBuckets()).map(({ name }) => name),
      ['sealgate-system'],
    )
    const secret = { SEALGATE_S3_SECRET_ACCESS_KEY: 'gateway-secret' }
    const refused = await checked(environment(behind, secret))
    assert.match(found(refused, 'store').join(), /^failed: http:\S+: the store answered 403/)
    assert.deepEqual(hints(refused), ['s3.secretAccessKey is not the secret of s3.accessKeyId.'])
    const stranger = await checked(environment(behind, { SEALGATE_S3_ACCESS_KEY_ID: 'STRANGER' }))
    assert.match(hints(stranger).join(), /^The server does not know s3\.accessKeyId/)
    const tls = await checked(
      environment(behind, { SEALGATE_S3_ENDPOINT: behind.endpoint.replace('http', 'https') }),
    )
    assert.match(
      found(tls, 'store').join(),
      /^failed: https:\S+: the store cannot be reached: TLS: wrong version number \(ERR_SSL_WRONG_VERSION_NUMBER\)\.$/,
    )
    assert.match(hints(tls).join(), /^No TLS is spoken there: check s3\.endpoint/)
    const away = await checked(environment(behind, { SEALGATE_S3_ENDPOINT: 'http://127.0.0.1:1' }))
    assert.match(found(away, 'store').join(), /^failed: http:\/\/127\.0\.0\.1:1: the store cannot be reached/)
    assert.match(hints(away).join(), /s3\.endpoint/)
    const file = await checked(environment(behind, { SEALGATE_S3_CA_FILE: join(home, 'no.pem') }))
    assert.match(found(file, 'store').join(), /^failed: s3\.caFile: .* cannot be read/)
  })

  it('tries each key as for a bucket that it is for, and says what to do about one that fails', async () => {
    const kms = await TencentKmsEmulator.start()
    try {
      kms.setAccount('AKIDGATEWAY', 'gateway-secret')
      const [good, bad, old] = ['good', 'bad', 'old'].map((alias) => kms.createKey(alias))
      await behind.storage.createBucket('archive-1').catch(() => undefined)
      const rules = [
        { match: 'archive-*', cmk: `tencent:${good}`, retired: [`tencent:${old}`] },
        { match: 'none-*', cmk: `tencent:${bad}` },
        { match: 'none-1', cmk: `tencent:${old}` },
      ]
      const tencent = environment(behind, {
        SEALGATE_KMS: 'tencent',
        SEALGATE_TENCENT_REGION: kms.region,
        SEALGATE_TENCENT_KMS_ENDPOINT: kms.endpoint,
        SEALGATE_TENCENT_KMS_KEY_ID: good ?? '',
        SEALGATE_TENCENT_SECRET_ID: 'AKIDGATEWAY',
        SEALGATE_TENCENT_SECRET_KEY: 'gateway-secret',
        SEALGATE_BUCKETS: JSON.stringify(rules),
      })
      const tried = (cmk: string | undefined, buckets: string, as: string) =>
        `tencent:${cmk} for buckets ${buckets}: a data key made and unwrapped, as for the bucket ${as}`
      const report = await checked(tencent)
      assert.deepEqual(found(report, 'keys'), [
        `ok: ${tried(good, 'archive-*', 'archive-1')}; 1 retired key not tried.`,
        `ok: ${tried(bad, 'none-*', 'none-sealgate-check')}.`,
        `ok: ${tried(good, 'without a rule', 'sealgate-check')}.`,
      ])
      const contexts = kms.calls.map(
        ({ body }) => JSON.parse(String(body['EncryptionContext'])) as { bucket: string },
      )
      assert.deepEqual([...new Set(contexts.map(({ bucket }) => bucket))].sort(), [
        'archive-1',
        'none-sealgate-check',
        'sealgate-check',
      ])
      kms.setState(bad ?? '', 'Disabled')
      const disabled = await checked(tencent)
      assert.equal(disabled.status, 'failed')
      assert.match(
        found(disabled, 'keys')[1] ?? '',
        /^failed: tencent:.* for buckets none-\* \(tried as for .*\): /,
      )
      assert.deepEqual(hints(disabled), ['Enable the key, or give the buckets another one.'])
      const denied = await checked({ ...tencent, SEALGATE_TENCENT_SECRET_KEY: 'another-secret-of-them' })
      assert.match(hints(denied).join(), /^Grant the gateway/)
      const away = await checked({ ...tencent, SEALGATE_TENCENT_KMS_ENDPOINT: 'http://127.0.0.1:1' })
      assert.match(hints(away).join(), /^Check its address/)
    } finally {
      await kms.close()
    }
  })
})
