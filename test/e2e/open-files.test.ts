import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { StoredObject } from '../../src/storage/storage.ts'
import { fails, TestBucket } from '../lib/bucket.ts'
import { FaultyStorage } from '../lib/faults.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { openBlobs, SKIP_WITHOUT_PROC } from '../lib/open-files.ts'
import { converse, type RawRequest, send, signed } from '../lib/raw-http.ts'

const Bucket = 'files'
/** Too large to be read at once, so that a file is open while it is answered. */
const large = randomBytes(3_000_000)
let gateway: TestGateway
let bucket: TestBucket
const faults = new FaultyStorage()
let tamper: (object: StoredObject) => StoredObject = (object) => object

before(async () => {
  gateway = await startGateway({
    wrap: (storage) =>
      new Proxy(faults.wrap(storage), {
        get(target, name) {
          const value: unknown = Reflect.get(target, name)
          if (name === 'getObject')
            return async (request: Parameters<typeof target.getObject>[0]) => {
              const result = await target.getObject(request)
              return { ...result, object: tamper(result.object) }
            }
          return typeof value === 'function' ? value.bind(target) : value
        },
      }),
  })
  bucket = await TestBucket.create(gateway.client(), Bucket)
  await bucket.put('large', large)
})
after(() => gateway.close())

const get = (query = '', headers: RawRequest['headers'] = {}): RawRequest => ({
  target: `/${Bucket}/large${query}`,
  headers,
})

async function noneIsOpen(): Promise<void> {
  const store = join(gateway.directory, 'store')
  for (let n = 0; n < 40 && openBlobs(store) > 0; n++) await sleep(25)
  assert.equal(openBlobs(store), 0)
}

/** Several times, because the garbage collector closes one or the other by itself. */
async function often(status: number, request: RawRequest): Promise<void> {
  for (let n = 0; n < 10; n++) assert.equal((await send(gateway, request)).status, status)
  await noneIsOpen()
}

describe('no file of the store stays open', { skip: SKIP_WITHOUT_PROC }, () => {
  it('behind an answer to a parameter that is refused', async () => {
    await often(400, get('?response-content-type=a%0D%0Ab'))
    await often(400, get('?response-expires=a&response-expires=b'))
    await often(400, get('?partNumber=1', { range: 'bytes=0-1' }))
  })

  it('behind conditions and ranges that do not hold', async () => {
    await often(304, get('', { 'if-none-match': '*' }))
    await often(412, get('', { 'if-match': '"x"' }))
    await often(416, get('', { range: 'bytes=3000000-' }))
    await often(416, get('?partNumber=2'))
  })

  it('behind an answer that the store made impossible to send', async () => {
    tamper = (object) => ({ ...object, storageClass: 'a\r\nb' })
    try {
      await often(500, get())
    } finally {
      tamper = (object) => object
    }
  })

  it('behind a Complete whose upload ended before its last part could be joined', async () => {
    for (let n = 0; n < 10; n++) {
      const id = await bucket.begin('ended')
      const part = await bucket.send('ended', id, 1, large)
      faults.once('uploadPart', async (call) => {
        await gateway.storage.abortMultipartUpload({ bucket: Bucket, key: 'ended', uploadId: id })
        return call()
      })
      await fails(bucket.complete('ended', id, [part]), 'NoSuchUpload', 404)
    }
    await noneIsOpen()
  })

  it('behind a client that goes away, before or after the first byte', async () => {
    for (const ms of [0, 1, 5, 20, 50]) {
      for (const request of [
        get(),
        get('', { range: 'bytes=5-' }),
        get('', { 'x-amz-checksum-mode': 'ENABLED' }),
      ]) {
        const conversation = converse(gateway)
        conversation.socket.write(signed(gateway, request))
        if (ms === 50) await conversation.until((received) => received.includes('\r\n\r\n'))
        else await sleep(ms)
        conversation.socket.destroy()
      }
    }
    await noneIsOpen()
  })
})
