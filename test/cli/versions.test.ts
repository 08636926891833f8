/** `decrypt` and `inspect` of a given version, over each kind of store that has versions. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { startS3Server } from '../emulators/s3-server.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { openStoreBefore } from '../lib/s3-storage.ts'
import { VersionedBucket } from '../lib/versions.ts'
import { capture } from './capture.ts'

const PARTS = [randomBytes(5 * 1024 * 1024), randomBytes(100_001)]

interface Place {
  readonly gateway: TestGateway
  readonly environment: Readonly<Record<string, string>>
  close(): Promise<void>
}

const places: Readonly<Record<string, () => Promise<Place>>> = {
  'fs store': async () => {
    const gateway = await startGateway()
    return { gateway, environment: { SEALGATE_DATA_DIR: gateway.directory }, close: () => gateway.close() }
  },
  's3 store': async () => {
    const server = await startS3Server()
    const store = await openStoreBefore(server, { systemBucket: 'sealgate-system' })
    const gateway = await startGateway({ store })
    const environment = {
      SEALGATE_STORE: 's3',
      SEALGATE_S3_ENDPOINT: server.endpoint,
      SEALGATE_S3_ACCESS_KEY_ID: server.accessKeyId,
      SEALGATE_S3_SECRET_ACCESS_KEY: server.secretAccessKey,
      SEALGATE_KEYRING: join(gateway.directory, 'keyring.json'),
    }
    const close = async () => {
      await gateway.close()
      await server.close()
    }
    return { gateway, environment, close }
  },
}

for (const [name, open] of Object.entries(places)) describe(`versions in the ${name}`, () => suite(open))

function suite(open: () => Promise<Place>): void {
  let place: Place
  let bucket: VersionedBucket
  before(async () => {
    place = await open()
    bucket = await VersionedBucket.create(place.gateway.client(), 'letters')
  })
  after(() => place.close())

  const run = async (args: readonly string[], status = 0) => {
    const ran = await capture(args, { environment: place.environment })
    assert.equal(ran.status, status, ran.stderr)
    return ran
  }
  const version = (key: string, id: string) => [`s3://letters/${key}`, '--version-id', id]

  it('are opened by their ids: older ones, of parts too, and those that a deletion hides', async () => {
    const first = await bucket.put('k', 'first')
    const { VersionId: film = '' } = await bucket.objects.putParts('k', PARTS)
    const third = await bucket.put('k', 'third')
    const { VersionId: marker = '' } = await bucket.remove('k')
    for (const [id, text] of [
      [first, 'first'],
      [third, 'third'],
    ] as const)
      assert.equal((await run(['decrypt', ...version('k', id)])).stdout.toString(), text)
    const ranged = await run(['decrypt', ...version('k', film), '--range', '5242879-5242880', '--json'])
    assert.ok(ranged.stdout.equals(Buffer.concat(PARTS).subarray(5_242_879, 5_242_881)))
    assert.equal((JSON.parse(ranged.stderr) as { versionId: string }).versionId, film)
    const shown = await run(['inspect', ...version('k', film)])
    assert.match(shown.stdout.toString(), new RegExp(`s3://letters/k \\(version ${film}\\)`))

    assert.match((await run(['decrypt', 's3://letters/k'], 2)).stderr, /as it was deleted\. .*--version-id/)
    assert.match((await run(['decrypt', ...version('k', marker)], 2)).stderr, /is a delete marker/)
    assert.match((await run(['inspect', ...version('other', first)], 2)).stderr, /no such version/)
  })

  it('are named for one object of the store alone, and as a store names them', async () => {
    for (const args of [
      ['decrypt', 's3://letters/', '--version-id', 'x', '-o', '/nowhere'],
      ['decrypt', '-', '--version-id', 'x', '-b', 'letters', '-k', 'k', '-e', 'text'],
      ['inspect', '--version-id', 'x', '-e', 'text'],
    ])
      assert.match((await run(args, 2)).stderr, /--version-id is for one object of the store/)
    for (const id of ['', 'a\nb', 'x'.repeat(1025)])
      assert.match((await run(['decrypt', ...version('k', id)], 2)).stderr, /--version-id is none/)
  })
}
