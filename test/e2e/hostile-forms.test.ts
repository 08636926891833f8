/** Forms of clients that nobody knows yet: what they may cost before their signature is there, and what they are told. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { GetObjectCommand } from '@aws-sdk/client-s3'
import { TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { type Fields, formBytes, formOf, postBytes, signedFields } from '../lib/html-form.ts'
import { converse, parseAnswer } from '../lib/raw-http.ts'
import { takesName } from '../lib/real-store.ts'

const Bucket = 'hostile-forms'
const IDLE_MS = 400
/** As a form writes it. */
const FILENAME = '$'.concat('{filename}')

let gateway: TestGateway
before(async () => {
  gateway = await startGateway({ idleTimeoutMs: IDLE_MS })
  await TestBucket.create(gateway.client(), Bucket)
})
after(() => gateway.close())

const signed = (key: string): Fields => [
  ['key', key],
  ...signedFields(gateway, [{ bucket: Bucket }, ['starts-with', '$key', '']]),
]

/** A form on its way, of which nothing but the head has been sent. */
function begin(length: number) {
  const conversation = converse(gateway)
  const head = `POST /${Bucket} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: ${length}\r\n\r\n`
  conversation.socket.write(head)
  return conversation
}

describe('the name of a file', () => {
  it('that makes a small form a large one is refused, wherever it is put in', async () => {
    const name = 'n'.repeat(4000)
    for (const field of ['key', 'x-amz-credential', 'x-amz-signature', 'policy', 'x-ignore-it']) {
      const fields = [...signed('large').filter(([other]) => other !== field), [field, FILENAME.repeat(1000)]]
      const form = formBytes([...(fields as Fields), ['file', 'x']]).replace('a.txt', name)
      const answer = await postBytes(gateway, { target: `/${Bucket}`, body: form })
      assert.deepEqual([answer.status, answer.code], [400, 'MaxPostPreDataLengthExceeded'], field)
      assert.ok(answer.body.length < 1000)
    }
  })

  it('with anything that a name can have is one name, and no header', async () => {
    const names = ['a;name="key"', '%0d%0aSet-Cookie: a', 'ü\u2028€𝒳', "'; DROP", '..', ' ']
    for (const name of names.filter((one) => takesName(`names/${one}`))) {
      const form = formOf(signed(`names/${FILENAME}`), 'content', name)
      const answer = await fetch(`${gateway.endpoint}/${Bucket}`, { method: 'POST', body: form })
      assert.equal(answer.status, 204, await answer.text())
      assert.equal(answer.headers.get('set-cookie'), null)
      // Quotes are sent as %22, and taken as they are sent.
      const Key = `names/${name.replaceAll('"', '%22')}`
      const { Body } = await gateway.client().send(new GetObjectCommand({ Bucket, Key }))
      assert.equal(await Body?.transformToString(), 'content')
    }
  })
})

describe('a form that comes slowly', () => {
  it('without end before its file is ended, however busy it is', async () => {
    const conversation = begin(100_000)
    const begun = performance.now()
    const sending = setInterval(() => conversation.socket.write('x'), 40)
    try {
      const text = await conversation.until((received) => parseAnswer(received) !== null)
      assert.deepEqual([parseAnswer(text)?.status, parseAnswer(text)?.code], [400, 'RequestTimeout'])
      assert.ok(performance.now() - begun >= IDLE_MS)
    } finally {
      clearInterval(sending)
      conversation.socket.destroy()
    }
  })

  it('is served once it has been signed', async () => {
    const body = formBytes([...signed('slow'), ['file', 'content of a slow file']])
    const file = body.indexOf('content of')
    const conversation = begin(body.length)
    conversation.socket.write(body.slice(0, file))
    for (let at = file; at < body.length; at += 5) {
      await sleep(IDLE_MS / 5)
      conversation.socket.write(body.slice(at, at + 5))
    }
    const text = await conversation.until((received) => parseAnswer(received) !== null)
    assert.equal(parseAnswer(text)?.status, 204)
    conversation.socket.destroy()
  })
})
