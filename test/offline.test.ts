import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { S3Client } from '@aws-sdk/client-s3'
import { StartupError } from '../src/app.ts'
import { loadConfig } from '../src/config/config.ts'
import { ENVELOPE_METADATA_NAME, openEnvelope } from '../src/envelope/index.ts'
import { openOffline, openOfflineKeys } from '../src/offline.ts'
import { TestBucket } from './lib/bucket.ts'
import { parseDekEnvelope } from './lib/dek-envelope.ts'
import { type RunningServer, startServer } from './lib/server.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'sealgate-offline-'))
const config = loadConfig(undefined, { SEALGATE_DATA_DIR: dataDir })
let server: RunningServer
let s3: S3Client

before(async () => {
  server = await startServer({ dataDir })
  const { endpoint, accessKeyId, secretAccessKey } = server
  const credentials = { accessKeyId, secretAccessKey }
  s3 = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
  await (await TestBucket.create(s3, 'photos')).put('cat', 'meow')
})
after(async () => {
  s3.destroy()
  await server.stop()
  rmSync(dataDir, { recursive: true })
})

describe('keys and store without a gateway', () => {
  it('open what a gateway that is running has written', async () => {
    const offline = await openOffline(config)
    try {
      const { metadata } = await offline.storage.headObject({ bucket: 'photos', key: 'cat' })
      const envelope = parseDekEnvelope(metadata[ENVELOPE_METADATA_NAME])
      const dek = await offline.keys.decrypting('photos', envelope)
      openEnvelope(envelope, dek, { realm: offline.realm, bucket: 'photos', key: 'cat' }).destroy()
      await assert.rejects(offline.storage.createBucket('more'), /reading only/)
    } finally {
      await offline.close()
    }
    assert.equal((await TestBucket.of(s3, 'photos').read('cat')).toString(), 'meow')
  })

  it('may write beside it where the command says so', async () => {
    const offline = await openOffline(config, { write: true })
    await offline.storage.createBucket('more')
    await offline.close()
    await TestBucket.of(s3, 'more').put('k', 'v')
  })

  it('take another realm when told, and need no store for the keys', async () => {
    const realm = randomUUID()
    assert.equal((await openOfflineKeys(config, { realm })).realm, realm)
    const own = await openOfflineKeys(config)
    assert.equal(own.realm, own.kms.realm)
  })

  it('make nothing: what is missing is said', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'sealgate-offline-'))
    const empty = loadConfig(undefined, { SEALGATE_DATA_DIR: elsewhere })
    await assert.rejects(openOffline(empty), says(/no keyring .*keyring\.json/))
    const keyed = loadConfig(undefined, {
      SEALGATE_DATA_DIR: elsewhere,
      SEALGATE_KEYRING: join(dataDir, 'keyring.json'),
    })
    await assert.rejects(openOffline(keyed), says(/no store in .*store/))
    rmSync(elsewhere, { recursive: true })
  })

  it('refuse a keyring of another deployment, unless the realm is named', async () => {
    const other = mkdtempSync(join(tmpdir(), 'sealgate-offline-'))
    const second = await startServer({ dataDir: other })
    await second.stop()
    renameSync(join(other, 'keyring.json'), join(other, 'other.json'))
    const mixed = loadConfig(undefined, {
      SEALGATE_DATA_DIR: dataDir,
      SEALGATE_KEYRING: join(other, 'other.json'),
    })
    await assert.rejects(openOffline(mixed), says(/belongs to another deployment/))
    await (await openOffline(mixed, { realm: 'r' })).close()
    rmSync(other, { recursive: true })
  })
})

function says(pattern: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof StartupError && pattern.test(error.message)
}
