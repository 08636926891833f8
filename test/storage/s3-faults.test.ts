import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorKind, isError } from '../../src/errors.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { type S3Server, startS3Server } from '../emulators/s3-server.ts'
import { openStoreBefore } from '../lib/s3-storage.ts'

/** What comes between the store and its client: sees the head of a request, and may answer in the place of the server. */
type Fault = (head: string, socket: Socket) => boolean

let server: S3Server
let between: Server
let storage: Storage
let fault: Fault | null = null
let heads: string[] = []
const sockets = new Set<Socket>()

before(async () => {
  server = await startS3Server()
  const { port } = new URL(server.endpoint)
  // Requests come one behind the other on a connection; a new one begins with a method.
  between = createServer((socket) => {
    sockets.add(socket)
    const onward = connect(Number(port), '127.0.0.1')
    let isOurs = false
    socket.on('data', (bytes) => {
      const head = /^(GET|HEAD|PUT|POST|DELETE) \S+ HTTP/.exec(bytes.subarray(0, 4096).toString('latin1'))
      if (head !== null) {
        heads.push(head[0])
        isOurs = fault?.(bytes.toString('latin1'), socket) ?? false
      }
      if (!isOurs) onward.write(bytes)
    })
    onward.on('data', (bytes) => socket.write(bytes))
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ] as const)
      one.on('close', () => other.destroy()).on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve))
  storage = await openStoreBefore(server, {
    endpoint: `http://127.0.0.1:${(between.address() as AddressInfo).port}`,
    idleTimeoutMs: 700,
    answerTimeoutMs: 1000,
    connectTimeoutMs: 2000,
  })
  await storage.createBucket('b')
  await put('k', randomBytes(300_000))
})
afterEach(() => {
  fault = null
  heads = []
})
after(async () => {
  await storage.close()
  for (const socket of sockets) socket.destroy()
  await new Promise((resolve) => between.close(resolve))
  await server.close()
})

function put(
  key: string,
  data: Buffer,
  body: AsyncIterable<Uint8Array> = pieces(data),
  signal?: AbortSignal,
) {
  const attributes = { headers: { 'content-type': 'a/b' }, metadata: {}, storageClass: 'STANDARD' }
  return storage.putObject({ bucket: 'b', key, ...attributes, size: data.length, body, signal })
}

async function* pieces(data: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += 65_552) yield data.subarray(at, at + 65_552)
}

const name = { bucket: 'b', key: 'k' }
const list = () =>
  storage.listObjects({ bucket: 'b', prefix: '', delimiter: '', startAfter: '', maxKeys: 10 })
const answer =
  (text: string): Fault =>
  (_head, socket) => {
    socket.write(text.replaceAll('\n', '\r\n'))
    return true
  }
const once = (then: Fault): Fault => {
  let isDone = false
  return (head, socket) => {
    if (isDone) return false
    isDone = true
    return then(head, socket)
  }
}
const document = (body: string, status = '200 OK') =>
  `HTTP/1.1 ${status}\nContent-Type: application/xml\nContent-Length: ${Buffer.byteLength(body)}\n\n${body}`

async function fails(promise: Promise<unknown>, ...kinds: ErrorKind[]): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(isError(error, ...kinds), String((error as Error).stack))
    return true
  })
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

describe('a store whose connection breaks', () => {
  const cut: Fault = (_head, socket) => {
    socket.resetAndDestroy()
    return true
  }

  it('is asked again where nothing can happen twice', async () => {
    for (const run of [() => storage.headObject(name), list, () => put('small', Buffer.from('x'))]) {
      heads = []
      fault = once(cut)
      await run()
      assert.equal(heads.length, 2)
    }
    heads = []
    fault = cut
    await fails(storage.headObject(name), 'ServiceUnavailable')
    assert.equal(heads.length, 3)
  })

  it('is not asked again where something could, or where a body has begun to flow', async () => {
    fault = once(cut)
    await fails(
      storage.createMultipartUpload({ ...name, headers: {}, metadata: {}, storageClass: 'STANDARD' }),
      'ServiceUnavailable',
    )
    heads = []
    fault = once(cut)
    await fails(put('large', randomBytes(400_000)), 'ServiceUnavailable')
    assert.equal(heads.length, 1)
    await fails(storage.headObject({ bucket: 'b', key: 'large' }), 'NoSuchKey')
  })

  it('in the middle of a body breaks the body, and never ends it', async () => {
    const size =
      'HTTP/1.1 200 OK\nETag: "00000000000000000000000000000000"\nContent-Length: 100\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\n\nsome'
    fault = (_head, socket) => {
      socket.write(size.replaceAll('\n', '\r\n'))
      setTimeout(() => socket.destroy(), 20)
      return true
    }
    const { body } = await storage.getObject(name)
    await fails(collect(body), 'ServiceUnavailable')
  })
})

describe('a store that is slow', () => {
  it('and silent, before its answer, in it, or in taking a body, is given up', async () => {
    fault = () => true
    await fails(storage.createBucket('other'), 'ServiceUnavailable')
    await fails(put('large', randomBytes(40_000_000)), 'ServiceUnavailable')
    fault = answer(
      'HTTP/1.1 200 OK\nETag: "00000000000000000000000000000000"\nContent-Length: 100\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\n\nsome',
    )
    const { body } = await storage.getObject(name)
    await fails(collect(body), 'ServiceUnavailable')
  })

  it('is not blamed for a client that is slower, on either way', async () => {
    const data = randomBytes(400_000)
    const slow = async function* () {
      for await (const piece of pieces(data)) {
        await sleep(250)
        yield piece
      }
    }
    await put('slow', data, slow())
    const { body } = await storage.getObject({ bucket: 'b', key: 'slow' })
    await sleep(1200)
    assert.ok((await collect(body)).equals(data))
  })
})

describe('a client that goes away', () => {
  it('takes its request to the store with it', async () => {
    const gone = new AbortController()
    const data = randomBytes(400_000)
    const body = async function* () {
      yield data.subarray(0, 200_000)
      gone.abort(new Error('gone'))
      yield data.subarray(200_000)
    }
    await assert.rejects(put('gone', data, body(), gone.signal), /gone/)
    await fails(storage.headObject({ bucket: 'b', key: 'gone' }), 'NoSuchKey')
    fault = () => true
    const waiting = new AbortController()
    setTimeout(() => waiting.abort(new Error('gone')), 20)
    await assert.rejects(storage.headObject({ ...name, signal: waiting.signal }), /gone/)
  })
})

describe('a store that answers nonsense', () => {
  it('is not followed elsewhere', async () => {
    fault = answer(
      'HTTP/1.1 307 Temporary Redirect\nLocation: http://127.0.0.1:1/stolen\nContent-Length: 0\n\n',
    )
    await fails(storage.getObject(name), 'ServiceUnavailable')
    await fails(storage.headObject(name), 'ServiceUnavailable')
  })

  it('fails where a document is none, too long, too deep, of other things, or an error after success', async () => {
    const bomb = `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><ListBucketResult>&b;</ListBucketResult>`
    for (const body of [
      '',
      'not xml',
      bomb,
      `<ListBucketResult>${'<a>'.repeat(50)}${'</a>'.repeat(50)}</ListBucketResult>`,
      '<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>',
      '<Other/>',
      '<ListBucketResult><Contents><Key>k</Key><Size>-1</Size><ETag>"x"</ETag></Contents></ListBucketResult>',
      '<Error><Code>InternalError</Code></Error>',
    ]) {
      fault = answer(document(body))
      await fails(list(), 'ServiceUnavailable', 'InternalError', 'SlowDown')
    }
    fault = answer(document('<Error><Code>NoSuchUpload</Code></Error>'))
    const parts = [{ partNumber: 1, etag: '0'.repeat(32) }]
    await fails(storage.completeMultipartUpload({ ...name, uploadId: 'u', parts }), 'NoSuchUpload')
    fault = (_head, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
      const piece = `10000\r\n${'<a/>'.repeat(16_384)}\r\n`
      const pour = () => {
        while (!socket.destroyed && socket.write(piece));
        if (!socket.destroyed) socket.once('drain', pour)
      }
      pour()
      return true
    }
    await fails(list(), 'ServiceUnavailable')
  })

  it('and in a list has lost what an object is, is asked for that object', async () => {
    const entry = (key: string) =>
      `<Contents><Key>${key}</Key><Size>7342272</Size><ETag>&quot;&quot;</ETag><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>`
    fault = once(
      answer(document(`<ListBucketResult>${entry('gone-by-now')}${entry('k')}</ListBucketResult>`)),
    )
    heads = []
    const { objects } = await list()
    const { etag } = await storage.headObject(name)
    assert.deepEqual(
      objects.map(({ key, size, etag: listed }) => [key, size, listed]),
      [['k', 300_000, etag]],
    )
    assert.deepEqual(
      heads.slice(0, 3).map((head) => head.split(' ')[0]),
      ['GET', 'HEAD', 'HEAD'],
    )
  })

  it('fails where a range is not the one that was asked for', async () => {
    const head = 'ETag: "00000000000000000000000000000000"\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\n'
    for (const lie of [
      `HTTP/1.1 200 OK\n${head}Content-Length: 10\n\n0123456789`,
      `HTTP/1.1 206 Partial Content\n${head}Content-Length: 10\n\n0123456789`,
      `HTTP/1.1 206 Partial Content\n${head}Content-Range: bytes 1-10/100\nContent-Length: 10\n\n0123456789`,
      `HTTP/1.1 206 Partial Content\n${head}Content-Range: bytes 0-8/100\nContent-Length: 9\n\n012345678`,
      `HTTP/1.1 206 Partial Content\n${head}Content-Range: bytes 0-9/100\nContent-Length: 9\n\n012345678`,
      `HTTP/1.1 206 Partial Content\n${head}Content-Range: bytes 0-9/*\nContent-Length: 10\n\n0123456789`,
    ]) {
      fault = answer(lie)
      await fails(storage.getObject({ ...name, range: { start: 0, end: 9 } }), 'ObjectIntegrityError')
    }
    fault = answer(`HTTP/1.1 206 Partial Content\n${head}Content-Length: 10\n\n0123456789`)
    await fails(storage.getObject(name), 'ObjectIntegrityError')
  })

  it('and success before it has the whole body has not stored it', async () => {
    fault = answer('HTTP/1.1 200 OK\nETag: "00000000000000000000000000000000"\nContent-Length: 0\n\n')
    const body = async function* () {
      yield randomBytes(200_000)
      await sleep(50)
      yield randomBytes(200_000)
    }
    await fails(put('early', Buffer.alloc(400_000), body()), 'ServiceUnavailable')
  })
})

describe("a store's refusals", () => {
  const refusal = (status: string, code: string) =>
    answer(document(`<Error><Code>${code}</Code><Message>in bucket acme-internal</Message></Error>`, status))

  it("are S3's where they are about the request, and 503 where they are about the gateway; its words stay here", async () => {
    for (const [status, code, kind] of [
      ['403 Forbidden', 'AccessDenied', 'AccessDenied'],
      ['403 Forbidden', 'SignatureDoesNotMatch', 'ServiceUnavailable'],
      ['403 Forbidden', 'InvalidAccessKeyId', 'ServiceUnavailable'],
      ['503 Slow Down', 'SlowDown', 'SlowDown'],
      ['500 Internal Server Error', 'InternalError', 'ServiceUnavailable'],
      ['404 Not Found', 'NoSuchBucket', 'NoSuchBucket'],
      ['501 Not Implemented', 'NotImplemented', 'NotImplemented'],
      ['400 Bad Request', 'MetadataTooLarge', 'MetadataTooLarge'],
      ['400 Bad Request', 'InvalidBucketName', 'NoSuchBucket'],
      ['400 Bad Request', 'BadDigest', 'SlowDown'],
      ['400 Bad Request', 'XMinioInvalidObjectName', 'InvalidURI'],
    ] as const) {
      fault = refusal(status, code)
      await assert.rejects(storage.getObject(name), (error: unknown) => {
        assert.ok(isError(error, kind), `${code}: ${String(error)}`)
        assert.doesNotMatch(error.message + JSON.stringify(error.details), /acme-internal/)
        return true
      })
    }
  })

  it('of a Complete whose upload is over are NoSuchUpload, and are asked again while it is not', async () => {
    const upload = { ...name, key: 'completed' }
    const attributes = { headers: {}, metadata: {}, storageClass: 'STANDARD' }
    const begin = async () => {
      const { uploadId } = await storage.createMultipartUpload({ ...upload, ...attributes })
      const { etag } = await storage.uploadPart({
        ...upload,
        uploadId,
        partNumber: 1,
        size: 1,
        body: pieces(Buffer.from('x')),
      })
      return { ...upload, uploadId, parts: [{ partNumber: 1, etag }] }
    }
    const busy = refusal('500 Internal Server Error', 'InternalError')
    const waiting = await begin()
    fault = once(busy)
    await storage.completeMultipartUpload(waiting)
    const over = await begin()
    await storage.abortMultipartUpload(over)
    fault = once(busy)
    await fails(storage.completeMultipartUpload(over), 'NoSuchUpload')
    const conditional = { ...(await begin()), condition: { ifNoneMatch: '*' as const } }
    heads = []
    fault = once(busy)
    await fails(storage.completeMultipartUpload(conditional), 'ServiceUnavailable')
    assert.deepEqual(
      heads.map((head) => head.split(' ')[0]),
      ['POST', 'GET'],
    )
  })

  it('of no second Complete, by a server that says yes to all of them, are seen by a HEAD, there alone', async () => {
    const etag = '0'.repeat(32)
    const yes = (header: string) =>
      once(
        answer(
          document(
            `<CompleteMultipartUploadResult><ETag>"${etag}"</ETag></CompleteMultipartUploadResult>`,
          ).replace('Content-Type', `${header}Content-Type`),
        ),
      )
    const complete = (key: string) =>
      storage.completeMultipartUpload({
        ...{ bucket: 'b', key, uploadId: 'u' },
        parts: [{ partNumber: 1, etag }],
      })
    fault = yes('Server: VERSITYGW\n')
    await fails(complete('not-yet-there'), 'SlowDown')
    fault = yes('Server: VERSITYGW\n')
    await fails(complete('k'), 'NoSuchUpload')
    heads = []
    fault = yes('Server: AmazonS3\n')
    assert.equal((await complete('k')).etag, etag)
    assert.equal(heads.length, 1)
  })

  it('of a storage class are of that, also where they only speak of an argument', async () => {
    fault = refusal('400 Bad Request', 'InvalidArgument')
    const attributes = { headers: {}, metadata: {}, storageClass: 'GLACIER_IR' }
    await fails(storage.createMultipartUpload({ ...name, ...attributes }), 'InvalidStorageClass')
    await fails(storage.getObject(name), 'InternalError')
  })

  it('of a HEAD, which have no document, are what a header says, and a name that cannot be a bucket is not there', async () => {
    fault = answer(
      'HTTP/1.1 400 Bad Request\nx-minio-error-code: XMinioInvalidObjectName\nContent-Length: 0\n\n',
    )
    await fails(storage.headObject(name), 'InvalidURI')
    fault = answer('HTTP/1.1 400 Bad Request\nx-minio-error-code: InvalidBucketName\nContent-Length: 0\n\n')
    await fails(storage.headBucket('b'), 'NoSuchBucket')
    await fails(storage.headObject(name), 'NoSuchBucket')
    // Or what a GET of the same says.
    const bare = answer('HTTP/1.1 400 Bad Request\nContent-Length: 0\n\n')
    const refused = refusal('400 Bad Request', 'XMinioInvalidResourceName')
    fault = (head, socket) => (head.startsWith('HEAD') ? bare : refused)(head, socket)
    await fails(storage.headObject(name), 'InvalidURI')
    assert.deepEqual(
      heads.slice(-2).map((head) => head.split(' ')[0]),
      ['HEAD', 'GET'],
    )
  })

  it('that name no region teach none', async () => {
    const error = '<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu&#10;x-evil: 1</Region></Error>'
    heads = []
    fault = answer(document(error, '400 Bad Request'))
    await assert.rejects(storage.getObject(name))
    assert.equal(heads.length, 1)
    fault = null
    assert.equal((await storage.headObject(name)).size, 300_000)
  })

  it('that name another region are signed for that one', async () => {
    const elsewhere = 'HTTP/1.1 400 Bad Request\nx-amz-bucket-region: eu-central-1\nContent-Length: 0\n\n'
    const scopes: (string | undefined)[] = []
    fault = (head, socket) => {
      scopes.push(/\/(\S+)\/s3\/aws4_request/.exec(head)?.[1]?.split('/').at(-1))
      return answer(elsewhere)(head, socket)
    }
    await assert.rejects(storage.headObject(name))
    assert.deepEqual(scopes, ['us-east-1', 'eu-central-1'])
  })
})
