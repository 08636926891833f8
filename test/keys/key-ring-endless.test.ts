import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { systemKeyRecords } from '../../src/gateway/key-records.ts'
import { exportRing, type KeyRecords, KeyRing, RingError, rewrap } from '../../src/keys/index.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { MemoryRecords } from '../lib/memory-records.ts'

/* A store that never ends its list of the ring. */

const DEK = { bucket: 'photos', dekId: Buffer.alloc(16, 1) }

/** Records whose list goes on for ever with what `nameOf` gives. */
function endless(nameOf: (prefix: string, count: number) => string) {
  const seen = { listed: 0 }
  const records: KeyRecords = Object.assign(new MemoryRecords(), {
    async *list(prefix: string) {
      for (;;) yield { name: nameOf(prefix, ++seen.listed), revision: '' }
    },
  })
  return { seen, ring: new KeyRing({ records, realm: 'realm' }) }
}

const digits = (count: number, width: number) => String(count).padStart(width, '0')
const lines = async (ring: KeyRing) => {
  for await (const line of exportRing(ring, { records: 0, damaged: 0 })) assert.equal(typeof line, 'string')
}

describe('an endless list', () => {
  it('of the names of one DEK is looked at for a thousand names, whatever they are', async () => {
    for (const nameOf of [
      (prefix: string, count: number) => `${prefix}x${digits(count, 12)}`,
      (prefix: string, count: number) => `${prefix}${digits(count % 1e8, 8)}`,
    ]) {
      const { seen, ring } = endless(nameOf)
      await ring.numbersOf(DEK)
      assert.equal(seen.listed, 1000)
    }
  })

  it('of names that are none of a record, or of one DEK, ends rewrap and export with a word to the operator', async () => {
    for (const nameOf of [
      (_: string, count: number) => `v1/ring/photos/x${digits(count, 12)}`,
      (_: string, count: number) => `v1/ring/photos/${'01'.repeat(16)}/${digits(count, 8)}`,
    ]) {
      const told = (error: unknown) =>
        error instanceof RingError && /that Sealgate does not give/.test(error.message)
      await assert.rejects(lines(endless(nameOf).ring), told)
      const { ring } = endless(nameOf)
      const nobody = {
        generateDataKey: () => assert.fail(),
        encrypt: () => assert.fail(),
        decrypt: () => assert.fail(),
      }
      const options = { ring, kms: nobody, policy: () => ({ cmk: 'local:1', retired: [] }), pattern: '*' }
      await assert.rejects(
        rewrap({ ...options, reEncrypting: () => null, dryRun: true, decrypt: true, callsPerSecond: 100 }),
        told,
      )
    }
  })

  it('of pages without a name is refused', async () => {
    let pages = 0
    const storage = {
      listObjects: async () => ({ objects: [], commonPrefixes: [], next: `token ${++pages}` }),
    } as unknown as Storage
    const ring = new KeyRing({ records: systemKeyRecords({ storage, systemBucket: 's' }), realm: 'realm' })
    await assert.rejects(ring.numbersOf(DEK), { kind: 'ObjectIntegrityError' })
    assert.equal(pages, 101)
  })
})
