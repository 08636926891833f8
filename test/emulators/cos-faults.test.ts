import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type COS from 'cos-nodejs-sdk-v5'
import { cosClient } from './cos-client.ts'
import { type CosServer, startCosServer } from './cos-server.ts'

let server: CosServer
let cos: COS
let at: { readonly Bucket: string; readonly Region: string }

before(async () => {
  server = await startCosServer()
  cos = cosClient(server)
  at = { Bucket: `box-${server.appid}`, Region: server.region }
  await cos.putBucket(at)
})
after(() => server.close())
afterEach(() => {
  server.faults.clear()
  server.lagLists(0)
})

interface Outcome {
  readonly status: number
  readonly body: string
  /** It did not come to its end. */
  readonly isBroken: boolean
}

interface Sent {
  readonly headers?: Record<string, string | number>
  /** How long nothing may come before the client goes away, and how long no more. */
  readonly patienceMs?: number
  readonly quietMs?: number
}

/** One request, sent once, and what came of it; null if nothing did. */
function send(
  method: string,
  Key: string,
  body = '',
  { headers = {}, patienceMs = 20_000, quietMs = 20_000 }: Sent = {},
) {
  const url = cos.getObjectUrl({ ...at, Key, Method: method as 'GET', Expires: 60 }, () => undefined)
  const [, host = '', path = ''] = /^https?:\/\/([^/]+)(.*)$/.exec(url) ?? []
  return new Promise<Outcome | null>((resolve) => {
    const request = httpRequest({
      ...{ method, host: '127.0.0.1', port: server.port, path, agent: false },
      headers: { host, 'content-length': Buffer.byteLength(body), ...headers },
    })
    request.on('error', () => resolve(null))
    request.on('response', (response) => {
      let text = ''
      const end = (isBroken: boolean) => resolve({ status: response.statusCode ?? 0, body: text, isBroken })
      response.on('data', (chunk) => {
        text += chunk
        request.setTimeout(quietMs)
      })
      response.on('error', () => end(true))
      response.on('end', () => end(false))
    })
    request.setTimeout(patienceMs, () => request.destroy())
    request.end(body)
  })
}

const stored = (Key: string) => server.bucket(at.Bucket)?.versions(Key).length ?? 0

describe('faults of COS', () => {
  it('are refusals, and pages of what stands in front of it, that do nothing', async () => {
    server.faults.once({ kind: 'error', code: 'SlowDown' })
    assert.equal((await send('PUT', 'refused', 'x'))?.status, 503)
    server.faults.once({ kind: 'status', status: 520 })
    const page = await send('PUT', 'refused', 'x')
    assert.deepEqual([page?.status, page?.body], [520, '<html><body>gateway error</body></html>'])
    server.faults.once({ kind: 'status', status: 200, text: 'not XML' })
    assert.equal((await send('GET', 'refused'))?.body, 'not XML')
    assert.equal(stored('refused'), 0)
  })

  it('are connections that end before anything is done, or after all is', async () => {
    for (const kind of ['cut', 'reset', 'silence'] as const) {
      server.faults.once({ kind })
      assert.equal(await send('PUT', 'cut', 'x', { patienceMs: 150 }), null)
      assert.equal(stored('cut'), 0)
    }
    server.faults.once({ kind: 'lost' })
    assert.equal(await send('PUT', 'lost', 'x'), null)
    assert.equal(stored('lost'), 1)
  })

  it('are answers that end too early: by a cut, by silence, and unseen', async () => {
    await send('PUT', 'ten', '0123456789')
    for (const kind of ['half', 'stall'] as const) {
      server.faults.once({ kind })
      const outcome = await send('GET', 'ten', '', { quietMs: 200 })
      assert.deepEqual([outcome?.status, outcome?.body, outcome?.isBroken], [200, '01234', true])
    }
    server.faults.once({ kind: 'truncated' })
    const outcome = await send('GET', 'ten')
    assert.deepEqual([outcome?.body, outcome?.isBroken], ['01234', false])
    server.faults.once({ kind: 'flipped' })
    assert.equal((await send('GET', 'ten'))?.body, '1123456789')
  })

  it('leave nothing of a body that does not come to its end', async () => {
    server.faults.once({ kind: 'unread', bytes: 1 })
    assert.equal(await send('PUT', 'unread', 'x'.repeat(100_000)), null)
    // Short of its length, with the client gone.
    assert.equal(
      await send('PUT', 'short', 'half', { headers: { 'content-length': 8 }, patienceMs: 150 }),
      null,
    )
    await sleep(20)
    assert.deepEqual([stored('unread'), stored('short')], [0, 0])
  })

  it('keep other bytes than came, which their checksum tells', async () => {
    await send('PUT', 'true', '0123')
    server.faults.once({ kind: 'flipped' }, /^PutObject$/)
    await send('PUT', 'false', '0123')
    assert.equal((await send('GET', 'false'))?.body, '1123')
    const crcOf = async (Key: string) =>
      (await cos.headObject({ ...at, Key })).headers?.['x-cos-hash-crc64ecma'] as string
    assert.notEqual(await crcOf('false'), await crcOf('true'))
  })

  it('make lists lag', async () => {
    server.lagLists(600_000)
    await send('PUT', 'late', '')
    const keys = async () => (await cos.getBucket({ ...at, Prefix: 'late' })).Contents.length
    assert.equal(await keys(), 0)
    server.lagLists(0)
    assert.equal(await keys(), 1)
  })

  it('that last are met until they are cleared, by the calls they are for', async () => {
    server.faults.always({ kind: 'error', code: 'InternalError' }, /^Head/)
    for (const _ of [1, 2]) assert.equal((await send('HEAD', 'ten'))?.status, 500)
    assert.equal((await send('GET', 'ten'))?.status, 200)
    server.faults.clear()
    assert.equal((await send('HEAD', 'ten'))?.status, 200)
  })

  it('let copies answer early, with white space and then the result', async () => {
    server.faults.once({ kind: 'slow', delayMs: 120 })
    const began = performance.now()
    const CopySource = `${at.Bucket}.cos.${at.Region}.myqcloud.com/ten`
    const copied = await cos.putObjectCopy({ ...at, Key: 'slowly', CopySource })
    assert.match(copied.ETag, /^"[0-9a-f]{32}"$/)
    assert.ok(performance.now() - began >= 119)
    assert.equal(stored('slowly'), 1)
  })
})
