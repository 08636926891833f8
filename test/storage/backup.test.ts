/** A backup of the fs store, taken while it is written. */
import assert from 'node:assert/strict'
import { existsSync, globSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { backUpFilesystem } from '../../src/storage/filesystem/backup.ts'
import { DirectoryLockedError } from '../../src/storage/filesystem/directory-lock.ts'
import { holdRemovals } from '../../src/storage/filesystem/removal-hold.ts'
import { openFilesystemStorage } from '../../src/storage/filesystem.ts'
import type { Storage } from '../../src/storage/storage.ts'

const OBJECT = { bucket: 'b', headers: {}, metadata: {}, storageClass: 'STANDARD' }
const KEYS = 40

let root = ''
let directory = ''
let target = ''
let storage: Storage
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'sealgate-backup-'))
  directory = join(root, 'store')
  target = join(root, 'copy')
  storage = await openFilesystemStorage({ directory })
  await storage.createBucket('b')
})
afterEach(async () => {
  await storage.close()
  rmSync(root, { recursive: true, force: true })
})

/** 100 000 bytes that say which version they are, and every third time a body that lies in the index. */
async function put(version: number, to = storage): Promise<void> {
  const body = Buffer.alloc(version % 3 === 0 ? 100 : 100_000, `${version},`)
  const key = `k${version % KEYS}`
  await to.putObject({
    ...OBJECT,
    key,
    size: body.length,
    body: (async function* () {
      yield body
    })(),
  })
}

async function versionOf(key: string, from: Storage): Promise<number> {
  const { body, object } = await from.getObject({ bucket: 'b', key })
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  assert.equal(text.length, object.size)
  const [version = ''] = text.split(',')
  assert.ok(text.startsWith(`${version},`.repeat(10)))
  return Number(version)
}

const files = (store: string): string[] => globSync(join(store, 'blobs/*/*'))

describe('a backup of the fs store', () => {
  it('is the store of one moment, whole, although everything is overwritten meanwhile', async () => {
    let version = 0
    while (version < KEYS) await put(version++)
    let stop = false
    const writing = (async () => {
      while (!stop) await put(version++)
    })()
    await sleep(50)
    const { objects, files: copied, missing } = await backUpFilesystem({ directory, target })
    // Long enough for all that was copied to be overwritten, and its files removed.
    const after = version + 2 * KEYS
    while (version < after) await sleep(10)
    stop = true
    await writing
    assert.deepEqual([objects, missing], [KEYS, []])
    const copy = await openFilesystemStorage({ directory: target })
    const versions = await Promise.all(
      Array.from({ length: KEYS }, (_, index) => versionOf(`k${index}`, copy)),
    )
    // Versions were written one after the other: of one moment, they have no gap.
    const newest = Math.max(...versions)
    assert.deepEqual(
      versions.sort((a, b) => a - b),
      Array.from({ length: KEYS }, (_, index) => newest - KEYS + 1 + index),
    )
    assert.ok(newest < after - KEYS)
    assert.equal(files(target).length, copied)
    for (let more = 0; more < KEYS; more++) await put(newest + 1 + more, copy)
    await copy.close()
    assert.deepEqual(readdirSync(root).sort(), ['copy', 'store'])
  })

  it('keeps files from being removed only as long as it lives', async () => {
    await put(1)
    const [before = ''] = files(directory)
    const hold = await holdRemovals(directory)
    await storage.deleteObject({ bucket: 'b', key: 'k1' })
    await sleep(500)
    assert.ok(existsSync(before))
    await assert.rejects(holdRemovals(directory), DirectoryLockedError)
    hold.release()
    for (let waited = 0; existsSync(before) && waited < 5000; waited += 50) await sleep(50)
    assert.ok(!existsSync(before))
  })

  it('names what is missing in the store itself, and copies the rest', async () => {
    await put(1)
    await put(2)
    const [lost = ''] = files(directory)
    rmSync(lost)
    const { objects, files: copied, missing } = await backUpFilesystem({ directory, target })
    assert.deepEqual([objects, copied, missing], [2, 1, [Number(lost.split('/').at(-1))]])
  })

  it('leaves alone what is there, and leaves nothing when it is stopped', async () => {
    await put(1)
    mkdirSync(target)
    await assert.rejects(backUpFilesystem({ directory, target }), { code: 'EEXIST' })
    rmSync(target, { recursive: true })
    const signal = AbortSignal.abort(new Error('enough'))
    await assert.rejects(backUpFilesystem({ directory, target, signal }), /enough/)
    assert.deepEqual(readdirSync(root), ['store'])
  })
})

it('a store put together from an index and newer files gives their ids again', async () => {
  await put(1)
  await storage.close()
  const index = new DatabaseSync(join(directory, 'index.sqlite'))
  const { value } = index.prepare("SELECT value FROM meta WHERE name = 'next_blob'").get() as {
    value: string
  }
  index.close()
  for (let id = Number(value); id < Number(value) + 300; id++) {
    const path = join(directory, 'blobs', (id % 256).toString(16).padStart(2, '0'), String(id))
    assert.ok(existsSync(dirname(path)))
    writeFileSync(path, 'of a store that went on')
  }
  storage = await openFilesystemStorage({ directory })
  for (const version of [4, 7, 8]) await put(version)
  for (const version of [1, 4, 7, 8]) assert.equal(await versionOf(`k${version}`, storage), version)
})
