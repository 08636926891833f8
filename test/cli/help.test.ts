import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { loadConfig } from '../../src/config/config.ts'
import { FIELDS } from '../../src/config/fields.ts'
import { ROOT, sealgate } from './run.ts'

const directory = mkdtempSync(join(tmpdir(), 'sealgate-help-'))
after(() => rmSync(directory, { recursive: true }))

async function output(args: readonly string[], environment: Record<string, string> = {}): Promise<string> {
  const run = sealgate(args, environment)
  assert.equal(await run.exit, 0, run.output())
  return run.output()
}

describe('the command line', () => {
  it('prints the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
    assert.equal(await output(['--version']), `${version}\n`)
  })

  it('lists its commands, and every variable that its help names exists', async () => {
    const help = await output(['--help'])
    const known = [...Object.values(FIELDS).map((field) => field.env as string), 'SEALGATE_CONFIG']
    for (const command of [
      'serve',
      'config',
      'keygen',
      'backup',
      'check',
      'gc',
      'decrypt',
      'inspect',
      'rotate',
      'rewrap',
      'keys',
    ]) {
      assert.match(help, new RegExp(`^  ${command} `, 'm'))
      const text = await output([command, '--help'])
      for (const [variable] of text.matchAll(/SEALGATE_[A-Z_]+/g))
        assert.ok(known.includes(variable), variable)
    }
  })

  it('a configuration may be named without --config where a command has no other argument', async () => {
    const refused = ['serve', 'config', 'check'].map(async (command) => {
      const run = sealgate([command, 'nowhere.yaml'], {})
      assert.equal(await run.exit, 2)
      assert.match(run.output(), /nowhere\.yaml: cannot be read: there is no such file/)
    })
    await Promise.all(refused)
  })

  it('config prints every field, where it is from, and no secret', async () => {
    const file = join(directory, 'a.yaml')
    writeFileSync(file, 'workers: 3\nlimits:\n  idleTimeoutMs: 5000\n')
    const text = await output(['config', '--config', file], {
      SEALGATE_ACCESS_KEY_ID: 'AKID',
      SEALGATE_SECRET_ACCESS_KEY: 'not-to-be-printed',
      SEALGATE_BUCKETS: '[{match: a, cmk: "local:1"}]',
    })
    for (const name of Object.keys(FIELDS)) assert.match(text, new RegExp(`^(# )?${name}: `, 'm'))
    assert.match(text, /^limits\.idleTimeoutMs: 5000 +# SEALGATE_IDLE_TIMEOUT_MS, .*a\.yaml:3$/m)
    assert.match(text, /^accessKeyId: "AKID" +# SEALGATE_ACCESS_KEY_ID, environment$/m)
    assert.match(text, /^logLevel: "warn" +# SEALGATE_LOG_LEVEL, default$/m)
    assert.match(text, /^# secretAccessKey: set, not shown/m)
    assert.doesNotMatch(text, /not-to-be-printed/)
    const again = join(directory, 'again.yaml')
    writeFileSync(again, text.replace(/^accessKeyId.*\n/m, ''))
    const { credentials: _, ...expected } = loadConfig(file, {
      SEALGATE_BUCKETS: '[{match: a, cmk: "local:1"}]',
    })
    const { credentials: __, ...found } = loadConfig(again, {})
    assert.deepEqual(found, expected)
  })
})
