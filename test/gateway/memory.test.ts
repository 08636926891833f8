/** What is held in memory does not grow with what clients send, nor with how many of them are slow. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { getObject } from '../../src/gateway/get-object.ts'
import { systemObjects } from '../../src/gateway/system-bucket.ts'
import { uploadPrefix } from '../../src/gateway/upload-state.ts'
import type { PutObjectRequest, Storage } from '../../src/storage/storage.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { FaultyStorage } from '../lib/faults.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { converse, signed } from '../lib/raw-http.ts'

const Bucket = 'memory'
const faults = new FaultyStorage()
/** Bytes that have reached the system bucket. */
let arrived = 0
let gateway: TestGateway
let bucket: TestBucket

before(async () => {
  gateway = await startGateway({ wrap: (storage) => counting(faults.wrap(storage)) })
  bucket = await TestBucket.create(gateway.client(), Bucket)
})
after(() => gateway.close())

function counting(storage: Storage): Storage {
  return new Proxy(storage, {
    get(target, name: keyof Storage) {
      const value = target[name]
      if (name !== 'putObject') return typeof value === 'function' ? value.bind(target) : value
      return (request: PutObjectRequest) => {
        if (request.bucket !== 'sealgate-system') return target.putObject(request)
        return target.putObject({ ...request, body: counted(request.body) })
      }
    },
  })
}

async function stateOf(prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of systemObjects(gateway.gateway, prefix)) keys.push(key)
  return keys
}

async function* counted(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    arrived += chunk.length
    yield chunk
  }
}

describe('a part that waits for the footer', () => {
  let ended = ''
  it('goes on to the store while it is being sent', async () => {
    const id = await bucket.begin('part')
    const body = randomBytes(2_000_000)
    const target = `/${Bucket}/part?partNumber=1&uploadId=${id}`
    const bytes = signed(gateway, { method: 'PUT', target, body })
    const conversation = converse(gateway)
    arrived = 0
    conversation.socket.write(bytes.subarray(0, bytes.length - 500_000))
    for (let n = 0; n < 100 && arrived < 1_400_000; n++) await sleep(20)
    assert.ok(arrived >= 1_400_000)
    conversation.socket.write(bytes.subarray(bytes.length - 500_000))
    const answer = await conversation.until((received) => received.includes('\r\n\r\n'))
    conversation.socket.destroy()
    const ETag = /etag: (.*)\r\n/.exec(answer)?.[1]
    await bucket.complete('part', id, [{ PartNumber: 1, ETag }])
    assert.ok((await bucket.read('part')).equals(body))
  })

  it('leaves nothing behind when its upload ended while it was sent', async () => {
    const id = await bucket.begin('ended')
    faults.once('putObject', async (call) => {
      const stored = await call()
      await gateway.storage.abortMultipartUpload({ bucket: Bucket, key: 'ended', uploadId: id })
      return stored
    })
    await fails(bucket.send('ended', id, 1, randomBytes(70_000)), 'NoSuchUpload', 404)
    const prefix = uploadPrefix({ bucket: Bucket, uploadId: id })
    assert.deepEqual(await stateOf(prefix), [`${prefix}init`])
    ended = prefix
  })

  it('leaves nothing behind when it is replaced, and the upload completed', async () => {
    const sizes = [0, 65_536, 65_537, 1_000_000]
    for (const size of sizes) {
      const id = await bucket.begin('sizes')
      const body = randomBytes(size)
      const parts = [
        await bucket.send('sizes', id, 1, randomBytes(size)),
        await bucket.send('sizes', id, 1, body),
      ]
      await fails(bucket.complete('sizes', id, parts.slice(0, 1)), 'InvalidPart', 400)
      await bucket.complete('sizes', id, parts.slice(1))
      assert.ok((await bucket.read('sizes')).equals(body))
    }
    const left = await stateOf(`v1/mpu/${Bucket}/`)
    assert.deepEqual(
      left.filter((key) => !key.endsWith('/done') && !key.startsWith(ended)),
      [],
    )
  })
})

describe('objects that are read whole before they are answered', () => {
  const input = { bucket: Bucket, key: 'k', conditions: {}, checksums: true }
  const body = randomBytes(300_000)
  const wholeReads = () => gateway.gateway.wholeReads
  const everything = () => {
    const bytes = 64 * 1024 * 1024
    const all = wholeReads().take(bytes)
    if (all) wholeReads().giveBack(bytes)
    return all
  }
  before(() => bucket.put('k', body))

  it('take of a budget until the last byte is out, or the answer is given up', async () => {
    const read = await getObject(gateway.gateway, input)
    assert.equal(everything(), false)
    assert.ok((await collect(read.body)).equals(body))
    assert.equal(everything(), true)
    const givenUp = await getObject(gateway.gateway, input)
    assert.equal(everything(), false)
    await givenUp.body[Symbol.asyncIterator]().return?.()
    assert.equal(everything(), true)
  })

  it('give back what they took when they cannot be opened', async () => {
    await bucket.put('empty', '')
    assert.equal(
      (await collect((await getObject(gateway.gateway, { ...input, key: 'empty' })).body)).length,
      0,
    )
    faults.once('getObject', async (call) => {
      const answer = (await call()) as Awaited<ReturnType<Storage['getObject']>>
      const bytes = await collect(answer.body)
      bytes.writeUInt8(bytes.readUInt8(9) ^ 1, 9)
      const flipped = { destroy: () => undefined, [Symbol.asyncIterator]: () => counted(chunk(bytes)) }
      return { ...answer, body: flipped }
    })
    await assert.rejects(getObject(gateway.gateway, input), { kind: 'ObjectIntegrityError' })
    assert.equal(everything(), true)
  })

  it('pass in a stream when the budget is used up, verified as well', async () => {
    const bytes = 64 * 1024 * 1024
    assert.ok(wholeReads().take(bytes))
    try {
      const read = await getObject(gateway.gateway, input)
      assert.equal(read.checksums.length, 1)
      assert.ok((await collect(read.body)).equals(body))
    } finally {
      wholeReads().giveBack(bytes)
    }
  })
})

async function* chunk(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const bytes of body) chunks.push(bytes)
  return Buffer.concat(chunks)
}
