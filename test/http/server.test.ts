import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
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
