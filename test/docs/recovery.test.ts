/** docs/recovery.md, tried to the letter: its commands run in their order, in one directory, against a store that a gateway wrote. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, it } from 'node:test'
import { promisify } from 'node:util'
import { TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { storedOf } from '../recovery/helpers.ts'

const ROOT = join(import.meta.dirname, '../..')
const page = readFileSync(join(ROOT, 'docs/recovery.md'), 'utf8')
const home = mkdtempSync(join(tmpdir(), 'sealgate-recovery-'))
const CAT = randomBytes(70_000)
let gateway: TestGateway

before(async () => {
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
  rmSync(home, { recursive: true })
})

it('every command of the page works as it stands', async () => {
  const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block)
  assert.equal(blocks.length, 6)
  const path = `${home}:${process.env['PATH']}`
  const { stdout } = await promisify(execFile)('/bin/sh', ['-euc', blocks.join('')], {
    cwd: home,
    env: { PATH: path, TMPDIR: home },
  })
  for (const file of ['cat.jpg', 'photos/2024/cat.jpg', 'of-2024/cat.jpg', 'everything/photos/2024/cat.jpg'])
    assert.ok(readFileSync(join(home, file)).equals(CAT), file)
  assert.equal(statSync(join(home, 'start-of-cat')).size, 1024)
  assert.match(readFileSync(join(home, 'report.jsonl'), 'utf8'), /"content-type":"image\/jpeg"/)
  assert.match(stdout, /^s3:\/\/photos\/2024\/cat\.jpg\n {2}envelope/)
  assert.match(stdout, /"metadata":"authentic"/)
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
