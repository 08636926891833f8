/** The way through Tencent Cloud in the README: its settings are ones, and its commands too. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { loadConfig } from '../../src/config/config.ts'
import { capture } from '../cli/capture.ts'
import { ROOT } from '../cli/run.ts'

const section =
  /## On Tencent Cloud\n(.*?)\n## /s.exec(readFileSync(join(ROOT, 'README.md'), 'utf8'))?.[1] ?? ''
const directory = mkdtempSync(join(tmpdir(), 'sealgate-readme-'))
after(() => rmSync(directory, { recursive: true }))

function block(language: string): string {
  const [, text = ''] = new RegExp(`\\n *\`\`\`${language}\\n(.*?)\`\`\``, 's').exec(section) ?? []
  assert.notEqual(text, '', `a block of ${language}`)
  return text
}

it('the configuration is taken as it stands, with the secret from the environment', () => {
  const path = join(directory, 'sealgate.yaml')
  writeFileSync(path, block('yaml').replace(/^ {3}/gm, ''))
  const config = loadConfig(path, { SEALGATE_SECRET_ACCESS_KEY: '0123456789abcdef0123' })
  assert.deepEqual([config.cos?.appId, config.kms.provider], ['1250000000', 'tencent'])
})

it('the policy is JSON, and allows what the gateway asks of KMS', () => {
  const policy = JSON.parse(block('json')) as { statement: { action: string[] }[] }
  const actions = policy.statement.flatMap(({ action }) => action)
  assert.deepEqual(actions.slice(0, 3), ['kms:GenerateDataKey', 'kms:Decrypt', 'kms:ListKeyDetail'])
})

it('the commands and their options are there', async () => {
  const named = new Map<string, string[]>()
  for (const [, command = '', rest = ''] of section.matchAll(/sealgate ([a-z]+)((?: [^`\n]*)?)/g))
    named.set(command, [...(named.get(command) ?? []), ...(rest.match(/--[a-z-]+/g) ?? [])])
  assert.deepEqual([...named.keys()].sort(), ['check', 'decrypt', 'inspect', 'rotate', 'serve'])
  const help = async ([command, options]: [string, readonly string[]]) => {
    const { status, stdout } = await capture([command, '--help'])
    assert.equal(status, 0)
    for (const option of options) assert.ok(stdout.toString().includes(option), `${command} ${option}`)
  }
  await Promise.all([...named].map(help))
})
