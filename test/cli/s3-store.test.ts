import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { DeleteObjectCommand, ListBucketsCommand, S3Client } from '@aws-sdk/client-s3'
import { type S3Server, startS3Server } from '../emulators/s3-server.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { type RunningServer, startServer } from '../lib/server.ts'
import { killAll, sealgate } from './run.ts'

let backend: S3Server
let home = ''
before(async () => {
  backend = await startS3Server()
  home = mkdtempSync(join(tmpdir(), 'sealgate-s3-store-'))
  mkdirSync(join(home, 'one'))
})
afterEach(killAll)
after(async () => {
  await backend.close()
  rmSync(home, { recursive: true, force: true })
})

function environment(more: Record<string, string> = {}): Record<string, string> {
  return {
    SEALGATE_STORE: 's3',
    SEALGATE_S3_ENDPOINT: backend.endpoint,
    SEALGATE_S3_ACCESS_KEY_ID: backend.accessKeyId,
    SEALGATE_S3_SECRET_ACCESS_KEY: backend.secretAccessKey,
    SEALGATE_SYSTEM_BUCKET: 'records',
    ...more,
  }
}

function clientOf({ endpoint, accessKeyId, secretAccessKey }: RunningServer | S3Server): S3Client {
  const credentials = { accessKeyId, secretAccessKey }
  return new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials, maxAttempts: 1 })
}

function isOfTrials(name: string | undefined): boolean {
  return name?.startsWith('records-probe-') === true
}

/** Starts it as it must not start: exit status 2 and one sentence, which names no secret. */
async function refused(more: Record<string, string>): Promise<string> {
  const run = sealgate(['serve'], { SEALGATE_LISTEN: '127.0.0.1:0', ...environment(more) })
  assert.equal(await run.exit, 2, run.output())
  assert.match(run.output(), /sealgate: /)
  assert.ok(!run.output().includes(backend.secretAccessKey))
  return run.output()
}

describe('a gateway before an S3 server', () => {
  it('seals what it keeps there; gateways with the same keyring share it, and names are mapped', async () => {
    const env = environment({ SEALGATE_S3_BUCKET_PREFIX: 'acme-', SEALGATE_S3_BUCKETS: 'photos=pictures' })
    const one = await startServer({ env, dataDir: join(home, 'one') })
    const keyring = join(home, 'one', 'keyring.json')
    const two = await startServer({ env: { ...env, SEALGATE_KEYRING: keyring, SEALGATE_WORKERS: '2' } })
    const [first, second, direct] = [clientOf(one), clientOf(two), clientOf(backend)]
    try {
      const photos = await TestBucket.create(first, 'photos')
      await TestBucket.create(first, 'docs')
      await photos.put('cat', 'meow')
      assert.equal((await TestBucket.of(second, 'photos').read('cat')).toString(), 'meow')
      assert.ok(!(await TestBucket.of(direct, 'pictures').read('cat')).includes('meow'))
      const names = async (client: S3Client) =>
        (await client.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name)
      assert.deepEqual(await names(second), ['docs', 'photos'])
      // A worker that is still starting may have its bucket of trials there, which no client sees.
      let there = await names(direct)
      for (let tries = 0; tries < 100 && there?.some(isOfTrials); tries++) {
        await sleep(100)
        there = await names(direct)
      }
      assert.deepEqual(there, ['acme-docs', 'pictures', 'records'])
      await fails(TestBucket.of(first, 'records').put('v1/realm', 'x'), 'NoSuchBucket', 404)
      await fails(TestBucket.of(first, 'pictures').put('cat', 'x'), 'NoSuchBucket', 404)
      const parts = [Buffer.alloc(5 * 1024 * 1024, 1), Buffer.from('end')]
      await photos.putParts('long', parts)
      assert.ok((await TestBucket.of(second, 'photos').read('long')).equals(Buffer.concat(parts)))
      await second.send(new DeleteObjectCommand({ Bucket: 'photos', Key: 'long' }))
    } finally {
      for (const client of [first, second, direct]) client.destroy()
      await Promise.all([one.stop(), two.stop()])
    }
  })

  it('does not make a keyring where the store holds what another one sealed, nor takes a foreign one', async () => {
    const data = join(home, 'fresh')
    assert.match(await refused({ SEALGATE_DATA_DIR: data }), /fresh\/keyring\.json is missing, but http:/)
    assert.equal(await sealgate(['keygen', join(home, 'foreign.json')]).exit, 0)
    copyFileSync(join(home, 'foreign.json'), join(data, 'keyring.json'))
    assert.match(await refused({ SEALGATE_DATA_DIR: data }), /belongs to another deployment/)
  })

  it('says what is wrong with the store', async () => {
    const data = { SEALGATE_DATA_DIR: join(home, 'none') }
    const secret = await refused({ ...data, SEALGATE_S3_SECRET_ACCESS_KEY: 'not-the-secret-of-it' })
    assert.match(secret, /The store http:\S+ cannot be used: the store answered 403/)
    const file = await refused({ ...data, SEALGATE_S3_CA_FILE: join(home, 'nowhere.pem') })
    assert.match(file, /s3\.caFile: \S+nowhere\.pem cannot be read/)
    const map = await refused({ ...data, SEALGATE_S3_BUCKETS: 'a-b=c-d,e-f=c-d,g-h=records' })
    assert.match(map, /each name may stand once on each side/)
    assert.match(map, /the system bucket records is never a bucket of clients/)
    const aws = await sealgate(['serve'], {
      SEALGATE_STORE: 's3',
      SEALGATE_S3_REGION: 'eu-central-1',
      ...data,
    })
    assert.equal(await aws.exit, 2)
    assert.match(aws.output(), /systemBucket: must be set for AWS/)
  })

  it('is a sentence to every command when it refuses the credentials', async () => {
    const keyring = join(home, 'refused.json')
    assert.equal(await sealgate(['keygen', keyring]).exit, 0)
    const env = environment({
      SEALGATE_KEYRING: keyring,
      SEALGATE_S3_SECRET_ACCESS_KEY: 'not-the-secret-of-it',
    })
    const commands = [
      ['keys', 'export'],
      ['decrypt', 's3://photos/cat'],
      ['inspect', 's3://photos/cat'],
      ['rotate'],
    ]
    await Promise.all(
      commands.map(async (args) => {
        const run = sealgate(args, env)
        assert.equal(await run.exit, 2, run.output())
        assert.match(run.output(), /^sealgate: .*the store answered 403/)
        assert.doesNotMatch(run.output(), /\n {4}at /)
      }),
    )
  })
})
