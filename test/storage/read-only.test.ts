/** The fs store opened for reading only: beside a running gateway, or on a backup that cannot be written. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { isError } from '../../src/errors.ts'
import { openFilesystemStorage } from '../../src/storage/filesystem.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { collect, oneChunk } from '../lib/bytes.ts'

const root = mkdtempSync(join(tmpdir(), 'sealgate-read-only-'))
const directory = join(root, 'store')
const OBJECT = { bucket: 'b', headers: {}, metadata: {}, storageClass: 'STANDARD' }
let writer: Storage

before(async () => {
  writer = await openFilesystemStorage({ directory })
  await writer.createBucket('b')
  await put('inline', 10)
  await put('file', 100_000)
})
after(() => rmSync(root, { recursive: true }))

async function put(key: string, size: number): Promise<void> {
  await writer.putObject({ ...OBJECT, key, size, body: oneChunk(Buffer.alloc(size, 7)) })
}

async function read(storage: Storage, key: string): Promise<Buffer> {
  const { body } = await storage.getObject({ bucket: 'b', key })
  return collect(body)
}

/** Name, size and content of everything there; SQLite's shared memory counts its readers. */
function stateOf(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => !name.endsWith('-shm'))
    .map((name) => {
      const file = join(path, name)
      if (!statSync(file).isFile()) return name
      return `${name} ${createHash('sha256').update(readFileSync(file)).digest('hex')}`
    })
    .sort()
}

describe('a store opened for reading only', () => {
  it('sees what another process commits, changes nothing, and refuses every write', async () => {
    const was = stateOf(directory)
    const reader = await openFilesystemStorage({ directory, readOnly: true })
    assert.equal((await read(reader, 'inline')).length, 10)
    assert.equal((await read(reader, 'file')).length, 100_000)
    const listed = { bucket: 'b', prefix: '', delimiter: '', startAfter: '', maxKeys: 10 }
    assert.equal((await reader.listObjects(listed)).objects.length, 2)
    const no = /reading only/
    await assert.rejects(reader.createBucket('c'), no)
    await assert.rejects(reader.deleteObject({ bucket: 'b', key: 'inline' }), no)
    for (const size of [1, 100_000])
      await assert.rejects(
        reader.putObject({ ...OBJECT, key: 'x', size, body: oneChunk(Buffer.alloc(size)) }),
        no,
      )
    assert.deepEqual(stateOf(directory), was)
    await put('later', 5)
    assert.equal((await read(reader, 'later')).length, 5)
    await writer.deleteObject({ bucket: 'b', key: 'later' })
    await assert.rejects(read(reader, 'later'), (error) => isError(error, 'NoSuchKey'))
    await reader.close()
  })

  it('reads a backup beside which SQLite can make no file, with and without commits in a log', async () => {
    const running = join(root, 'running')
    cpSync(directory, running, { recursive: true })
    assert.ok(statSync(join(running, 'index.sqlite-wal')).size > 0)
    await writer.close()
    const backup = join(root, 'backup')
    cpSync(directory, backup, { recursive: true })
    for (const copy of [running, backup]) {
      rmSync(join(copy, 'index.sqlite-shm'), { force: true })
      mkdirSync(join(copy, 'index.sqlite-shm'))
      const reader = await openFilesystemStorage({ directory: copy, readOnly: true })
      assert.equal((await read(reader, 'inline')).length, 10)
      assert.equal((await read(reader, 'file')).length, 100_000)
      await reader.close()
    }
  })

  it('is not made where there is none', async () => {
    const nowhere = join(root, 'nowhere')
    await assert.rejects(openFilesystemStorage({ directory: nowhere, readOnly: true }), /database file/)
    assert.ok(!readdirSync(root).includes('nowhere'))
  })
})
