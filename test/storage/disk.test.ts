/** What only a store on a disk can do wrong: descriptors, space, clocks, full and broken disks, other processes. */
import assert from 'node:assert/strict'
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isError } from '../../src/errors.ts'
import { openFilesystemStorage } from '../../src/storage/filesystem.ts'
import type { GetObjectResult, Storage } from '../../src/storage/storage.ts'
import { openBlobs, SKIP_WITHOUT_PROC } from '../lib/open-files.ts'

const directories: string[] = []
after(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

const OBJECT = { bucket: 'b', key: 'k', headers: {}, metadata: {}, storageClass: 'STANDARD' }

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sealgate-disk-'))
  directories.push(directory)
  return directory
}

async function fresh(directory = temporary()): Promise<{ directory: string; storage: Storage }> {
  const storage = await openFilesystemStorage({ directory })
  await storage.createBucket('b')
  return { directory, storage }
}

async function* bytes(size: number, value = 1): AsyncGenerator<Uint8Array> {
  for (let left = size; left > 0; left -= 100_000) yield Buffer.alloc(Math.min(left, 100_000), value)
}

const put = (storage: Storage, size: number, key = 'k') =>
  storage.putObject({ ...OBJECT, key, size, body: bytes(size) })

async function lengthOf({ body }: GetObjectResult): Promise<number> {
  let length = 0
  for await (const chunk of body) length += chunk.length
  return length
}

function blobFiles(directory: string): string[] {
  const blobs = join(directory, 'blobs')
  return readdirSync(blobs, { recursive: true, encoding: 'utf8' })
    .map((path) => join(blobs, path))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true)
}

async function filesBecome(directory: string, count: number): Promise<void> {
  for (let n = 0; n < 50 && blobFiles(directory).length !== count; n++) await sleep(50)
  assert.equal(blobFiles(directory).length, count)
}

function change(directory: string, sql: string): void {
  const index = new DatabaseSync(join(directory, 'index.sqlite'))
  index.exec(sql)
  index.close()
}

describe('an fs store', () => {
  it('leaves no file open, however its reader stops', { skip: SKIP_WITHOUT_PROC }, async () => {
    const { directory, storage } = await fresh()
    await put(storage, 900_000)
    const get = () => storage.getObject(OBJECT)
    const stops: ((result: GetObjectResult) => unknown)[] = [
      ({ body }) => body.destroy(),
      ({ body }) => {
        body[Symbol.asyncIterator]()
        body.destroy()
      },
      async ({ body }) => {
        for await (const _ of body) break
      },
      async ({ body }) => {
        const reading = body[Symbol.asyncIterator]().next()
        body.destroy()
        await reading
      },
      lengthOf,
    ]
    for (const stop of stops) {
      // Twenty, because the garbage collector closes one or the other by itself.
      for (let n = 0; n < 20; n++) await stop(await get())
      await sleep(50)
      assert.equal(openBlobs(directory), 0, String(stop))
    }
    await storage.close()
  })

  it('reads an object of many parts with few files open', { skip: SKIP_WITHOUT_PROC }, async () => {
    const { directory, storage } = await fresh()
    const { uploadId } = await storage.createMultipartUpload(OBJECT)
    const parts: { partNumber: number; etag: string }[] = []
    for (let partNumber = 1; partNumber <= 150; partNumber++) {
      const part = { ...OBJECT, uploadId, partNumber, size: 20_000, body: bytes(20_000) }
      parts.push({ partNumber, etag: (await storage.uploadPart(part)).etag })
    }
    await storage.completeMultipartUpload({ bucket: 'b', key: 'k', uploadId, parts })
    const { body } = await storage.getObject(OBJECT)
    let most = 0
    let length = 0
    for await (const chunk of body) {
      most = Math.max(most, openBlobs(directory))
      length += chunk.length
    }
    assert.equal(length, 150 * 20_000)
    assert.ok(most > 0 && most <= 64, `${most} files were open`)
    await storage.close()
  })

  it('gives space back after an overwrite, a DELETE, an abort and a bucket that goes', async () => {
    const { directory, storage } = await fresh()
    await put(storage, 50_000)
    await put(storage, 50_000)
    await filesBecome(directory, 1)
    await storage.deleteObject(OBJECT)
    await filesBecome(directory, 0)
    const begin = async () => {
      const { uploadId } = await storage.createMultipartUpload(OBJECT)
      const part = { ...OBJECT, uploadId, partNumber: 1, size: 50_000 }
      await storage.uploadPart({ ...part, body: bytes(50_000) })
      await storage.uploadPart({ ...part, body: bytes(50_000) })
      return uploadId
    }
    const uploadId = await begin()
    await filesBecome(directory, 1)
    await storage.abortMultipartUpload({ bucket: 'b', key: 'k', uploadId })
    await filesBecome(directory, 0)
    await begin()
    await storage.deleteBucket('b')
    await filesBecome(directory, 0)
    await storage.close()
  })

  it('takes no object into a bucket that was deleted meanwhile, and keeps nothing of it', async () => {
    const { directory, storage } = await fresh()
    let resume = () => {}
    const held = new Promise<void>((resolve) => {
      resume = resolve
    })
    const body = (async function* () {
      yield Buffer.alloc(25_000)
      await held
      yield Buffer.alloc(25_000)
    })()
    const late = storage.putObject({ ...OBJECT, size: 50_000, body })
    await storage.deleteBucket('b')
    resume()
    await assert.rejects(late, (error) => isError(error, 'NoSuchBucket'))
    assert.deepEqual(blobFiles(directory), [])
    await storage.close()
  })

  it('does not make a newer object look older when the clock was set back', async () => {
    const { directory, storage } = await fresh()
    await put(storage, 10)
    const future = Date.now() + 3_600_000
    change(directory, `UPDATE object SET modified = ${future}`)
    assert.equal((await put(storage, 10)).lastModified, future)
    await storage.close()
  })

  it('closes once the writes under way are done, and has them when it is opened again', async () => {
    const { directory, storage } = await fresh()
    const body = (async function* () {
      await sleep(100)
      yield Buffer.alloc(50_000)
    })()
    const writing = storage.putObject({ ...OBJECT, size: 50_000, body })
    await storage.close()
    const { etag } = await writing
    const again = await openFilesystemStorage({ directory })
    const result = await again.getObject(OBJECT)
    assert.equal(result.object.etag, etag)
    assert.equal(await lengthOf(result), 50_000)
    await again.close()
  })

  it('leaves a process alone that is just starting, and forgets one that died so', async () => {
    const { directory, storage } = await fresh()
    const [starting, dead] = ['starting', 'dead'].map((name) => join(directory, 'instances', name))
    assert.ok(starting !== undefined && dead !== undefined)
    mkdirSync(starting)
    mkdirSync(dead)
    utimesSync(dead, 1, 1)
    const other = await openFilesystemStorage({ directory })
    assert.deepEqual([existsSync(starting), existsSync(dead)], [true, false])
    await Promise.all([other.close(), storage.close()])
  })

  it('says so when the index has less than it promises, or cannot be read', async () => {
    const { directory, storage } = await fresh()
    await put(storage, 1000)
    change(directory, 'UPDATE blob SET inline = substr(inline, 1, 999)')
    const cut = await storage.getObject(OBJECT)
    await assert.rejects(lengthOf(cut), (error) => isError(error, 'ObjectIntegrityError'))
    for (let n = 0; n < 200; n++) await put(storage, 1000, `k${n}`)
    await storage.close()
    const file = join(directory, 'index.sqlite')
    // The header stays whole, so that the damage is met by the reads and not only at open.
    writeFileSync(file, readFileSync(file).fill(0xa5, 4096))
    await assert.rejects(async () => {
      const broken = await openFilesystemStorage({ directory })
      await broken.headObject(OBJECT)
    }, /malformed|disk image|database/)
  })
})

describe('an fs store on a full disk', () => {
  const reason = process.getuid?.() === 0 ? false : 'a small file system needs root to be mounted'
  const full = (error: unknown) => isError(error, 'ServiceUnavailable')

  async function onSmallDisk(skip: (why: string) => void, run: (mount: string) => Promise<void>) {
    const mount = temporary()
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'sealgate-test', mount], { stdio: 'ignore' })
    } catch {
      return skip('this machine does not let root mount a tmpfs')
    }
    try {
      await run(mount)
    } finally {
      execFileSync('umount', ['-l', mount])
    }
  }

  /** Others use the disk as well. */
  function fillUp(mount: string): string {
    const file = join(mount, 'of-others')
    for (const bytes of [1_000_000, 1000]) {
      try {
        for (;;) appendFileSync(file, Buffer.alloc(bytes))
      } catch {}
    }
    return file
  }

  async function untilTaken(storage: Storage, key: string): Promise<void> {
    for (let n = 0; n < 30; n++) {
      if ((await put(storage, 100, key).catch(full)) !== true) return
      await sleep(100)
    }
    assert.fail('there is room, and nothing is taken')
  }

  it('refuses what does not fit, keeps what it has, and leaves nothing of the rest', { skip: reason }, (t) =>
    onSmallDisk(t.skip.bind(t), async (mount) => {
      const { directory, storage } = await fresh(mount)
      await put(storage, 100_000, 'before')
      await assert.rejects(put(storage, 30_000_000), full)
      assert.equal(blobFiles(directory).length, 1)
      const { uploadId } = await storage.createMultipartUpload(OBJECT)
      const part = { ...OBJECT, uploadId, partNumber: 1, size: 30_000_000, body: bytes(30_000_000) }
      await assert.rejects(storage.uploadPart(part), full)
      assert.equal(blobFiles(directory).length, 1)
      // Small objects lie in the index, so this fills the index itself.
      await assert.rejects(async () => {
        for (let n = 0; n < 2000; n++) await put(storage, 16_000, `small-${n}`)
      }, full)
      assert.equal(await lengthOf(await storage.getObject({ ...OBJECT, key: 'before' })), 100_000)
      await storage.close().catch(() => undefined)
    }),
  )

  it('deletes, aborts, starts again, and takes new objects once there is room', { skip: reason }, (t) =>
    onSmallDisk(t.skip.bind(t), async (mount) => {
      const { directory, storage } = await fresh(mount)
      for (let n = 0; n < 5; n++) await put(storage, 100_000, `k${n}`)
      const { uploadId } = await storage.createMultipartUpload(OBJECT)
      const other = fillUp(mount)
      await assert.rejects(put(storage, 100), full)
      await storage.deleteObject({ ...OBJECT, key: 'k0' })
      await storage.abortMultipartUpload({ ...OBJECT, uploadId })
      await assert.rejects(put(storage, 100), full, 'the room that was given up is for deletions')
      rmSync(other)
      await untilTaken(storage, 'k5')
      fillUp(mount)
      await storage.close()
      const again = await openFilesystemStorage({ directory })
      assert.equal(await lengthOf(await again.getObject({ ...OBJECT, key: 'k1' })), 100_000)
      for (let n = 1; n < 5; n++) await again.deleteObject({ ...OBJECT, key: `k${n}` })
      await assert.rejects(put(again, 100), full)
      rmSync(other)
      await untilTaken(again, 'k6')
      assert.equal(await lengthOf(await again.getObject({ ...OBJECT, key: 'k6' })), 100)
      await again.close()
      await filesBecome(directory, 0)
    }),
  )
})

describe('processes that race for a key of an fs store', () => {
  it('have one winner for If-None-Match: * and one for each If-Match', async () => {
    const { directory, storage } = await fresh()
    const script = join(import.meta.dirname, 'racer.ts')
    const racers = ['1', '2', '3'].map((name) => fork(script, [directory, name]))
    await Promise.all(racers.map((racer) => once(racer, 'message')))
    const race = async (message: object): Promise<unknown[]> => {
      const answers = racers.map((racer) => once(racer, 'message'))
      for (const racer of racers) racer.send(message)
      return (await Promise.all(answers)).map(([etag]) => etag).filter((etag) => etag !== null)
    }
    for (let n = 0; n < 15; n++) {
      const key = `k${n}`
      const first = await race({ key, condition: { ifNoneMatch: '*' } })
      const { etag } = await storage.headObject({ bucket: 'b', key })
      assert.deepEqual(first, [etag])
      const second = await race({ key, condition: { ifMatch: etag } })
      assert.deepEqual(second, [(await storage.headObject({ bucket: 'b', key })).etag])
    }
    const ended = racers.map((racer) => once(racer, 'exit'))
    for (const racer of racers) racer.disconnect()
    await Promise.all(ended)
    await filesBecome(directory, 15)
    await storage.close()
  })
})
