import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { HeadObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { createKeyring } from '../../src/keys/index.ts'
import { AwsKmsEmulator } from '../emulators/aws-kms.ts'
import { TencentKmsEmulator } from '../emulators/tencent-kms.ts'
import { VaultEmulator } from '../emulators/vault.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { type RunningServer, startServer } from '../lib/server.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'sealgate-several-'))
let emulator: TencentKmsEmulator
let aws: AwsKmsEmulator
let vault: VaultEmulator
let token: string
let cmk: string
let arn: string
let server: RunningServer | undefined

before(async () => {
  emulator = await TencentKmsEmulator.start()
  emulator.setAccount('id', 'key')
  aws = await AwsKmsEmulator.start()
  aws.setAccount('id', 'key')
  arn = aws.createKey('sealgate')
  vault = await VaultEmulator.start()
  vault.createKey('sealgate')
  token = vault.createToken()
  cmk = `tencent:${emulator.createKey('sealgate')}`
})
after(async () => {
  await server?.stop()
  await emulator.close()
  await aws.close()
  await vault.close()
  rmSync(dataDir, { recursive: true })
})

async function restart(env: Record<string, string>): Promise<TestBucket> {
  await server?.stop()
  server = await startServer({ dataDir, env })
  const { endpoint, accessKeyId, secretAccessKey } = server
  const credentials = { accessKeyId, secretAccessKey }
  const s3 = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials,
    maxAttempts: 1,
  })
  return TestBucket.of(s3, 'orders')
}

const services = () => ({
  SEALGATE_VAULT_ADDRESS: vault.endpoint,
  SEALGATE_VAULT_TOKEN: token,
  SEALGATE_AWS_KMS_REGION: aws.region,
  SEALGATE_AWS_KMS_ENDPOINT: aws.endpoint,
  SEALGATE_AWS_KMS_ACCESS_KEY_ID: 'id',
  SEALGATE_AWS_KMS_SECRET_ACCESS_KEY: 'key',
  SEALGATE_TENCENT_REGION: emulator.region,
  SEALGATE_TENCENT_KMS_ENDPOINT: emulator.endpoint,
  SEALGATE_TENCENT_SECRET_ID: 'id',
  SEALGATE_TENCENT_SECRET_KEY: 'key',
})
const rule = (cmk: string, ...retired: string[]) => ({
  SEALGATE_BUCKETS: JSON.stringify([{ match: 'orders', cmk, retired }]),
})
const keyring = (): string =>
  (JSON.parse(readFileSync(join(dataDir, 'keyring.json'), 'utf8')) as { current: string }).current

async function cmkOf(bucket: TestBucket, key: string): Promise<string | undefined> {
  return (await bucket.s3.send(new HeadObjectCommand({ Bucket: bucket.name, Key: key }))).SSEKMSKeyId
}

describe('a gateway with several key services', () => {
  it('a bucket moves from one to another and back, and all of its objects stay readable', async () => {
    const first = await restart({})
    await TestBucket.create(first.s3, 'orders')
    await first.put('local', 'under the keyring')
    const moved = await restart({ ...services(), ...rule('tencent:alias/sealgate', keyring()) })
    await moved.put('tencent', 'under Tencent')
    const bigger = Buffer.alloc(6 * 2 ** 20, 'part')
    await moved.putParts('parts', [bigger, Buffer.from('end')])
    const again = await restart({ ...services(), ...rule('aws:alias/sealgate', keyring(), cmk) })
    await again.put('aws', 'under AWS')
    await again.putParts('more parts', [bigger, Buffer.from('end')])
    const third = await restart({ ...services(), ...rule('vault:sealgate', keyring(), cmk, arn) })
    await third.put('vault', 'under Vault')
    await third.putParts('most parts', [bigger, Buffer.from('end')])
    const back = await restart({
      ...services(),
      ...rule(keyring(), 'tencent:alias/sealgate', arn, 'vault:sealgate'),
    })
    await back.put('local again', 'under the keyring')
    for (const [key, text, id] of [
      ['local', 'under the keyring', keyring()],
      ['tencent', 'under Tencent', cmk],
      ['aws', 'under AWS', arn],
      ['vault', 'under Vault', 'vault:sealgate'],
      ['local again', 'under the keyring', keyring()],
    ] as const) {
      assert.equal((await back.read(key)).toString(), text)
      assert.equal(await cmkOf(back, key), id)
    }
    for (const [key, id] of [
      ['parts', cmk],
      ['more parts', arn],
      ['most parts', 'vault:sealgate'],
    ] as const) {
      assert.equal((await back.read(key)).length, bigger.length + 3)
      assert.equal(await cmkOf(back, key), id)
    }
  })

  it('the default service of a deployment may change: the realm stays that of the store', async () => {
    const bucket = await restart({
      ...services(),
      ...rule('alias/sealgate', keyring()),
      SEALGATE_KMS: 'tencent',
      SEALGATE_TENCENT_KMS_KEY_ID: cmk.slice('tencent:'.length),
    })
    assert.equal((await bucket.read('local')).toString(), 'under the keyring')
    const other = await TestBucket.create(bucket.s3, 'without-a-rule')
    await other.put('k', 'v')
    assert.equal(await cmkOf(other, 'k'), cmk)
  })

  it('clients may name the CMK in every form that its operator would', async () => {
    const bucket = await restart({ ...services(), ...rule('tencent:alias/sealgate', keyring()) })
    const named = (SSEKMSKeyId: string) => ({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId })
    for (const name of [cmk, cmk.slice('tencent:'.length), 'alias/sealgate', 'tencent:alias/sealgate'])
      await bucket.put('named', name, named(name))
    const byArn = await restart({ ...services(), ...rule('aws:alias/sealgate', keyring(), cmk) })
    for (const name of [arn, arn.split('/')[1] ?? '', 'alias/sealgate'])
      await byArn.put('named', name, named(name))
    const byKey = await restart({ ...services(), ...rule('vault:sealgate') })
    for (const name of ['vault:sealgate', 'sealgate']) await byKey.put('named', name, named(name))
    for (const name of [keyring(), 'alias/sealgate'])
      await fails(byKey.put('named', name, named(name)), 'KMS.NotFoundException', 400)
  })

  it('a retired CMK whose service is gone keeps nothing from starting, and only its objects are missed', async () => {
    const bucket = await restart(rule(keyring(), cmk))
    assert.equal((await bucket.read('local')).toString(), 'under the keyring')
    await fails(bucket.read('tencent'), 'KMS.NotFoundException', 400)
    await bucket.put('tencent', 'written anew')
    assert.equal((await bucket.read('tencent')).toString(), 'written anew')
  })

  it('a keyring of another deployment serves where the realm is named, and a realm that is not the store’s does not', async () => {
    await server?.stop()
    server = undefined
    const other = join(dataDir, 'other.json')
    const { current } = createKeyring(other)
    const refused = (env: Record<string, string>, pattern: RegExp) =>
      assert.rejects(startServer({ dataDir, env, readyTimeoutMs: 10_000 }), pattern)
    await refused({ SEALGATE_KEYRING: other }, /its realm is not the one of the keyring .*other\.json/)
    await refused(
      { SEALGATE_REALM: 'another' },
      /its realm is not another, which realm \/ SEALGATE_REALM names/,
    )
    const { realm } = JSON.parse(readFileSync(join(dataDir, 'keyring.json'), 'utf8')) as { realm: string }
    const bucket = await restart({
      SEALGATE_KEYRING: other,
      SEALGATE_REALM: realm,
      ...rule(current, keyring()),
    })
    await bucket.put('other keyring', 'x')
    assert.equal(await cmkOf(bucket, 'other keyring'), current)
    await fails(bucket.read('local'), 'KMS.NotFoundException', 400)
    rmSync(other)
  })

  it('a rule that names no key refuses the start in a sentence', async () => {
    await server?.stop()
    server = undefined
    const refused = (env: Record<string, string>, pattern: RegExp) =>
      assert.rejects(startServer({ dataDir, env, readyTimeoutMs: 10_000 }), pattern)
    await refused(rule('tencent:alias/sealgate'), /the rule for orders: .*set kms\.tencent\.region/)
    await refused(
      { SEALGATE_TENCENT_SECRET_ID: 'a', SEALGATE_TENCENT_SECRET_KEY: 'b' },
      /SEALGATE_TENCENT_REGION/,
    )
  })
})
