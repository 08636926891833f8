import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { S3Client } from '@aws-sdk/client-s3'
import { loadConfig } from '../../src/config/config.ts'
import { ENVELOPE_METADATA_NAME } from '../../src/envelope/index.ts'
import { openOffline } from '../../src/offline.ts'
import { sealgate } from '../cli/run.ts'
import { TestBucket } from '../lib/bucket.ts'
import { parseDekEnvelope } from '../lib/dek-envelope.ts'
import { storeEnvironment } from '../lib/real-store.ts'
import { type RunningServer, startServer } from '../lib/server.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'sealgate-rotate-'))
const POLL_MS = 300
const environment = {
  ...storeEnvironment(dataDir),
  SEALGATE_DATA_DIR: dataDir,
  SEALGATE_EPOCH_POLL_MS: String(POLL_MS),
}
let server: RunningServer
let s3: S3Client

before(async () => {
  server = await startServer({ dataDir, env: { ...environment, SEALGATE_WORKERS: '2' } })
  const { endpoint, accessKeyId, secretAccessKey } = server
  const credentials = { accessKeyId, secretAccessKey }
  s3 = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials, maxAttempts: 1 })
})
after(async () => {
  s3.destroy()
  await server.stop()
  rmSync(dataDir, { recursive: true })
})

/** The ids of the data keys that the objects of a bucket were sealed under, by key. */
async function dataKeysOf(bucket: string): Promise<Map<string, string>> {
  const offline = await openOffline(loadConfig(undefined, environment))
  try {
    const found = new Map<string, string>()
    const { objects } = await offline.storage.listObjects({
      bucket,
      prefix: '',
      delimiter: '',
      startAfter: '',
      maxKeys: 1000,
    })
    for (const { key } of objects) {
      const { metadata } = await offline.storage.headObject({ bucket, key })
      found.set(key, parseDekEnvelope(metadata[ENVELOPE_METADATA_NAME]).dekId.toString('hex'))
    }
    return found
  } finally {
    await offline.close()
  }
}

async function run(args: readonly string[]): Promise<string> {
  const child = sealgate(args, environment)
  assert.equal(await child.exit, 0, child.output())
  return child.output()
}

/** Requests go round the workers, so that a few of them reach all. */
async function write(bucket: TestBucket, prefix: string): Promise<void> {
  for (let n = 0; n < 12; n += 1) await bucket.put(`${prefix}${n}`, `value of ${prefix}${n}`)
}

describe('sealgate rotate', () => {
  it('makes every worker begin a new epoch by the time that it says, while clients go on without a failure', async () => {
    const [photos, films] = [await TestBucket.create(s3, 'photos'), await TestBucket.create(s3, 'films')]
    await write(photos, 'before')
    await write(films, 'before')
    let done = false
    const client = async () => {
      for (let n = 0; !done; n += 1) {
        await photos.put(`during${n % 20}`, `round ${n}`)
        assert.equal((await photos.read(`during${n % 20}`)).toString(), `round ${n}`)
      }
    }
    const running = client()
    const { inForceBy, bucket } = JSON.parse(await run(['rotate', '--bucket', 'pho*', '--json'])) as {
      inForceBy: string
      bucket: string
    }
    assert.equal(bucket, 'pho*')
    await sleep(Math.max(0, Date.parse(inForceBy) - Date.now()))
    done = true
    await running
    await write(photos, 'then')
    await write(films, 'then')
    const [of, other] = [await dataKeysOf('photos'), await dataKeysOf('films')]
    const set = (keys: Map<string, string>, prefix: string) =>
      new Set([...keys].filter(([key]) => key.startsWith(prefix)).map(([, dek]) => dek))
    assert.ok([...set(of, 'then')].every((dek) => !set(of, 'before').has(dek)))
    assert.ok(set(of, 'then').size <= 2, 'one for each worker')
    assert.ok(
      [...set(other, 'then')].every((dek) => set(other, 'before').has(dek)),
      'the other bucket keeps its own',
    )
    for (const prefix of ['before', 'then'])
      for (let n = 0; n < 12; n += 1)
        assert.equal((await photos.read(`${prefix}${n}`)).toString(), `value of ${prefix}${n}`)
  })

  it('finishes an upload under the data key that it was begun under', async () => {
    const uploads = await TestBucket.create(s3, 'uploads')
    const parts = [Buffer.alloc(5 * 1024 * 1024, 1), Buffer.alloc(100, 2)]
    const id = await uploads.begin('big')
    const first = await uploads.send('big', id, 1, parts[0]!)
    await run(['rotate'])
    await sleep(POLL_MS + 200)
    const second = await uploads.send('big', id, 2, parts[1]!)
    await uploads.complete('big', id, [first, second])
    assert.ok((await uploads.read('big')).equals(Buffer.concat(parts)))
  })

  it('says what it did, and refuses what is no bucket and no store', async () => {
    assert.match(
      await run(['rotate']),
      /New epochs for all buckets: ordered\. .* \(epoch\.pollMs is 0\.3 s\)/,
    )
    const wrong = sealgate(['rotate', '--bucket', 'Not/a/bucket'], environment)
    assert.equal(await wrong.exit, 2)
    assert.match(wrong.output(), /^sealgate: --bucket Not\/a\/bucket: must be the name of a bucket/)
    const nowhere = sealgate(['rotate'], { SEALGATE_DATA_DIR: join(dataDir, 'nowhere') })
    assert.equal(await nowhere.exit, 2)
    assert.match(nowhere.output(), /There is no store in /)
  })
})
