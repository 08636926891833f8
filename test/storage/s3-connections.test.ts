/** Connections of the s3 store: trust by TLS, time limits before a request is out, the pace of either side, and both ends of a break. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createServer as createTlsServer } from 'node:tls'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { isError } from '../../src/errors.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { UNPROBED } from '../../src/storage/wire/capabilities.ts'
import type { TlsOptions } from '../../src/storage/wire/connections.ts'
import { type S3Server, startS3Server } from '../emulators/s3-server.ts'
import { CERTIFICATE, COS_CERTIFICATE, COS_PRIVATE_KEY, PRIVATE_KEY } from '../emulators/tls.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { collect, oneChunk } from '../lib/bytes.ts'
import { startGateway } from '../lib/gateway.ts'
import { openStoreBefore } from '../lib/s3-storage.ts'

const MIB = 1024 * 1024
const DATA = randomBytes(48 * MIB)
const PIECES = 48
const name = { bucket: 'b', key: 'k' }
let server: S3Server
before(async () => {
  server = await startS3Server()
  await server.storage.createBucket('b')
  await server.storage.putObject({ ...name, ...attributes, size: DATA.length, body: oneChunk(DATA) })
})
after(() => server.close())

const attributes = { headers: { 'content-type': 'a/b' }, metadata: {}, storageClass: 'STANDARD' }
const unavailable = (error: unknown) => isError(error, 'ServiceUnavailable')
const portOf = (listening: Server) => (listening.address() as AddressInfo).port
const listen = (listening: Server) =>
  new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', () => resolve()))

/** Between the store and the server: counts what passes, holds it up, and breaks off. */
class Between {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  up = 0
  down = 0
  #isHeld = false

  constructor(to: string, listener: (onSocket: (socket: Socket) => void) => Server = createServer) {
    const port = Number(new URL(to).port)
    this.#server = listener((socket) => {
      const onward = connect(port, '127.0.0.1')
      this.#sockets.add(socket)
      if (this.#isHeld) socket.pause()
      socket.on('data', (bytes) => {
        this.up += bytes.length
        if (!onward.write(bytes)) socket.pause()
      })
      onward.on('drain', () => !this.#isHeld && socket.resume())
      onward.on('data', (bytes) => {
        this.down += bytes.length
        if (!socket.write(bytes)) onward.pause()
      })
      socket.on('drain', () => onward.resume())
      socket.on('close', () => this.#sockets.delete(socket) && onward.destroy()).on('error', () => undefined)
      onward.on('close', () => socket.destroy()).on('error', () => undefined)
    })
  }

  static async start(...given: ConstructorParameters<typeof Between>): Promise<Between> {
    const between = new Between(...given)
    await listen(between.#server)
    return between
  }

  get port(): number {
    return portOf(this.#server)
  }

  get open(): number {
    return this.#sockets.size
  }

  hold(isHeld: boolean): void {
    this.#isHeld = isHeld
    for (const socket of this.#sockets) isHeld ? socket.pause() : socket.resume()
  }

  break(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async close(): Promise<void> {
    this.break()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** What a count comes to when nothing has been added for a while. */
async function settled(count: () => number): Promise<number> {
  for (let last = -1; ; ) {
    if (last > 0 && count() === last) return last
    last = count()
    await sleep(150)
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 10) {
    assert.ok(waited < 10_000, 'it does not come to that')
    await sleep(10)
  }
}

function inPieces(onPiece: (index: number) => void | Promise<void>): () => AsyncGenerator<Buffer> {
  return async function* () {
    for (let index = 0; index < PIECES; index++) {
      await onPiece(index)
      yield DATA.subarray(index * MIB, (index + 1) * MIB)
    }
  }
}

describe('a store by TLS', () => {
  type Open = (tls: TlsOptions) => Promise<Storage>
  const withTls = async (isAsked: boolean, run: (open: Open) => Promise<void>) => {
    const options = { cert: CERTIFICATE, key: PRIVATE_KEY, ca: CERTIFICATE, requestCert: isAsked }
    const between = await Between.start(server.endpoint, (onSocket) =>
      createTlsServer(options, onSocket).on('tlsClientError', () => undefined),
    )
    try {
      await run((tls) => openStoreBefore(server, { endpoint: `https://127.0.0.1:${between.port}`, tls }))
    } finally {
      await between.close()
    }
  }

  it('is trusted by the authority that is configured, and by no other', async () => {
    await withTls(false, async (open) => {
      for (const tls of [{}, { ca: COS_CERTIFICATE }]) await assert.rejects(open(tls), unavailable)
      const storage = await open({ ca: CERTIFICATE })
      assert.equal((await storage.headObject(name)).size, DATA.length)
      await storage.close()
    })
  })

  it('that asks for a certificate is shown that of the gateway, and lets no other in', async () => {
    await withTls(true, async (open) => {
      const stranger = { cert: COS_CERTIFICATE, key: COS_PRIVATE_KEY }
      for (const tls of [{}, stranger]) await assert.rejects(open({ ca: CERTIFICATE, ...tls }), unavailable)
      const storage = await open({ ca: CERTIFICATE, cert: CERTIFICATE, key: PRIVATE_KEY })
      assert.equal((await storage.headObject(name)).size, DATA.length)
      await storage.close()
    })
  })
})

describe('a store that cannot be reached', () => {
  it('is given up when nobody is there, and when the handshake of TLS goes unanswered', async () => {
    const mute = createServer((socket) => void socket.on('error', () => undefined).resume())
    await listen(mute)
    const port = portOf(mute)
    const connectTimeoutMs = 200
    const handshake = openStoreBefore(server, { endpoint: `https://127.0.0.1:${port}`, connectTimeoutMs })
    await assert.rejects(handshake, unavailable)
    await new Promise((resolve) => mute.close(resolve))
    const nobody = openStoreBefore(server, { endpoint: `http://127.0.0.1:${port}`, connectTimeoutMs })
    await assert.rejects(nobody, unavailable)
  })

  it('as all its connections are busy, is waited for no longer than for a connection', async () => {
    // Nothing is probed: that is many requests at once, which one connection takes one by one.
    const storage = await openStoreBefore(server, {
      maxConnections: 1,
      connectTimeoutMs: 500,
      known: UNPROBED,
    })
    const { body } = await storage.getObject(name)
    await assert.rejects(storage.headObject(name), (error: unknown) => {
      assert.ok(isError(error, 'ServiceUnavailable'))
      assert.match(error.reason ?? '', /no connection/)
      return true
    })
    assert.ok((await collect(body)).equals(DATA))
    assert.equal((await storage.headObject(name)).size, DATA.length)
    await storage.close()
  })
})

describe('bytes on their way', () => {
  let between: Between
  let storage: Storage
  before(async () => {
    between = await Between.start(server.endpoint)
    storage = await openStoreBefore(server, { endpoint: `http://127.0.0.1:${between.port}` })
  })
  afterEach(() => between.hold(false))
  after(async () => {
    await storage.close()
    await between.close()
  })

  it('to a store that takes none are asked of nobody, and come when it goes on', async () => {
    let asked = 0
    const body = inPieces((index) => {
      asked = index + 1
      if (index === 1) between.hold(true)
    })
    const put = storage.putObject({ bucket: 'b', key: 'up', ...attributes, size: DATA.length, body: body() })
    assert.ok((await settled(() => asked)) < PIECES / 2)
    between.hold(false)
    await put
    assert.equal(asked, PIECES)
    const stored = await server.storage.getObject({ bucket: 'b', key: 'up' })
    assert.ok((await collect(stored.body)).equals(DATA))
  })

  it('to a reader that takes none are not fetched, and come when it goes on', async () => {
    const before = between.down
    const { body } = await storage.getObject(name)
    assert.ok((await settled(() => between.down - before)) < DATA.length / 2)
    assert.ok((await collect(body)).equals(DATA))
  })
})

describe('a break at one end', () => {
  const withGateway = async (run: (bucket: TestBucket, between: Between) => Promise<void>) => {
    const between = await Between.start(server.endpoint)
    const store = await openStoreBefore(server, { endpoint: `http://127.0.0.1:${between.port}` })
    const gateway = await startGateway({ store })
    try {
      await run(
        await TestBucket.create(gateway.client(), `breaks-${randomBytes(4).toString('hex')}`),
        between,
      )
    } finally {
      await gateway.close()
      await between.close()
    }
  }
  const command = (bucket: TestBucket, body: AsyncIterable<Buffer>) =>
    new PutObjectCommand({
      Bucket: bucket.name,
      Key: 'half',
      Body: Readable.from(body, { objectMode: false }),
      ContentLength: DATA.length,
    })

  it('of a client that reads ends its request at the store', async () => {
    await withGateway(async (bucket, between) => {
      await bucket.put('k', DATA)
      const idle = between.open
      const { Body } = await bucket.s3.send(new GetObjectCommand({ Bucket: bucket.name, Key: 'k' }))
      assert.ok(Body instanceof Readable)
      await settled(() => between.down)
      const passed = between.down
      Body.destroy()
      await until(() => between.open < idle)
      assert.ok(between.down - passed < DATA.length / 2)
    })
  })

  it('of a client that writes ends its request at the store, and nothing is stored', async () => {
    await withGateway(async (bucket, between) => {
      const idle = between.open
      const gone = new AbortController()
      let isUnderWay = false
      const body = inPieces(async (index) => {
        if (index < PIECES / 2) return
        isUnderWay = between.up > MIB
        gone.abort()
        await sleep(20)
      })
      await assert.rejects(bucket.s3.send(command(bucket, body()), { abortSignal: gone.signal }))
      assert.ok(isUnderWay)
      await until(() => between.open < idle)
      await fails(bucket.read('half'), 'NoSuchKey', 404)
    })
  })

  it('of the store while it is read breaks the answer, and never ends it', async () => {
    await withGateway(async (bucket, between) => {
      await bucket.put('k', DATA)
      const { Body } = await bucket.s3.send(new GetObjectCommand({ Bucket: bucket.name, Key: 'k' }))
      assert.ok(Body instanceof Readable)
      await settled(() => between.down)
      between.break()
      await assert.rejects(collect(Body), { code: 'ECONNRESET' })
    })
  })

  it('of the store while it is written to is told to the client, which need not send the rest', async () => {
    await withGateway(async (bucket, between) => {
      let asked = 0
      const body = inPieces(async (index) => {
        asked = index
        if (index !== PIECES / 4) return
        await until(() => between.up > MIB)
        between.break()
        await sleep(100)
      })
      await fails(bucket.s3.send(command(bucket, body())), 'ServiceUnavailable', 503)
      assert.ok(asked < PIECES / 2)
      await fails(bucket.read('half'), 'NoSuchKey', 404)
    })
  })
})
