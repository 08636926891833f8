import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { claimRealm, ownRealm, storedRealm } from '../../src/gateway/realm.ts'
import { putSystemObject } from '../../src/gateway/system-bucket.ts'
import { openFilesystemStorage } from '../../src/storage/filesystem.ts'

const directory = mkdtempSync(join(tmpdir(), 'sealgate-realm-'))
const storage = await openFilesystemStorage({ directory })
after(async () => {
  await storage.close()
  rmSync(directory, { recursive: true })
})

describe('the realm of a store', () => {
  it('is claimed once, and stays', async () => {
    assert.equal(await storedRealm(storage, 'claimed'), null)
    assert.equal(await claimRealm(storage, 'claimed', 'mine'), true)
    assert.equal(await claimRealm(storage, 'claimed', 'mine'), true)
    assert.equal(await claimRealm(storage, 'claimed', 'another'), false)
    assert.equal(await storedRealm(storage, 'claimed'), 'mine')
    assert.equal(await ownRealm(storage, 'claimed'), 'mine')
  })

  it('is one for all replicas that start at once on an empty store', async () => {
    const realms = await Promise.all(Array.from({ length: 8 }, () => ownRealm(storage, 'drawn')))
    assert.equal(new Set(realms).size, 1)
    assert.match(realms[0] ?? '', /^[0-9a-f-]{36}$/)
  })

  it('is never guessed from a record that is damaged', async () => {
    await storage.createBucket('damaged')
    const system = { storage, systemBucket: 'damaged' }
    for (const record of ['', '{', 'null', '{"version":2,"realm":"r"}', '{"version":1,"realm":""}']) {
      await putSystemObject(system, 'v1/realm', Buffer.from(record))
      await assert.rejects(ownRealm(storage, 'damaged'), /is damaged: it names no realm/, record)
    }
    await putSystemObject(system, 'v1/realm', Buffer.alloc(5000, ' '))
    await assert.rejects(ownRealm(storage, 'damaged'), { kind: 'ObjectIntegrityError' })
  })
})
