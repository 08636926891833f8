import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { AbortMultipartUploadCommand, DeleteBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { loadConfig } from '../../src/config/config.ts'
import { putSystemObject, readSystemObject, systemObjects } from '../../src/gateway/system-bucket.ts'
import { collectOffline } from '../../src/offline.ts'
import { openFilesystemStorage } from '../../src/storage/filesystem.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { startS3Server } from '../emulators/s3-server.ts'
import { TestBucket } from '../lib/bucket.ts'
import { startServer } from '../lib/server.ts'
import { killAll, sealgate } from './run.ts'

const home = mkdtempSync(join(tmpdir(), 'sealgate-gc-'))
after(() => {
  killAll()
  rmSync(home, { recursive: true, force: true })
})

/** A store as its test sees it, and what a command is told of it. */
interface Behind {
  readonly storage: Storage
  readonly environment: Record<string, string>
  close(): Promise<void>
}

async function files(): Promise<Behind> {
  const dataDir = join(home, 'data')
  mkdirSync(dataDir)
  assert.equal(await sealgate(['keygen', join(dataDir, 'keyring.json')]).exit, 0)
  const storage = await openFilesystemStorage({ directory: join(dataDir, 'store') })
  return { storage, environment: { SEALGATE_DATA_DIR: dataDir }, close: () => storage.close() }
}

async function server(): Promise<Behind> {
  const { endpoint, accessKeyId, secretAccessKey, storage, close } = await startS3Server()
  const environment = {
    SEALGATE_DATA_DIR: mkdtempSync(join(home, 's3-')),
    SEALGATE_STORE: 's3',
    SEALGATE_S3_ENDPOINT: endpoint,
    SEALGATE_S3_ACCESS_KEY_ID: accessKeyId,
    SEALGATE_S3_SECRET_ACCESS_KEY: secretAccessKey,
  }
  return { storage, environment, close }
}

/** What the command reports, without the start of a process. */
function collected(environment: Record<string, string>, options: { dryRun?: boolean } = {}) {
  return collectOffline(loadConfig(undefined, environment), options)
}

for (const [name, open] of [
  ['the fs store', files],
  ['the s3 store', server],
] as const) {
  describe(`sealgate gc on ${name}`, () => {
    it('removes what is over beside a running gateway, and nothing of what goes on', async () => {
      const behind = await open()
      const system = { storage: behind.storage, systemBucket: 'sealgate-system' }
      const { SEALGATE_DATA_DIR: dataDir = '', ...env } = behind.environment
      const served = await startServer({ dataDir, env })
      const { endpoint, accessKeyId, secretAccessKey } = served
      const credentials = { accessKeyId, secretAccessKey }
      const s3 = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
      const states = async () => {
        const keys: string[] = []
        for await (const { key } of systemObjects(system, 'v1/mpu/')) keys.push(key.split('/')[2] ?? '')
        return [...new Set(keys)]
      }
      try {
        const [kept, gone] = [await TestBucket.create(s3, 'kept'), await TestBucket.create(s3, 'gone')]
        const id = await kept.begin('open')
        const part = await kept.send('open', id, 1, Buffer.alloc(6 * 1024 * 1024, 'x'))
        const lost = await gone.begin('lost')
        await gone.send('lost', lost, 1, Buffer.alloc(100_000))
        // Behind the gateway's back, as a rule of a lifecycle does it.
        await behind.storage.abortMultipartUpload({ bucket: 'gone', key: 'lost', uploadId: lost })
        await s3.send(new DeleteBucketCommand({ Bucket: 'gone' }))
        const ended = await kept.begin('ended')
        await s3.send(new AbortMultipartUploadCommand({ Bucket: 'kept', Key: 'ended', UploadId: ended }))

        const counts = { uploads: 2, collected: 0, waiting: 1, records: 0, listsUploads: true }
        assert.deepEqual(await collected(behind.environment, { dryRun: true }), counts)
        assert.equal(await readSystemObject(system, 'v1/gc', 10_000), null)
        assert.deepEqual(await collected(behind.environment), counts)
        assert.deepEqual(await states(), ['gone', 'kept'])

        const memory = (await readSystemObject(system, 'v1/gc', 10_000))?.toString() ?? ''
        const before = memory.replace(/:(\d{13})/g, (_, time: string) => `:${Number(time) - 86_400_000}`)
        await putSystemObject(system, 'v1/gc', Buffer.from(before))
        const run = sealgate(['gc'], behind.environment)
        assert.equal(await run.exit, 0, run.output())
        assert.match(
          run.output(),
          /^State of 2 uploads in the system bucket: that of 1 removed, of 0 waiting, of 1 kept\.$/m,
        )
        assert.match(run.output(), /^What is kept is of uploads under way, or of ones/m)
        assert.deepEqual(await states(), ['kept'])
        await kept.complete('open', id, [part])
        assert.equal((await kept.read('open')).length, 6 * 1024 * 1024)
      } finally {
        s3.destroy()
        await served.stop()
        await behind.close()
      }
    })
  })
}

it('refuses a store that is none, and one that is no deployment’s, and makes nothing there', async () => {
  const none = sealgate(['gc', '--json'], { SEALGATE_DATA_DIR: join(home, 'none') })
  assert.equal(await none.exit, 2)
  assert.match(none.output(), /"message":"There is no store in .*none\/store/)
  const { environment, storage, close } = await server()
  try {
    await assert.rejects(collected(environment), /The store's system bucket sealgate-system holds no realm/)
    assert.deepEqual(await storage.listBuckets(), [])
    const refused = { ...environment, SEALGATE_S3_SECRET_ACCESS_KEY: 'another-secret' }
    await assert.rejects(
      collected(refused),
      /^StartupError: The store http:\S+ cannot be used: the store answered 403/,
    )
  } finally {
    await close()
  }
})
