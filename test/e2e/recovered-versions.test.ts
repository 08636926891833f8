/** Versions opened by the keys alone, without the gateway, as `sealgate decrypt --version-id` does. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, it } from 'node:test'
import { sealedInStore } from '../../src/recovery/store-source.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { VersionedBucket } from '../lib/versions.ts'
import { finds, keysOf, read } from '../recovery/helpers.ts'

const bucket = 'recovered'
let gateway: TestGateway
before(async () => {
  gateway = await startGateway()
})
after(() => gateway.close())

it('Recovery_version opens each one by its id, of a single PUT and of parts, also behind a delete marker', async (t) => {
  const { storage } = gateway
  if (storage.versioning === null) return t.skip('the store has no versions')
  const versions = await VersionedBucket.create(gateway.client(), bucket)
  const parts = [randomBytes(5 * 1024 * 1024), randomBytes(1000)]
  const small = await versions.put('k', 'small')
  const { VersionId: large = '' } = await versions.objects.putParts('k', parts)
  await versions.remove('k')
  const name = { bucket, key: 'k' }
  const plainOf = async (versionId: string) =>
    (await read(keysOf(gateway), name, await sealedInStore(storage, { ...name, versionId }))).plain
  assert.equal((await plainOf(small)).toString(), 'small')
  assert.ok((await plainOf(large)).equals(Buffer.concat(parts)))
  await finds(sealedInStore(storage, name), 'gone')
})
