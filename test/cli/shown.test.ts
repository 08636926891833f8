import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { claimRealm } from '../../src/gateway/realm.ts'
import { createKeyring } from '../../src/keys/index.ts'
import { openFilesystemStorage } from '../../src/storage/filesystem.ts'
import { sealgate } from './run.ts'

/* What others wrote, in a backup or in the store, comes to a terminal: with what would move its cursor, or give its window another title. */

const ESCAPES = '\u001b]0;other\u0007\u001b[2J\u009b1m'
const directory = mkdtempSync(join(tmpdir(), 'sealgate-shown-'))
const backup = join(directory, 'backup.jsonl')

function writeBackup(realm: string): void {
  const header = { format: 'sealgate key ring', version: 1, realm, created: `yesterday${ESCAPES}` }
  const line = `${JSON.stringify(header)}\n`
  const sha256 = createHash('sha256').update(line).digest('hex')
  writeFileSync(backup, `${line}${JSON.stringify({ records: 0, sha256 })}\n`)
}

async function output(home: string, ...args: readonly string[]): Promise<string> {
  const { child, exit, output: text } = sealgate(args, { SEALGATE_DATA_DIR: join(directory, home) })
  await exit
  assert.equal(child.signalCode, null)
  return text()
}

async function makeStore(home: string, realm: string): Promise<void> {
  const storage = await openFilesystemStorage({ directory: join(directory, home, 'store') })
  await claimRealm(storage, 'sealgate-system', realm)
  await storage.close()
}

describe('control characters of a realm or a backup', () => {
  before(async () => {
    await makeStore('own', `own${ESCAPES}`)
    createKeyring(join(directory, 'own', 'keyring.json'), { realm: `own${ESCAPES}` })
    await makeStore('other', `another${ESCAPES}`)
    createKeyring(join(directory, 'other', 'keyring.json'), { realm: 'own' })
  })
  after(() => rmSync(directory, { recursive: true }))

  for (const [what, home, args, said] of [
    ['an import', 'own', ['keys', 'import', backup], /backup\.jsonl of yesterday\\u001b\]0;other/],
    ['an import that is refused', 'other', ['keys', 'import', backup], /of the deployment own\\u001b/],
    ['a check', 'other', ['check'], /the deployment another\\u001b/],
  ] as const)
    it(`are shown by ${what} as what they are`, async () => {
      writeBackup(`own${ESCAPES}`)
      const text = await output(home, ...args)
      assert.match(text, said)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      assert.doesNotMatch(text.replaceAll('\n', ''), /[\u0000-\u001f\u007f-\u009f]/)
    })
})
