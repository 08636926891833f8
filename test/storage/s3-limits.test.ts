/** What S3 servers refuse by size or by region. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { isError } from '../../src/errors.ts'
import { OVERWRITTEN, type Storage } from '../../src/storage/storage.ts'
import { type S3Server, type S3ServerOptions, startS3Server } from '../emulators/s3-server.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { collect, oneChunk } from '../lib/bytes.ts'
import { startGateway } from '../lib/gateway.ts'
import { converse, parseAnswer, signed } from '../lib/raw-http.ts'
import { openStoreBefore } from '../lib/s3-storage.ts'

const MIB = 1024 * 1024
const ATTRIBUTES = { headers: {}, metadata: {}, storageClass: 'STANDARD' }

async function withServer(options: S3ServerOptions, run: (server: S3Server) => Promise<void>): Promise<void> {
  const server = await startS3Server(options)
  try {
    await run(server)
  } finally {
    await server.close()
  }
}

describe('an object that is too large for CopyObject', () => {
  const limits = { maxCopyBytes: 12 * MIB, copyPartBytes: 5 * MIB }
  const source = { bucket: 'b', key: 'source' }
  const target = { bucket: 'b', key: 'target', ...ATTRIBUTES, metadata: { is: 'a copy' } }

  const withSource = (
    options: S3ServerOptions,
    run: (storage: Storage, server: S3Server, etag: string, data: Buffer) => Promise<void>,
  ) =>
    withServer({ maxCopyBytes: limits.maxCopyBytes, ...options }, async (server) => {
      const storage = await openStoreBefore(server, { limits })
      try {
        await storage.createBucket('b')
        const data = randomBytes(12 * MIB + 1)
        const put = { ...source, ...ATTRIBUTES, size: data.length, body: oneChunk(data) }
        await run(storage, server, (await storage.putObject(put)).etag, data)
      } finally {
        await storage.close()
      }
    })

  it('is copied by ranges into the parts of an upload, and arrives whole with its new attributes', async () => {
    await withSource({}, async (storage, server, sourceEtag, data) => {
      server.counted()
      await storage.copyObject({ ...target, source, sourceEtag, sourceSize: data.length })
      assert.deepEqual(
        server.counted().filter((name) => name !== 'HeadObject'),
        ['CreateMultipartUpload', ...Array(3).fill('UploadPartCopy'), 'CompleteMultipartUpload'],
      )
      const { object, body } = await storage.getObject(target)
      assert.deepEqual(object.metadata, { is: 'a copy' })
      assert.match(object.etag, /-3$/)
      assert.ok((await collect(body)).equals(data))
      // One that just fits is one call.
      const fits = randomBytes(12 * MIB)
      const { etag } = await storage.putObject({
        ...source,
        ...ATTRIBUTES,
        size: fits.length,
        body: oneChunk(fits),
      })
      server.counted()
      await storage.copyObject({ ...target, source, sourceEtag: etag, sourceSize: fits.length })
      assert.deepEqual(server.counted(), ['CopyObject'])
    })
  })

  it('that is overwritten meanwhile leaves no copy and no upload', async () => {
    let copies = 0
    const intercept = (name: string) => {
      if (name === 'UploadPartCopy' && ++copies === 2)
        void server?.storage.putObject({
          ...source,
          ...ATTRIBUTES,
          size: 3,
          body: oneChunk(Buffer.from('new')),
        })
      return false
    }
    let server: S3Server | undefined
    await withSource(
      { intercept, ignores: ['copy-source-if-match'] },
      async (storage, started, sourceEtag, data) => {
        server = started
        const copy = storage.copyObject({ ...target, source, sourceEtag, sourceSize: data.length })
        await assert.rejects(copy, (error: unknown) => isError(error))
        await assert.rejects(storage.headObject(target), { kind: 'NoSuchKey' })
        const uploads = {
          bucket: 'b',
          prefix: '',
          delimiter: '',
          keyMarker: '',
          uploadIdMarker: '',
          maxUploads: 10,
        }
        assert.deepEqual((await storage.listMultipartUploads(uploads)).uploads, [])
        const again = storage.copyObject({ ...target, source, sourceEtag, sourceSize: data.length })
        await assert.rejects(again, { kind: 'PreconditionFailed', reason: OVERWRITTEN })
      },
    )
  })
})

it('a PUT or a part beyond the limits of S3 is EntityTooLarge before a byte of it is asked for', async () => {
  await withServer({}, async (server) => {
    const gateway = await startGateway({ store: await openStoreBefore(server) })
    try {
      const bucket = await TestBucket.create(gateway.client(), 'sizes')
      await bucket.put('k', 'x')
      const id = await bucket.begin('k')
      // Written as docs/operations.md has them: 5 GiB less what sealing adds.
      const limit = 5_367_300_176
      for (const target of ['/sizes/k', `/sizes/k?partNumber=1&uploadId=${id}`]) {
        for (const [size, status] of [
          [limit, 100],
          [limit + 1, 400],
        ] as const) {
          server.counted()
          const headers = { 'content-length': String(size), expect: '100-continue' }
          const conversation = converse(gateway)
          conversation.socket.write(
            signed(gateway, { method: 'PUT', target, headers, payload: 'UNSIGNED-PAYLOAD' }),
          )
          const text = await conversation.until((received) => /^HTTP\/1.1 \d+.*\r\n\r\n/s.test(received))
          conversation.socket.destroy()
          assert.equal(Number(/^HTTP\/1.1 (\d+)/.exec(text)?.[1]), status, `${target} ${size}`)
          if (status === 100) continue
          assert.equal(parseAnswer(text)?.code, 'EntityTooLarge')
          assert.ok(text.includes(`<MaxSizeAllowed>${limit}</MaxSizeAllowed>`), text)
          assert.ok(!server.counted().some((name) => name === 'PutObject' || name === 'UploadPart'))
        }
      }
    } finally {
      await gateway.close()
    }
  })
})

it('limits that a server has of its own are what clients have, less what sealing adds', async () => {
  await withServer({}, async (server) => {
    const gateway = await startGateway({
      store: await openStoreBefore(server, { limits: { maxPutBytes: 100_000 } }),
    })
    try {
      const bucket = await TestBucket.create(gateway.client(), 'sizes')
      await bucket.put('k', Buffer.alloc(99_616))
      await fails(bucket.put('k', Buffer.alloc(99_617)), 'EntityTooLarge', 400)
      assert.equal((await bucket.read('k')).length, 99_616)
    } finally {
      await gateway.close()
    }
  })
})

describe('a server in another region', () => {
  it('is signed for its own also by calls that were under way when it was named', async () => {
    await withServer({ region: 'eu-central-1' }, async (server) => {
      const storage = await openStoreBefore(server, { readOnly: true })
      try {
        await server.storage.createBucket('b')
        const request = { bucket: 'b', prefix: '', delimiter: '', startAfter: '', maxKeys: 10 }
        await Promise.all(Array.from({ length: 8 }, () => storage.listObjects(request)))
      } finally {
        await storage.close()
      }
    })
  })

  it('is signed for its own once it has named it, in the document of its refusal', async () => {
    await withServer({ region: 'eu-central-1' }, async (server) => {
      const storage = await openStoreBefore(server)
      try {
        await storage.createBucket('b')
        server.counted()
        const data = randomBytes(300_000)
        await storage.putObject({
          bucket: 'b',
          key: 'k',
          ...ATTRIBUTES,
          size: data.length,
          body: oneChunk(data),
        })
        assert.ok((await collect((await storage.getObject({ bucket: 'b', key: 'k' })).body)).equals(data))
        assert.deepEqual(server.counted(), ['PutObject', 'GetObject'])
      } finally {
        await storage.close()
      }
    })
  })

  it('is refused, and named, where the configuration insists on one', async () => {
    await withServer({ region: 'eu-central-1' }, async (server) => {
      await assert.rejects(openStoreBefore(server, { region: 'us-west-2' }), (error: unknown) => {
        assert.ok(isError(error))
        assert.match(error.reason ?? '', /AuthorizationHeaderMalformed \(it names the region eu-central-1\)/)
        return true
      })
    })
  })
})

describe('a server whose lists of uploads do not go on behind an upload', () => {
  it('is one that does not list them, so that the keys are noted', async () => {
    for (const [ignores, listsUploads] of [
      [[], true],
      [['upload-markers'], false],
    ] as const)
      await withServer({ ignores }, async (server) => {
        const storage = await openStoreBefore(server)
        assert.equal(storage.capabilities.listsUploads, listsUploads)
        await storage.close()
      })
  })
})
