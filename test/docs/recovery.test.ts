/** docs/recovery.md, tried to the letter: its commands run in their order, in one directory, against a store that a gateway wrote. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, it } from 'node:test'
import { promisify } from 'node:util'
import { S3Client } from '@aws-sdk/client-s3'
import { openFilesystemStorage } from '../../src/storage/filesystem.ts'
import { VaultEmulator } from '../emulators/vault.ts'
import { TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { startServer } from '../lib/server.ts'
import { storedOf } from '../recovery/helpers.ts'

const ROOT = join(import.meta.dirname, '../..')
const page = readFileSync(join(ROOT, 'docs/recovery.md'), 'utf8')
const home = mkdtempSync(join(tmpdir(), 'sealgate-recovery-'))
const CAT = randomBytes(70_000)
let gateway: TestGateway
let vault: VaultEmulator

before(async () => {
  vault = await VaultEmulator.start()
  await writeLetter()
  gateway = await startGateway()
  const bucket = await TestBucket.create(gateway.client(), 'photos')
  await bucket.put('2024/cat.jpg', CAT, { ContentType: 'image/jpeg' })
  writeFileSync(join(home, 'sealgate.yaml'), `dataDir: ${gateway.directory}\n`)
  copyFileSync(join(gateway.directory, 'keyring.json'), join(home, 'keyring.json'))
  const program = (name: string, text: string) =>
    writeFileSync(join(home, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  program('sealgate', `exec '${process.execPath}' '${join(ROOT, 'src/cli/main.ts')}' "$@"`)
  // Stands for the store's own client: it leaves the object in the file that is named last, and prints its metadata.
  const { headers, metadata, bytes } = await storedOf(gateway.storage, 'photos', '2024/cat.jpg')
  writeFileSync(join(home, 'stored'), bytes)
  const answer = { ContentLength: bytes.length, ContentType: headers['content-type'], Metadata: metadata }
  writeFileSync(join(home, 'answer.json'), JSON.stringify(answer))
  program(
    'aws',
    `[ "$1 $2 $3 $4 $5 $6" = 's3api get-object --bucket photos --key 2024/cat.jpg' ] && cp stored "$7" && cat answer.json`,
  )
})
after(async () => {
  await gateway.close()
  await vault.close()
  rmSync(home, { recursive: true })
})

/** A deployment without a keyring wrote `letter.sealed`; its store is gone, and its token and realm are there. */
async function writeLetter(): Promise<void> {
  vault.createKey('sealgate')
  writeFileSync(join(home, 'vault-token'), vault.createToken(), { mode: 0o600 })
  const [, yaml = ''] = /^```yaml\n(kms:[\s\S]*?)^```$/m.exec(page) ?? []
  assert.ok(yaml.includes('https://vault.internal:8200'))
  writeFileSync(join(home, 'recovery.yaml'), yaml.replace('https://vault.internal:8200', vault.endpoint))
  const [, realm = ''] = /--realm ([0-9a-f-]{36})/.exec(page) ?? []
  const dataDir = mkdtempSync(join(tmpdir(), 'sealgate-letter-'))
  const env = {
    SEALGATE_KMS: 'vault',
    SEALGATE_VAULT_ADDRESS: vault.endpoint,
    SEALGATE_VAULT_KEY: 'sealgate',
    SEALGATE_VAULT_TOKEN: vault.createToken(),
    SEALGATE_REALM: realm,
  }
  const { endpoint, stop, ...credentials } = await startServer({ dataDir, env })
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
  const bucket = await TestBucket.create(client, 'letters')
  await bucket.put('2024/first', 'Dear reader')
  client.destroy()
  await stop()
  const storage = await openFilesystemStorage({ directory: join(dataDir, 'store'), readOnly: true })
  const { bytes, ...attributes } = await storedOf(storage, 'letters', '2024/first')
  await storage.close()
  rmSync(dataDir, { recursive: true })
  writeFileSync(join(home, 'letter.sealed'), bytes)
  writeFileSync(join(home, 'letter.sealed.metadata.json'), JSON.stringify(attributes))
}

it('every command of the page works as it stands', async () => {
  const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block)
  assert.equal(blocks.length, 8)
  const path = `${home}:${process.env['PATH']}`
  const { stdout } = await promisify(execFile)('/bin/sh', ['-euc', blocks.join('')], {
    cwd: home,
    env: { PATH: path, TMPDIR: home },
  })
  for (const file of [
    'cat.jpg',
    'photos/2024/cat.jpg',
    'of-2024/cat.jpg',
    'everything/photos/2024/cat.jpg',
    'from-backup/photos/2024/cat.jpg',
  ])
    assert.ok(readFileSync(join(home, file)).equals(CAT), file)
  assert.equal(statSync(join(home, 'start-of-cat')).size, 1024)
  assert.match(readFileSync(join(home, 'report.jsonl'), 'utf8'), /"content-type":"image\/jpeg"/)
  assert.match(stdout, /^s3:\/\/photos\/2024\/cat\.jpg\n {2}envelope/)
  assert.match(stdout, /"metadata":"authentic"/)
  assert.equal(readFileSync(join(home, 'letter'), 'utf8'), 'Dear reader')
  assert.match(stdout, /vault:sealgate/)
  assert.match(stdout, /1 under the CMK/)
})

it('the page names every finding, and no other', () => {
  const source = readFileSync(join(ROOT, 'src/recovery/recovery-error.ts'), 'utf8')
  const [, union = ''] = /export type Finding =([\s\S]*?)\n\n/.exec(source) ?? []
  const findings = [...union.matchAll(/'([a-z-]+)'/g)].map(([, finding]) => finding)
  const [, table = ''] = /\| `finding` [\s\S]*?\n((?:\|.*\n)+)/.exec(page) ?? []
  const named = table
    .split('\n')
    .flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([a-z-]+)`/g)].map(([, finding]) => finding))
  assert.ok(findings.length > 10)
  assert.deepEqual(named, findings)
})
