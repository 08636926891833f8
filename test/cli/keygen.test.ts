import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { S3Client } from '@aws-sdk/client-s3'
import { TestBucket } from '../lib/bucket.ts'
import { startServer } from '../lib/server.ts'
import { sealgate } from './run.ts'

const home = mkdtempSync(join(tmpdir(), 'sealgate-keygen-'))
after(() => rmSync(home, { recursive: true }))
const keyring = join(home, 'keyring.json')
const passphraseFile = join(home, 'passphrase')
const locked = { SEALGATE_KEYRING_PASSPHRASE_FILE: passphraseFile }

async function keygen(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const run = sealgate(['keygen', keyring, ...args], env)
  assert.equal(await run.exit, 0, run.output())
  return run.output()
}

async function served<T>(env: Record<string, string>, use: (bucket: TestBucket) => Promise<T>): Promise<T> {
  const server = await startServer({ dataDir: home, env: { SEALGATE_KEYRING: keyring, ...env } })
  const { endpoint, accessKeyId, secretAccessKey } = server
  const credentials = { accessKeyId, secretAccessKey }
  const s3 = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
  try {
    return await use(TestBucket.of(s3, 'photos'))
  } finally {
    s3.destroy()
    await server.stop()
  }
}

it('a keyring grows and is put under a passphrase, and everything stays readable', async () => {
  writeFileSync(passphraseFile, 'correct horse battery staple\n', { mode: 0o600 })
  assert.match(await keygen([]), /made, with the key local:[0-9a-f]{16}\. Keep a copy/)
  const id = (put: { SSEKMSKeyId?: string | undefined }) => put.SSEKMSKeyId
  const first = await served({}, async (bucket) => {
    await TestBucket.create(bucket.s3, bucket.name)
    return id(await bucket.put('first', 'under the first key'))
  })
  const [, added] = /new key (local:[0-9a-f]{16}), and keeps 1/.exec(await keygen(['--add'])) ?? []
  assert.match(await keygen(['--protect'], locked), /is protected by the passphrase now/)
  await served(locked, async (bucket) => {
    assert.equal((await bucket.read('first')).toString(), 'under the first key')
    assert.equal(id(await bucket.put('second', 'under the second')), added)
    assert.notEqual(added, first)
  })
  assert.match(await keygen(['--add'], locked), /keeps 2/)
  await served(locked, async (bucket) => {
    for (const key of ['first', 'second']) assert.match((await bucket.read(key)).toString(), /under the/)
  })
})
