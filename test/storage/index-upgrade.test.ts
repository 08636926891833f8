import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, it } from 'node:test'
import { openFilesystemStorage } from '../../src/storage/filesystem.ts'

describe('a store of the fs store from before versions', () => {
  let directory: string
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealgate-upgrade-'))
    const storage = await openFilesystemStorage({ directory })
    await storage.createBucket('b')
    await write(storage, 'old')
    await storage.close()
    const index = new DatabaseSync(join(directory, 'index.sqlite'))
    index.exec(`
      DROP TABLE versioning; DROP TABLE version; ALTER TABLE object DROP COLUMN version;
      UPDATE meta SET value = '1' WHERE name = 'version';
    `)
    index.close()
  })
  after(() => rm(directory, { recursive: true, force: true }))

  it('is not opened for reading only, which could not bring it up to date', async () => {
    await assert.rejects(openFilesystemStorage({ directory, readOnly: true }), /index version 1/)
  })

  it('is brought up to date when it is opened, and its objects are the versions null', async () => {
    for (let n = 0; n < 2; n++) {
      const storage = await openFilesystemStorage({ directory })
      const { size, versionId } = await storage.headObject({ bucket: 'b', key: 'k' })
      assert.deepEqual([size, versionId], [3, undefined])
      await storage.close()
    }
    const storage = await openFilesystemStorage({ directory })
    try {
      await storage.versioning?.putBucketVersioning('b', 'Enabled')
      const { versionId } = await write(storage, 'newer')
      assert.ok(versionId !== undefined && versionId !== 'null')
      const old = await storage.headObject({ bucket: 'b', key: 'k', versionId: 'null' })
      assert.equal(old.size, 3)
    } finally {
      await storage.close()
    }
    const reader = await openFilesystemStorage({ directory, readOnly: true })
    assert.equal((await reader.headObject({ bucket: 'b', key: 'k' })).size, 5)
    await reader.close()
  })
})

function write(storage: Awaited<ReturnType<typeof openFilesystemStorage>>, text: string) {
  const attributes = { headers: {}, metadata: {}, storageClass: 'STANDARD' }
  const body = (async function* () {
    yield Buffer.from(text)
  })()
  return storage.putObject({ bucket: 'b', key: 'k', ...attributes, size: text.length, body })
}
