import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { StartupError } from '../../src/app.ts'
import { checkStore } from '../../src/check/check-store.ts'
import { loadConfig } from '../../src/config/config.ts'
import { LostRealmError, storedRealm } from '../../src/gateway/realm.ts'
import { type S3Server, startS3Server } from '../emulators/s3-server.ts'
import { VaultEmulator } from '../emulators/vault.ts'
import { runApp } from '../lib/app.ts'
import { TestBucket } from '../lib/bucket.ts'

/* The record of a deployment's realm is deleted from the store, and a gateway started. */

const REALM_RECORD = 'v1/realm'
let server: S3Server
let vault: VaultEmulator
let directory: string

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sealgate-lost-'))
  server = await startS3Server()
  vault = await VaultEmulator.start()
  vault.createKey('own')
})
after(async () => {
  await server.close()
  await vault.close()
  rmSync(directory, { recursive: true })
})

async function deployment(name: string, more: Readonly<Record<string, string>>) {
  const systemBucket = `system-${name}`
  const environment = {
    SEALGATE_DATA_DIR: directory,
    SEALGATE_STORE: 's3',
    SEALGATE_S3_ENDPOINT: server.endpoint,
    SEALGATE_S3_ACCESS_KEY_ID: server.accessKeyId,
    SEALGATE_S3_SECRET_ACCESS_KEY: server.secretAccessKey,
    SEALGATE_SYSTEM_BUCKET: systemBucket,
    ...more,
  }
  const app = await runApp(environment)
  const bucket = await TestBucket.create(app.s3, `photos-${name}`)
  await bucket.put('a', 'hello')
  await app.close()
  const realm = await storedRealm(server.storage, systemBucket)
  assert.ok(realm !== null)
  const lose = () => server.storage.deleteObject({ bucket: systemBucket, key: REALM_RECORD })
  const stored = () => storedRealm(server.storage, systemBucket)
  const reads = async (found: Readonly<Record<string, string>>) => {
    const again = await runApp({ ...environment, ...found })
    try {
      return (await TestBucket.of(again.s3, `photos-${name}`).read('a')).toString()
    } finally {
      await again.close()
    }
  }
  return { environment, realm, lose, stored, reads }
}

describe('a deployment whose realm only the store names', () => {
  it('does not get another one when the record is gone, and goes on under the old one when it is named', async () => {
    const { environment, realm, lose, stored, reads } = await deployment('vault', {
      SEALGATE_KMS: 'vault',
      SEALGATE_VAULT_ADDRESS: vault.endpoint,
      SEALGATE_VAULT_KEY: 'own',
      SEALGATE_VAULT_TOKEN: vault.createToken(),
    })
    await lose()
    await assert.rejects(runApp(environment), LostRealmError)
    assert.equal(await stored(), null)
    const { findings } = await checkStore(loadConfig(undefined, environment))
    const [found] = findings.filter(({ part }) => part === 'system bucket')
    assert.equal(found?.status, 'failed')
    assert.match(found?.what ?? '', /v1\/realm .* is missing/)
    assert.equal(await reads({ SEALGATE_REALM: realm }), 'hello')
    assert.equal(await stored(), realm)
    assert.equal(await reads({}), 'hello')
  })
})

describe('a deployment with a keyring', () => {
  it('gets no new keyring when both its record and its keyring are gone, and goes on with the old one', async () => {
    const keyring = join(directory, 'keyring.json')
    const { environment, realm, lose, stored, reads } = await deployment('local', {
      SEALGATE_KEYRING: keyring,
    })
    await lose()
    const other = join(directory, 'other.json')
    await assert.rejects(runApp({ ...environment, SEALGATE_KEYRING: other }), (error) => {
      assert.ok(error instanceof StartupError)
      assert.match(error.message, /keyring .* is missing, but .* holds data/)
      return true
    })
    assert.equal(existsSync(other), false)
    await assert.rejects(runApp(environment), LostRealmError)
    assert.equal(await stored(), null)
    assert.equal(await reads({ SEALGATE_REALM: realm }), 'hello')
    assert.equal(await reads({}), 'hello')
  })

  it('asks the store once for its realm at a start', async () => {
    const { environment } = await deployment('counted', { SEALGATE_KEYRING: join(directory, 'counted.json') })
    server.counted()
    const app = await runApp(environment)
    await app.close()
    const atStart = server.counted()
    const count = (call: string) => atStart.filter((name) => name === call).length
    assert.equal(count('GetObject'), 1, atStart.join(' '))
    // No bucket is made but those in which conditions are tried with versions, and these go again.
    assert.deepEqual(
      [count('PutBucketVersioning'), count('DeleteBucket')],
      [count('CreateBucket'), count('CreateBucket')],
    )
  })
})
