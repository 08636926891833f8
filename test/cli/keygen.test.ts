import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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

it('a key is added on standby, and made the current one later', async () => {
  const file = join(home, 'two-steps.json')
  const run = async (...args: string[]) => {
    const { exit, output } = sealgate(['keygen', file, ...args])
    assert.equal(await exit, 0, output())
    return output()
  }
  const current = () => (JSON.parse(readFileSync(file, 'utf8')) as { current: string }).current
  await run()
  const former = current()
  const added = await run('--add', '--standby')
  const [, id = ''] =
    /has the new key (local:[0-9a-f]{16}); new data keys are still wrapped under/.exec(added) ?? []
  assert.ok(added.trimEnd().endsWith(`sealgate keygen ${file} --make-current ${id}`), added)
  assert.equal(current(), former)
  assert.match(await run('--make-current', id), new RegExp(`has ${id} as its current key`))
  assert.equal(current(), id)
  await run('--make-current', former.slice('local:'.length))
  assert.equal(current(), former)
})

it('a key that all has left is taken out of the file, the current one never', async () => {
  const file = join(home, 'fewer.json')
  const run = async (status: number, ...args: string[]) => {
    const { exit, output } = sealgate(['keygen', file, ...args])
    assert.equal(await exit, status, output())
    return output()
  }
  const read = () => JSON.parse(readFileSync(file, 'utf8')) as { current: string; keys: { id: string }[] }
  await run(0)
  const former = read().current
  await run(0, '--add')
  const { current } = read()
  assert.match(
    await run(2, '--remove', current),
    /is its current key and stays; make another one current first/,
  )
  assert.match(
    await run(2, '--remove', 'local:0123456789abcdef'),
    /it has no key local:0123456789abcdef; it has/,
  )
  assert.match(await run(2, '--remove', former, '--add'), /cannot be used with option/)
  assert.match(await run(0, '--remove', former), new RegExp(`no longer has ${former}; 1 key is left`))
  assert.deepEqual([read().current, read().keys.map(({ id }) => id)], [current, [current]])
})

it('what does not go together, or names no key, is refused in a sentence and changes nothing', async () => {
  const file = join(home, 'refused.json')
  assert.equal(await sealgate(['keygen', file]).exit, 0)
  const before = readFileSync(file, 'utf8')
  const refused = async (args: readonly string[], pattern: RegExp) => {
    const { exit, output } = sealgate(['keygen', file, ...args])
    assert.equal(await exit, 2, output())
    assert.match(output(), pattern)
    assert.doesNotMatch(output(), /\n {4}at /)
    assert.equal(readFileSync(file, 'utf8'), before)
  }
  const unknown = 'local:0123456789abcdef'
  await Promise.all([
    refused(['--standby'], /^sealgate: --standby goes with --add\./),
    refused(['--make-current'], /argument missing/),
    refused(['--make-current', unknown], /it has no key local:0123456789abcdef; it has local:[0-9a-f]{16}/),
    refused(['--make-current', unknown, '--add'], /cannot be used with option '--add'/),
    refused(['--make-current', unknown, '--protect'], /cannot be used with option '--protect'/),
    refused(['--make-current', unknown, '--standby'], /--standby goes with --add/),
    refused(['--add', '--old-passphrase-file', passphraseFile], /goes with --protect/),
  ])
  const { exit, output } = sealgate(['keygen', join(home, 'none.json'), '--make-current', unknown])
  assert.equal(await exit, 2, output())
  assert.match(output(), /none\.json: there is no such file or directory/)
})
