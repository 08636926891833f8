/** The way to an S3 server in the README: its settings are ones. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { loadConfig } from '../../src/config/config.ts'
import { ROOT } from '../cli/run.ts'

const directory = mkdtempSync(join(tmpdir(), 'sealgate-readme-'))
after(() => rmSync(directory, { recursive: true }))

it('both configurations are taken as they stand', () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const section = /## Before an S3 server\n(.*?)\n## /s.exec(readme)?.[1] ?? ''
  const path = join(directory, 'sealgate.yaml')
  const configs = [...section.matchAll(/```yaml\n(.*?)```/gs)].map(([, text = '']) => {
    writeFileSync(path, text.replace(/^ {3}/gm, ''))
    return loadConfig(path, {})
  })
  assert.deepEqual(
    configs.map(({ listen, s3, systemBucket }) => [listen.port, s3?.endpoint, systemBucket]),
    [
      [9100, 'http://127.0.0.1:9000', 'sealgate-system'],
      [9000, 'https://s3.eu-central-1.amazonaws.com', 'acme-sealgate'],
    ],
  )
})
