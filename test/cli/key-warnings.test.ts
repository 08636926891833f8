import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { Logger } from 'pino'
import { warnOfKeys } from '../../src/cli/key-warnings.ts'
import { loadConfig } from '../../src/config/config.ts'
import { VaultEmulator } from '../emulators/vault.ts'
import { killAll, ready, sealgate } from './run.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'sealgate-key-warnings-'))
after(() => {
  killAll()
  rmSync(dataDir, { recursive: true, force: true })
})

function environment(more: Record<string, string>): Record<string, string> {
  return {
    SEALGATE_DATA_DIR: dataDir,
    SEALGATE_LISTEN: '127.0.0.1:0',
    SEALGATE_KMS: 'vault',
    SEALGATE_VAULT_KEY: 'one',
    SEALGATE_VAULT_TOKEN: 'hvs.nobody',
    ...more,
  }
}

async function warnings(more: Record<string, string>): Promise<string[]> {
  const lines: string[] = []
  const log = { warn: (_fields: object, message: string) => void lines.push(message) }
  await warnOfKeys(loadConfig(undefined, environment(more)), undefined, log as unknown as Logger)
  return lines
}

describe('a start with Vault', () => {
  it('says once for each key what does not work, and nothing where all does', async () => {
    const vault = await VaultEmulator.start()
    vault.createKey('one')
    try {
      const there = { SEALGATE_VAULT_ADDRESS: vault.endpoint }
      const token = { SEALGATE_VAULT_TOKEN: vault.createToken() }
      assert.deepEqual(await warnings({ ...there, ...token }), [])
      assert.match(
        (await warnings(there)).join('\n'),
        /^a key does not work: vault:one for all buckets .*does not know the token \(kms\.vault\.token\).*$/,
      )
      assert.match(
        (await warnings({ ...there, ...token, SEALGATE_VAULT_KEY: 'mistyped' })).join(),
        /vault:mistyped .*no such key/,
      )
      assert.match(
        (await warnings({ ...there, ...token, SEALGATE_VAULT_MOUNT: 'other' })).join(),
        /kms\.vault\.mount/,
      )
    } finally {
      await vault.close()
    }
  })

  it('serves while Vault is away, and warns', async () => {
    const run = sealgate(['serve'], environment({ SEALGATE_VAULT_ADDRESS: 'http://127.0.0.1:1' }))
    await ready(run)
    for (let waited = 0; waited < 200 && !run.output().includes('does not work'); waited += 1)
      await new Promise((resolve) => setTimeout(resolve, 50))
    assert.match(
      run.output(),
      /a key does not work: vault:one .*kms\.vault\.address http:\/\/127\.0\.0\.1:1\) did not answer/,
    )
  })
})
