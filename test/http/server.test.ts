import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { createHttpServer, drain } from '../../src/http/index.ts'
import { createLog } from '../../src/telemetry/log.ts'

test('oversized headers get an S3-shaped answer, and drain ends the server', async () => {
  const limits = { maxHeaderBytes: 16384, headersTimeoutMs: 5000, idleTimeoutMs: 5000, maxConnections: 10 }
  const server = createHttpServer({ handler: (_, response) => void response.end('ok'), limits })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  assert.equal(await (await fetch(url)).text(), 'ok')
  const answer = await fetch(url, { headers: { x: 'a'.repeat(20000) } })
  assert.equal(answer.status, 400)
  assert.match(await answer.text(), /RequestHeaderSectionTooLarge/)
  await drain(server, 1000)
  assert.equal(server.listening, false)
})

test('a connection too many is told to slow down, and one that comes when another went is served', async () => {
  const limits = { maxHeaderBytes: 16384, headersTimeoutMs: 5000, idleTimeoutMs: 7000, maxConnections: 2 }
  const server = createHttpServer({ handler: (_, response) => void response.end('ok'), limits })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const request = (method: string, body = '') =>
    `${method} / HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  /** A connection, what came back on its first request, and its end. */
  const ask = async (text: string) => {
    const socket = connect(port, '127.0.0.1')
    const ended = once(socket, 'close')
    socket.on('error', () => undefined)
    socket.write(text)
    let answer = ''
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      answer += String(chunk)
      if (/ok|<\/Error>$/.test(answer)) break
    }
    return { socket, answer, ended }
  }
  const [first, second] = [await ask(request('GET')), await ask(request('GET'))]
  assert.match(first.answer, /^HTTP\/1.1 200/)
  assert.match(first.answer, /\r\nKeep-Alive: timeout=7\r\n/i)
  for (const text of [request('GET'), request('PUT', 'x'.repeat(100_000))]) {
    const third = await ask(text)
    assert.match(third.answer, /^HTTP\/1.1 503 Service Unavailable\r\n/)
    assert.match(third.answer, /retry-after: 1\r\n[\s\S]*<Code>SlowDown<\/Code>/)
    third.socket.end()
    await third.ended
  }
  second.socket.destroy()
  await second.ended
  await setTimeout(50)
  const fourth = await ask(request('GET'))
  assert.match(fourth.answer, /^HTTP\/1.1 200/)
  for (const { socket } of [first, fourth]) socket.destroy()
  await drain(server, 1000)
})

test('the log never shows a secret', () => {
  let out = ''
  const log = createLog('info', {
    write: (line) => {
      out += line
    },
  })
  log.info({ headers: { authorization: 'hush' }, secretAccessKey: 'hush', a: { b: { signature: 'hush' } } })
  assert.match(out, /redacted/)
  assert.doesNotMatch(out, /hush/)
})
