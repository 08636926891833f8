import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { after, afterEach, before, describe, it } from 'node:test'
import type { Storage } from '../../src/storage/storage.ts'
import { type S3Server, startS3Server } from '../emulators/s3-server.ts'
import { oneChunk } from '../lib/bytes.ts'
import { openStoreBefore } from '../lib/s3-storage.ts'

const bucket = 'many'
let server: S3Server
let storage: Storage
/** What DeleteObjects answers, instead of doing it. */
let answer: { status: number; body: string } | null = null

before(async () => {
  const intercept = (name: string, _: unknown, response: ServerResponse) => {
    if (name !== 'DeleteObjects' || answer === null) return false
    response.writeHead(answer.status, { 'content-type': 'application/xml', connection: 'close' })
    response.end(answer.body)
    return true
  }
  server = await startS3Server({ intercept })
  storage = await openStoreBefore(server)
  await storage.createBucket(bucket)
})
afterEach(() => {
  answer = null
})
after(async () => {
  await storage.close()
  await server.close()
})

async function fill(keys: readonly string[]): Promise<void> {
  const attributes = { headers: {}, metadata: {}, storageClass: 'STANDARD' }
  const put = (key: string) =>
    server.storage.putObject({ bucket, key, ...attributes, size: 1, body: oneChunk('x') })
  await Promise.all(keys.map(put))
}

async function left(): Promise<readonly string[]> {
  const request = { bucket, prefix: '', delimiter: '', startAfter: '', maxKeys: 1000 }
  return (await server.storage.listObjects(request)).objects.map(({ key }) => key)
}

async function calls(keys: readonly string[]): Promise<string[]> {
  server.counted()
  const [failed] = (await storage.removeObjects?.(bucket, keys))?.values() ?? []
  if (failed !== undefined) throw failed
  return server.counted()
}

describe('many objects removed from an S3 server', () => {
  const keys = Array.from({ length: 1500 }, (_, index) => `v1/p/${String(index).padStart(5, '0')}.a_b-c`)

  it('are one call for 1000 of them, absent ones among them', async () => {
    await fill(['kept', ...keys.slice(0, 1400)])
    assert.deepEqual(await calls(keys), ['DeleteObjects', 'DeleteObjects'])
    assert.deepEqual(await left(), ['kept'])
    assert.deepEqual(await calls([]), [])
    assert.deepEqual(await calls(['kept']), ['DeleteObject'])
  })

  it('are as many calls where names need care, or the server does not know how', async () => {
    const awkward = ['a&b', 'c<"d>\'', 'é/🔑 %41+b', '\u0001', ' e ']
    await fill(awkward)
    assert.deepEqual(await calls(awkward), ['DeleteObjects', 'DeleteObject', 'DeleteObject'])
    assert.deepEqual(await left(), [])
    for (const [status, code] of [
      [501, 'NotImplemented'],
      [405, 'MethodNotAllowed'],
      [400, 'MalformedXML'],
    ] as const) {
      await fill(['a', 'b', 'c'])
      answer = { status, body: `<Error><Code>${code}</Code></Error>` }
      assert.deepEqual(await calls(['a', 'b', 'c']), ['DeleteObjects', ...Array(3).fill('DeleteObject')])
      assert.deepEqual(await left(), [])
    }
  })

  it('fail if one of them was not removed, and if the server was not there', async () => {
    const error = (code: string) =>
      `<DeleteResult><Error><Key>a</Key><Code>${code}</Code><Message>of the store</Message></Error></DeleteResult>`
    answer = { status: 200, body: error('AccessDenied') }
    await assert.rejects(calls(['a', 'b']), { kind: 'AccessDenied' })
    const failures = await storage.removeObjects?.(bucket, ['a', 'b'])
    assert.deepEqual(
      [...(failures ?? [])].map(([key, { kind }]) => [key, kind]),
      [['a', 'AccessDenied']],
    )
    await assert.rejects(calls(['b', 'c']), { kind: 'ServiceUnavailable' })
    answer = { status: 200, body: error('NoSuchKey') }
    await calls(['a', 'b'])
    answer = { status: 200, body: '<Error><Code>SlowDown</Code></Error>' }
    await assert.rejects(calls(['a', 'b']), { kind: 'SlowDown' })
    answer = { status: 200, body: 'nothing of the kind' }
    await assert.rejects(calls(['a', 'b']), { kind: 'ServiceUnavailable' })
  })
})
