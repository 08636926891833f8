import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { claimRealm, isInUse, LostRealmError, ownRealm, storedRealm } from '../../src/gateway/realm.ts'
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

  it('is neither drawn nor taken from a keyring where its record is lost and what is sealed is not', async () => {
    for (const [systemBucket, name] of [
      ['lost-ring', 'v1/ring/photos/0123456789abcdef0123456789abcdef/00000001'],
      ['lost-uploads', 'v1/mpu/photos/0123/init'],
    ] as const) {
      await storage.createBucket(systemBucket)
      const system = { storage, systemBucket }
      for (const other of ['v1/gc', 'v1/probe/1', 'v1/rotate/Kg'])
        await putSystemObject(system, other, Buffer.from('x'))
      assert.equal(await isInUse(storage, systemBucket), false)
      await putSystemObject(system, name, Buffer.from('x'))
      assert.equal(await isInUse(storage, systemBucket), true)
      await assert.rejects(ownRealm(storage, systemBucket), LostRealmError)
      await assert.rejects(
        claimRealm(storage, systemBucket, 'mine'),
        /Restore it .* or name .*SEALGATE_REALM/,
      )
      assert.equal(await storedRealm(storage, systemBucket), null)
      assert.equal(await claimRealm(storage, systemBucket, 'mine', { isNamed: true }), true)
      assert.equal(await ownRealm(storage, systemBucket), 'mine')
    }
  })
})
