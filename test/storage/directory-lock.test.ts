import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { lockDirectory } from '../../src/storage/filesystem/directory-lock.ts'

const LOCK = new URL('../../src/storage/filesystem/directory-lock.ts', import.meta.url).href

test('a directory has one holder at a time, and a killed process holds nothing', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-lock-'))
  t.after(() => rm(directory, { recursive: true }))
  const lock = await lockDirectory(directory)
  await assert.rejects(lockDirectory(directory), { code: 'DIRECTORY_LOCKED' })
  lock.release()
  lock.release()

  const script = `const { lockDirectory } = await import(${JSON.stringify(LOCK)})
    globalThis.lock = await lockDirectory(${JSON.stringify(directory)})
    process.stdout.write('held'); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script])
  const exited = once(child, 'exit')
  await once(child.stdout, 'data')
  await assert.rejects(lockDirectory(directory), { code: 'DIRECTORY_LOCKED' })
  child.kill('SIGKILL')
  await exited
  const again = await lockDirectory(directory)
  again.release()
})
