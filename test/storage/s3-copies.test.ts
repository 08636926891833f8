import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { isError } from '../../src/errors.ts'
import { type CopyObjectRequest, OVERWRITTEN, type Storage } from '../../src/storage/storage.ts'
import { type S3Server, startS3Server } from '../emulators/s3-server.ts'
import { collect, oneChunk } from '../lib/bytes.ts'
import { openStoreBefore } from '../lib/s3-storage.ts'

const ATTRIBUTES = { headers: {}, metadata: {}, storageClass: 'STANDARD' }
const [bucket, key] = ['copies', 'target']
const data = randomBytes(5000)
let server: S3Server
let storage: Storage

before(async () => {
  server = await startS3Server({ ignores: ['copy-source-if-match', 'copy', 'complete', 'delete'] })
  storage = await openStoreBefore(server)
  await storage.createBucket(bucket)
})
after(async () => {
  await storage.close()
  await server.close()
})

function put(name: string, bytes: Buffer) {
  return storage.putObject({ bucket, key: name, ...ATTRIBUTES, size: bytes.length, body: oneChunk(bytes) })
}

async function request(more: Partial<CopyObjectRequest>): Promise<CopyObjectRequest> {
  const { etag } = await put('source', data)
  const source = { bucket, key: 'source' }
  return {
    ...{ bucket, key, source, sourceEtag: etag, sourceSize: data.length },
    ...{ ...ATTRIBUTES, metadata: { is: 'a copy' } },
    ...more,
  }
}

async function readTarget(): Promise<Buffer> {
  const { object, body } = await storage.getObject({ bucket, key })
  assert.deepEqual(object.metadata, { is: 'a copy' })
  return collect(body)
}

describe('before a server that enforces conditions on PutObject alone, a copy under a condition', () => {
  it('is a PutObject: one of many wins', async () => {
    const copy = await request({ condition: { ifNoneMatch: '*' } })
    server.counted()
    const racers = await Promise.allSettled([1, 2, 3, 4].map(() => storage.copyObject(copy)))
    assert.equal(racers.filter(({ status }) => status === 'fulfilled').length, 1)
    for (const racer of racers)
      if (racer.status === 'rejected') assert.ok(isError(racer.reason, 'PreconditionFailed'))
    assert.deepEqual(new Set(server.counted()), new Set(['GetObject', 'PutObject']))
    assert.ok((await readTarget()).equals(data))
  })

  it('replaces only the version that it names', async () => {
    const { etag } = await storage.copyObject(await request({}))
    const other = await request({ condition: { ifMatch: '0'.repeat(32) } })
    await assert.rejects(storage.copyObject(other), (error) => isError(error, 'PreconditionFailed'))
    await storage.copyObject(await request({ condition: { ifMatch: etag } }))
    assert.ok((await readTarget()).equals(data))
  })

  it('copies only the version of the source that was opened', async () => {
    const { etag } = await storage.copyObject(await request({}))
    const copy = await request({ condition: { ifMatch: etag } })
    await put('source', randomBytes(5000))
    await assert.rejects(
      storage.copyObject(copy),
      (error) => isError(error, 'PreconditionFailed') && error.reason === OVERWRITTEN,
    )
    assert.ok((await readTarget()).equals(data))
  })

  it('is refused before anything is copied where no PutObject is that large', async () => {
    const copy = await request({ condition: { ifNoneMatch: '*' }, sourceSize: 5 * 1024 ** 3 + 1 })
    server.counted()
    await assert.rejects(storage.copyObject(copy), (error) => isError(error, 'NotImplemented'))
    assert.deepEqual(server.counted(), [])
  })
})
