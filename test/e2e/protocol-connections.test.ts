import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { openBlobs, SKIP_WITHOUT_PROC } from '../lib/open-files.ts'
import { converse, exchange, parseAnswer, type RawAnswer, send, signed } from '../lib/raw-http.ts'

const Bucket = 'connections'
const large = randomBytes(24_000_000)
let gateway: TestGateway
let bucket: TestBucket
let host: string

before(async () => {
  gateway = await startGateway({ headersTimeoutMs: 400 })
  host = new URL(gateway.endpoint).host
  bucket = await TestBucket.create(gateway.client(), Bucket)
  await bucket.put('k', 'value')
  await bucket.put('large', large)
})
after(() => gateway.close())

/** An error document of exactly that type, which names the request that its header names. */
function isError(answer: RawAnswer, status: number, code: string): void {
  assert.deepEqual([answer.status, answer.code], [status, code], answer.body)
  assert.equal(answer.headers.get('content-type'), 'application/xml')
  const id = answer.headers.get('x-amz-request-id') ?? ''
  assert.match(id, /^[0-9A-F]{16}$/)
  assert.ok(answer.body.includes(`<RequestId>${id}</RequestId>`))
}

describe('what is no request', () => {
  it('is answered like one, with a request id, and its connection is closed', async () => {
    const put = (headers: Record<string, string>) =>
      signed(gateway, { method: 'PUT', target: `/${Bucket}/bad`, body: 'x', headers })
    for (const bytes of [
      `GET /${Bucket}/k HTTP/1.1\r\n\r\n`,
      `FOO /${Bucket}/k HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
      `GET /${Bucket}/k HTTP/1.1\r\nHost: ${host}\r\nBad Name: x\r\n\r\n`,
      `GET /${Bucket}/k HTTP/1.1\r\nHost: ${host}\r\nx-a: \0\r\n\r\n`,
      put({ 'content-length': '-1' }),
      put({ 'content-length': '1x' }),
      put({ 'content-length': '99999999999999999999999999' }),
      put({ 'transfer-encoding': 'gzip' }),
      put({}).toString('latin1').replace('content-length: 1', 'content-length: 1\r\ncontent-length: 2'),
    ]) {
      const conversation = converse(gateway)
      conversation.socket.write(bytes)
      const answer = parseAnswer(await conversation.ended())
      assert.ok(answer, bytes.toString())
      isError(answer, 400, 'BadRequest')
      assert.equal(answer.headers.get('connection'), 'close')
    }
  })

  it('nor a tunnel, whose connection is closed without a word', async () => {
    const conversation = converse(gateway)
    conversation.socket.write(`CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    assert.equal(await conversation.ended(), '')
  })

  it('headers that come too slowly are a RequestTimeout', async () => {
    const conversation = converse(gateway)
    conversation.socket.write(`GET /${Bucket}/k HTTP/1.1\r\nHost: ${host}\r\n`)
    const drip = setInterval(() => conversation.socket.write('x-a: b\r\n'), 100)
    const answer = parseAnswer(await conversation.ended().finally(() => clearInterval(drip)))
    assert.ok(answer)
    isError(answer, 400, 'RequestTimeout')
  })

  it('a client that goes on sending headers beyond the limit gets to see why it was refused', async () => {
    const conversation = converse(gateway)
    const failures: string[] = []
    conversation.socket.on('error', ({ message }) => failures.push(message))
    conversation.socket.write(`GET /${Bucket}/k HTTP/1.1\r\nHost: ${host}\r\n`)
    for (let n = 0; n < 30 && !conversation.socket.destroyed; n++) {
      conversation.socket.write(`x-${n}: ${'v'.repeat(8000)}\r\n`)
      await sleep(5)
    }
    const answer = parseAnswer(await conversation.ended())
    assert.ok(answer, failures.join())
    isError(answer, 400, 'RequestHeaderSectionTooLarge')
    assert.deepEqual(failures, [])
  })
})

describe('a connection', () => {
  it('serves several requests, also sent at once, in order', async () => {
    const conversation = converse(gateway)
    conversation.socket.write(
      Buffer.concat([
        signed(gateway, { method: 'PUT', target: `/${Bucket}/pipe`, body: 'first' }),
        signed(gateway, { target: `/${Bucket}/absent` }),
        signed(gateway, { target: `/${Bucket}/k` }),
      ]),
    )
    const text = await conversation.until((received) => received.endsWith('value'))
    assert.deepEqual(
      [...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => status),
      ['200', '404', '200'],
    )
    conversation.socket.destroy()
  })

  it('serves each request when the one before is answered, and so sees what that did', async () => {
    const conversation = converse(gateway)
    const target = `/${Bucket}/turns`
    conversation.socket.write(
      Buffer.concat([
        signed(gateway, { method: 'PUT', target, body: 'x'.repeat(100_000) }),
        signed(gateway, { method: 'HEAD', target }),
        signed(gateway, { method: 'DELETE', target }),
        signed(gateway, { method: 'HEAD', target }),
        signed(gateway, { target: `/${Bucket}/k` }),
      ]),
    )
    const text = await conversation.until((received) => received.endsWith('value'))
    assert.deepEqual(
      [...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => status),
      ['200', '200', '204', '404', '200'],
    )
    conversation.socket.destroy()
  })

  it('opens no file for requests that wait', { skip: SKIP_WITHOUT_PROC }, async () => {
    const store = join(gateway.directory, 'store')
    const conversation = converse(gateway)
    conversation.socket.pause()
    const many = Array.from({ length: 50 }, () => signed(gateway, { target: `/${Bucket}/large` }))
    const before = openBlobs(store)
    conversation.socket.write(Buffer.concat(many))
    await sleep(300)
    assert.ok(openBlobs(store) - before <= 1)
    conversation.socket.destroy()
  })

  it('on which more requests wait than a client would send at once is cut', async () => {
    const conversation = converse(gateway)
    const request = `GET /${Bucket}/k HTTP/1.1\r\nHost: ${host}\r\n\r\n`
    conversation.socket.write(request.repeat(1000))
    const text = await conversation.ended()
    assert.ok(text.split('HTTP/1.1 403').length < 1000)
  })

  it('a request without a host waits for its turn to be refused', async () => {
    const conversation = converse(gateway)
    conversation.socket.write(signed(gateway, { target: `/${Bucket}/large` }))
    conversation.socket.write(`GET /${Bucket}/k HTTP/1.1\r\n\r\n`)
    const text = await conversation.ended(20_000)
    const body = Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1')
    assert.ok(body.subarray(0, large.length).equals(large))
    isError(parseAnswer(body.toString('latin1', large.length)) as RawAnswer, 400, 'BadRequest')
  })

  it('garbage behind a whole request is not answered in its place', async () => {
    const conversation = converse(gateway)
    const put = signed(gateway, { method: 'PUT', target: `/${Bucket}/before-garbage`, body: 'x' })
    conversation.socket.write(Buffer.concat([put, Buffer.from('NO REQUEST\r\n\r\n')]))
    assert.doesNotMatch(await conversation.ended(), /HTTP\/1\.1 400/)
  })

  it('that turns to garbage while an answer is under way is cut, and nothing is mixed into the answer', async () => {
    const conversation = converse(gateway)
    conversation.socket.write(signed(gateway, { target: `/${Bucket}/large` }))
    await conversation.until((received) => received.includes('\r\n\r\n'))
    conversation.socket.pause()
    conversation.socket.write('NO REQUEST\r\n\r\n')
    await sleep(100)
    conversation.socket.resume()
    const text = await conversation.ended()
    const body = Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1')
    assert.ok(body.length < large.length, 'the answer was whole before the garbage came')
    assert.ok(body.equals(large.subarray(0, body.length)))
  })

  it('a refused upload is answered at once, and may be sent to its end without a reset', async () => {
    const bytes = signed(gateway, { method: 'PUT', target: '/nowhere/x', body: large.subarray(0, 8_000_000) })
    const conversation = converse(gateway)
    const failures: string[] = []
    conversation.socket.on('error', ({ message }) => failures.push(message))
    conversation.socket.write(bytes.subarray(0, 100_000))
    const early = await conversation.until((received) => parseAnswer(received) !== null)
    isError(parseAnswer(early) as RawAnswer, 404, 'NoSuchBucket')
    for (let at = 100_000; at < bytes.length; at += 1_000_000) {
      assert.equal(conversation.socket.destroyed, false)
      conversation.socket.write(bytes.subarray(at, at + 1_000_000))
      await sleep(10)
    }
    assert.equal(await conversation.ended(), early)
    assert.deepEqual(failures, [])
  })

  it('an upload that is refused in the middle of its body may be sent to its end as well', async () => {
    const chunk = Buffer.concat([Buffer.from(`5;chunk-signature=${'0'.repeat(64)}\r\n`), large])
    const payload = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'
    const headers = { 'x-amz-decoded-content-length': String(large.length) }
    const target = `/${Bucket}/refused-midway`
    const conversation = converse(gateway)
    const failures: string[] = []
    conversation.socket.on('error', ({ message }) => failures.push(message))
    conversation.socket.write(signed(gateway, { method: 'PUT', target, body: chunk, payload, headers }))
    isError(parseAnswer(await conversation.ended()) as RawAnswer, 400, 'InvalidRequest')
    assert.deepEqual([failures, conversation.socket.writableLength], [[], 0])
  })

  it('a refused upload that never ends is cut', async () => {
    const headers = { 'content-length': '1000000' }
    const conversation = converse(gateway)
    conversation.socket.write(signed(gateway, { method: 'PUT', target: '/nowhere/x', body: 'x', headers }))
    const answer = parseAnswer(await conversation.ended(8000))
    assert.equal(answer?.code, 'NoSuchBucket')
  })

  it('is kept after an error that leaves nothing unread, and after HEAD errors without a body', async () => {
    const conversation = converse(gateway)
    for (const [method, status] of [
      ['GET', 404],
      ['HEAD', 404],
      ['GET', 404],
    ] as const) {
      const before = conversation.received().length
      conversation.socket.write(signed(gateway, { method, target: `/${Bucket}/absent` }))
      const text = await conversation.until((received) => {
        const answer = parseAnswer(received.slice(before))
        return answer !== null || (method === 'HEAD' && received.slice(before).endsWith('\r\n\r\n'))
      })
      assert.ok(text.slice(before).startsWith(`HTTP/1.1 ${status} `))
    }
    conversation.socket.destroy()
  })
})

describe('HTTP that S3 clients seldom speak', () => {
  it('an expectation other than 100-continue is taken no notice of', async () => {
    const answer = await send(gateway, {
      method: 'PUT',
      target: `/${Bucket}/expect`,
      body: 'x',
      headers: { expect: 'something-else' },
    })
    assert.equal(answer.status, 200)
    assert.equal((await bucket.read('expect')).toString(), 'x')
  })

  it('HTTP/1.0 and an offer to upgrade are served as they are', async () => {
    const bytes = signed(gateway, { target: `/${Bucket}/k` }).toString('latin1')
    assert.equal((await exchange(gateway, bytes.replace('HTTP/1.1', 'HTTP/1.0'))).body, 'value')
    const upgrade = { connection: 'upgrade', upgrade: 'websocket' }
    const answer = await send(gateway, { target: `/${Bucket}/k`, headers: upgrade })
    assert.deepEqual([answer.status, answer.body], [200, 'value'])
  })

  it('methods of HTTP that S3 has no use for are MethodNotAllowed', async () => {
    for (const method of ['PATCH', 'TRACE', 'PROPFIND', 'LOCK']) {
      for (const target of [`/${Bucket}/k`, `/${Bucket}`, '/'])
        isError(await send(gateway, { method, target }), 405, 'MethodNotAllowed')
    }
  })

  it('a preflight is refused where the bucket has no CORS rules, and without an origin', async () => {
    const preflight = `OPTIONS /${Bucket}/k HTTP/1.1\r\nHost: ${host}\r\nOrigin: http://a.test\r\nAccess-Control-Request-Method: PUT\r\n\r\n`
    isError(await exchange(gateway, preflight), 403, 'AccessForbidden')
    isError(await send(gateway, { method: 'OPTIONS', target: `/${Bucket}` }), 400, 'BadRequest')
  })

  it('an unsigned HEAD of a bucket is told its region along with the refusal', async () => {
    const answer = await exchange(gateway, `HEAD /${Bucket} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    assert.deepEqual([answer.status, answer.headers.get('x-amz-bucket-region')], [403, 'us-east-1'])
  })
})
