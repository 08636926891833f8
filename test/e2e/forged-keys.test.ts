/**
 * Whoever can write the store and may use another CMK that the gateway's credentials may use as well can make whole objects, keys and all. Under
 * every key service such an object is refused, whatever it says of itself.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { CopyObjectCommand, HeadObjectCommand, S3ServiceException } from '@aws-sdk/client-s3'
import { parseEnvelope } from '../../src/envelope/index.ts'
import { KeyRing, type Kms, type OpenedKms } from '../../src/keys/index.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { type KmsWorld, WORLDS } from '../lib/kms-worlds.ts'
import { MemoryRecords } from '../lib/memory-records.ts'
import { storedOf } from '../recovery/helpers.ts'

const FORGED = 'a forged content'

for (const [name, start] of Object.entries(WORLDS)) {
  describe(`an object that was forged under a foreign CMK of the key service ${name}`, () => {
    let world: KmsWorld
    let opened: OpenedKms
    let gateway: TestGateway
    let forger: TestGateway
    let bucket: TestBucket
    /** What the forger's envelopes say, and what wraps their keys in truth. */
    let says = ''

    before(async () => {
      world = await start()
      opened = await world.open()
      const policy = () => ({ cmk: world.cmk, retired: [] })
      // Nothing is remembered: every read asks.
      const cold = { decryptCache: { maxEntries: 10, maxAgeMs: 0 } }
      gateway = await startGateway({ keys: { kms: opened.kms, policy, ...cold } })
      const theirs: Kms = {
        generateDataKey: (_, context) => opened.kms.generateDataKey(world.foreign, context),
        encrypt: (_, key, context) => opened.kms.encrypt(world.foreign, key, context),
        decrypt: (_, wrapped, context) => opened.kms.decrypt(world.foreign, wrapped, context),
      }
      const { realm } = gateway.gateway
      const ring = new KeyRing({ records: new MemoryRecords(), realm })
      const keys = { kms: theirs, policy: () => ({ cmk: says, retired: [] }), ring }
      forger = await startGateway({ beside: gateway, keys })
      bucket = await TestBucket.create(gateway.client(), 'photos')
      await bucket.put('true', 'a true content')
    })
    after(async () => {
      await forger.close()
      await gateway.close()
      opened.close()
      await world.close()
    })

    const claims = { 'the foreign CMK': () => world.foreign, 'the CMK of the bucket': () => world.cmk }
    for (const [claim, cmk] of Object.entries(claims)) {
      it(`is refused, by GET, HEAD, ranges and as the source of a copy, though it names ${claim}`, async () => {
        says = cmk()
        forger.gateway.keys.rotate(() => true)
        const forged = TestBucket.of(forger.client(), 'photos')
        await forged.put('single', FORGED)
        await forged.putParts('parts', [Buffer.alloc(5 * 2 ** 20, FORGED), Buffer.from(FORGED)])
        assert.equal((await forged.read('single')).toString(), FORGED, 'to the forger it is a good object')
        const { metadata } = await storedOf(gateway.storage, 'photos', 'single')
        const envelope = parseEnvelope(metadata['sealgate'] ?? '')
        assert.equal(envelope.keySource === 'dek' && envelope.cmkId, says)
        for (const key of ['single', 'parts']) {
          await fails(bucket.read(key), 'ObjectIntegrityError', 500)
          await fails(bucket.read(key, { Range: 'bytes=0-3' }), 'ObjectIntegrityError', 500)
          const CopySource = `photos/${key}`
          await fails(
            bucket.s3.send(new CopyObjectCommand({ Bucket: 'photos', Key: 'copy', CopySource })),
            'ObjectIntegrityError',
            500,
          )
          await assert.rejects(
            bucket.s3.send(new HeadObjectCommand({ Bucket: 'photos', Key: key })),
            (error) => error instanceof S3ServiceException && error.$metadata.httpStatusCode === 500,
          )
        }
        await fails(bucket.read('copy'), 'NoSuchKey', 404)
        assert.equal((await bucket.read('true')).toString(), 'a true content')
      })
    }

    it('costs no call to the key service where the CMK is not the bucket’s', async () => {
      if (world.emulator === null) return
      says = world.foreign
      forger.gateway.keys.rotate(() => true)
      await TestBucket.of(forger.client(), 'photos').put('single', FORGED)
      world.emulator.calls.length = 0
      for (let n = 0; n < 5; n++) await fails(bucket.read('single'), 'ObjectIntegrityError', 500)
      assert.deepEqual(world.emulator.calls, [])
    })
  })
}
