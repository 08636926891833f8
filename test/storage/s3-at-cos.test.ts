/** The s3 store before the interface that Tencent COS has for S3's clients. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { isError } from '../../src/errors.ts'
import { openCosStorage } from '../../src/storage/cos.ts'
import { openS3Storage, type S3StorageOptions } from '../../src/storage/s3.ts'
import type { PutObjectRequest, Storage } from '../../src/storage/storage.ts'
import { storageConformance } from '../conformance/storage.ts'
import { type CosServer, type CosServerOptions, startCosServer } from '../emulators/cos-server.ts'
import { COS_CERTIFICATE, COS_PRIVATE_KEY } from '../emulators/tls.ts'
import { collect } from '../lib/bytes.ts'
import '../lib/cos-at-loopback.ts'
import { openCos } from '../lib/cos-store.ts'

const TLS = { cert: COS_CERTIFICATE, key: COS_PRIVATE_KEY }
const MIB = 1024 * 1024

/** A short number leaves room for the names of the suites: a host has 60 characters. */
const start = (options: CosServerOptions = {}) => startCosServer({ appid: '125', tls: TLS, ...options })

function open(server: CosServer, more: Partial<S3StorageOptions> = {}): Promise<Storage> {
  const { endpoint, region, secretId, secretKey, appid } = server
  return openS3Storage({
    endpoint,
    region,
    addressing: 'virtual',
    credentials: { accessKeyId: secretId, secretAccessKey: secretKey },
    tls: { ca: COS_CERTIFICATE },
    systemBucket: 'records',
    bucketSuffix: `-${appid}`,
    ...more,
  })
}

async function opened() {
  const server = await start()
  const storage = await open(server)
  const close = async () => {
    await storage.close()
    await server.close()
  }
  return { storage, close }
}

storageConformance('s3 before Tencent COS', opened, {
  equalBytesEqualEtag: 'its ETag is the MD5 of the bytes',
  refusedNames: {
    reason: 'keys have at most 850 bytes, and begin with neither slash nor backslash',
    refuses: (key) => Buffer.byteLength(key) > 850 || /^[/\\]/.test(key),
  },
  deleteMarkerWithoutTime: '405 without Last-Modified',
})

describe('large bodies to a server that takes no frames', () => {
  let server: CosServer
  let storage: Storage
  before(async () => {
    server = await start()
    storage = await open(server)
    await storage.createBucket('plain')
  })
  after(async () => {
    await storage.close()
    await server.close()
  })

  const put = (key: string, bytes: Buffer, more: Partial<PutObjectRequest> = {}) =>
    storage.putObject({
      ...{ bucket: 'plain', key, headers: {}, metadata: {}, storageClass: 'STANDARD' },
      size: bytes.length,
      body: inPieces(bytes),
      ...more,
    })
  const stored = (key: string) => server.bucket('plain-125')?.versions(key).length ?? 0

  it('go as they are, and are confirmed by their MD5', async () => {
    const bytes = randomBytes(MIB)
    await put('whole', bytes)
    const { body } = await storage.getObject({ bucket: 'plain', key: 'whole' })
    assert.ok((await collect(body)).equals(bytes))
  })

  it('have not succeeded when other bytes are there', async () => {
    server.faults.once({ kind: 'flipped' }, /^PutObject$/)
    const write = put('other', randomBytes(MIB))
    await assert.rejects(write, (error) => isError(error, 'SlowDown') && /MD5/.test(error.reason ?? ''))
  })

  it('leave nothing when they are longer or shorter than announced, or fail at their end', async () => {
    const bytes = randomBytes(MIB)
    const incomplete = (error: unknown) => isError(error, 'IncompleteBody')
    await assert.rejects(put('short', bytes, { size: MIB + 1 }), incomplete)
    await assert.rejects(put('long', bytes, { size: MIB - 1 }), incomplete)
    const failing = (async function* () {
      yield* inPieces(bytes)
      throw new Error('refused at the end')
    })()
    await assert.rejects(put('failed', bytes, { body: failing }), /refused at the end/)
    assert.deepEqual(['short', 'long', 'failed'].map(stored), [0, 0, 0])
  })
})

describe('the two stores for Tencent COS', () => {
  it('read what the other one has written, attributes included', async () => {
    const server = await start()
    const { appid, region, address, secretId, secretKey } = server
    const options = { region, credentials: { secretId, secretKey }, tls: { ca: COS_CERTIFICATE } }
    const own = await openCosStorage({
      ...options,
      appId: appid,
      connectTo: address,
      systemBucket: 'records',
    })
    const bySigV4 = await open(server)
    await own.createBucket('both')
    const attributes = {
      headers: { 'content-type': 'text/plain' },
      metadata: { plain: 'a', under_score: 'b', 'dot.ted': 'c', latin: '\u00e9' },
      storageClass: 'STANDARD',
    }
    const stores = [own, bySigV4]
    for (const [index, writer] of stores.entries()) {
      const name = { bucket: 'both', key: `written by ${index}/照片` }
      await writer.putObject({ ...name, ...attributes, size: 5, body: inPieces(Buffer.from('bytes')) })
      for (const reader of stores) {
        const { headers, metadata, storageClass } = await reader.headObject(name)
        assert.deepEqual({ headers, metadata, storageClass }, attributes)
      }
    }
    for (const storage of stores) await storage.close()
    await server.close()
  })
})

describe('a name that no bucket of Tencent COS can have', () => {
  const NAMES = ['with.dots', 'x'.repeat(60)]
  const stores = {
    'cos store': () => openCos(),
    's3 store': opened,
  } as const
  for (const [name, opening] of Object.entries(stores))
    it(`is no bucket, and cannot be made, before the ${name}`, async () => {
      const { storage, close } = await opening()
      for (const bucket of NAMES) {
        await assert.rejects(storage.headBucket(bucket), (error) => isError(error, 'NoSuchBucket'))
        const head = storage.headObject({ bucket, key: 'k' })
        await assert.rejects(head, (error) => isError(error, 'NoSuchBucket'))
        await assert.rejects(storage.createBucket(bucket), (error) => isError(error, 'InvalidBucketName'))
      }
      await close()
    })
})

describe('a start before Tencent COS', () => {
  it('is refused where nothing could confirm a body', async () => {
    const server = await start({ md5Etags: false })
    await assert.rejects(
      open(server),
      (error) => isError(error, 'NotImplemented') && /not the MD5/.test(error.message),
    )
    await server.close()
    const insecure = await startCosServer({ appid: '125' })
    await assert.rejects(
      open(insecure),
      (error) => isError(error, 'NotImplemented') && /https:\/\/ alone/.test(error.message),
    )
    await insecure.close()
  })

  it('is not taken in by frames that are kept as if they were bytes', async () => {
    const server = await start({ keepsFrames: true })
    const storage = await open(server)
    await storage.createBucket('frames')
    const bytes = randomBytes(MIB)
    const name = { bucket: 'frames', key: 'k' }
    const attributes = { headers: {}, metadata: {}, storageClass: 'STANDARD' }
    await storage.putObject({ ...name, ...attributes, size: MIB, body: inPieces(bytes) })
    const { body } = await storage.getObject(name)
    assert.ok((await collect(body)).equals(bytes))
    await storage.close()
    await server.close()
  })

  it('finds no condition of writes that is kept, so that none is taken', async () => {
    const server = await start()
    const storage = await open(server)
    await storage.createBucket('conditions')
    const write = storage.putObject({
      ...{ bucket: 'conditions', key: 'k', headers: {}, metadata: {}, storageClass: 'STANDARD' },
      size: 0,
      body: inPieces(Buffer.alloc(0)),
      condition: { ifNoneMatch: '*' },
    })
    await assert.rejects(write, (error) => isError(error, 'NotImplemented'))
    await storage.close()
    await server.close()
  })
})

async function* inPieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000)
}
