import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import {
  createKeyring,
  DataKeys,
  KeyRing,
  KeyringError,
  type Kms,
  LocalKms,
  loadKeyring,
} from '../../src/keys/index.ts'
import { MemoryRecords } from '../lib/memory-records.ts'

const dir = mkdtempSync(join(tmpdir(), 'keys-'))
after(() => rmSync(dir, { recursive: true }))
const ring = createKeyring(join(dir, 'keyring.json'))

function setup(retired: string[] = []) {
  const local = new LocalKms(ring)
  const calls = { made: 0, opened: 0 }
  const kms: Kms = {
    generateDataKey: (id, c) => {
      calls.made++
      return local.generateDataKey(id, c)
    },
    encrypt: (id, p, c) => local.encrypt(id, p, c),
    decrypt: (id, w, c) => {
      calls.opened++
      return local.decrypt(id, w, c)
    },
  }
  const keys = new DataKeys({
    kms,
    realm: ring.realm,
    policy: () => ({ cmk: ring.current, retired }),
    ring: new KeyRing({ records: new MemoryRecords(), realm: ring.realm }),
    epoch: { maxAgeMs: 1000, maxObjects: 3, maxBytes: 1000 },
    decryptCache: { maxEntries: 10, maxAgeMs: 1000 },
    now: () => 0,
  })
  return { keys, calls }
}

test('concurrent askers share one KMS call and one key opens again', async () => {
  const { keys, calls } = setup()
  const [a, b] = await Promise.all([keys.encrypting('b', 1), keys.encrypting('b', 1)])
  assert.equal(calls.made, 1)
  assert.deepEqual(a.dekId, b.dekId)
  assert.deepEqual(Buffer.from(await keys.decrypting('b', a)), Buffer.from(a.plaintext))
  assert.equal(calls.opened, 0, 'what was made here opens without asking')
  const other = setup()
  await other.keys.decrypting('b', a)
  await other.keys.decrypting('b', a)
  assert.equal(other.calls.opened, 1)
})

test('an epoch ends at its object limit and an oversized object still gets a key', async () => {
  const { keys } = setup()
  const ids = new Set<string>()
  for (let i = 0; i < 4; i++) ids.add((await keys.encrypting('b', 1)).dekId.toString('hex'))
  assert.equal(ids.size, 2)
  assert.equal((await keys.encrypting('big', 5000)).plaintext.length, 32)
})

test('a key of another bucket is refused, and the refusal is remembered', async () => {
  const { keys, calls } = setup()
  const key = await keys.encrypting('a', 1)
  for (let i = 0; i < 2; i++)
    await assert.rejects(keys.decrypting('b', key), { kind: 'ObjectIntegrityError' })
  assert.equal(calls.opened, 1)
})

test('a key that is remembered is not given to an envelope with its id and CMK and other wrapped bytes', async () => {
  const { keys, calls } = setup()
  const key = await keys.encrypting('a', 1)
  await keys.decrypting('a', key)
  assert.equal(calls.opened, 0)
  const wrapped = Buffer.from(key.wrapped)
  wrapped[0]! ^= 1
  await assert.rejects(keys.decrypting('a', { ...key, wrapped }), { kind: 'ObjectIntegrityError' })
  assert.equal(calls.opened, 1)
  assert.deepEqual(Buffer.from(await keys.decrypting('a', key)), Buffer.from(key.plaintext))
})

test('a CMK outside the allow-list is refused without a KMS call', async () => {
  const { keys, calls } = setup()
  const key = await keys.encrypting('a', 1)
  await assert.rejects(keys.decrypting('a', { ...key, cmkId: 'local:0000000000000000' }), {
    kind: 'ObjectIntegrityError',
    reason: /^its CMK local:0000000000000000 is not allowed for this bucket; .* under retired /,
  })
  assert.equal(calls.opened, 0)
})

test('the keyring is private, reloads the same, and refuses open modes and broken JSON without quoting it', () => {
  const path = join(dir, 'keyring.json')
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.deepEqual(loadKeyring(path), ring)
  const bad = join(dir, 'bad.json')
  writeFileSync(bad, 'topsecret', { mode: 0o600 })
  assert.throws(
    () => loadKeyring(bad),
    (e: Error) => e instanceof KeyringError && !e.message.includes('topsecret'),
  )
  chmodSync(bad, 0o640)
  assert.throws(() => loadKeyring(bad), /chmod 600/)
})
