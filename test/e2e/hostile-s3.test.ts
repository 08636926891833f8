/**
 * An S3 server that lies on its wire, in every way that this file thinks of: what a client gets is right or an error, and nothing that the
 * server made up reaches anybody.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, afterEach, before, describe, it } from 'node:test'
import {
  CopyObjectCommand,
  GetObjectAttributesCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { type S3Server, startS3Server } from '../emulators/s3-server.ts'
import { TestBucket } from '../lib/bucket.ts'
import { collect } from '../lib/bytes.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { send } from '../lib/raw-http.ts'
import { openStoreBefore } from '../lib/s3-storage.ts'

const MIB = 1024 * 1024
const Bucket = 'lied-about'

/** What the server answers: headers and bytes as they go on its wire. */
interface Answer {
  status: number
  headers: Record<string, string>
  bytes: Buffer
}

/** What is asked of the server, as far as lies care. */
interface Asked {
  readonly name: string
  readonly key: string
  /** As it came. */
  readonly range: string | undefined
  readonly pinned: boolean
}

/** Changes the honest answer, or gives another; null is the honest one. */
type Lie = (asked: Asked, honest: () => Promise<Answer>) => Promise<Answer | null> | Answer | null

let lie: Lie = () => null
let lies = 0
let server: S3Server
let gateway: TestGateway
let s3: S3Client
let bucket: TestBucket
const contents = new Map<string, Buffer>()

before(async () => {
  server = await startS3Server({ intercept })
  const store = await openStoreBefore(server, {
    systemBucket: 'sealgate-system',
    idleTimeoutMs: 800,
    answerTimeoutMs: 5000,
  })
  gateway = await startGateway({ store })
  s3 = gateway.client({ responseChecksumValidation: 'WHEN_REQUIRED' })
  bucket = await TestBucket.create(s3, Bucket)
  for (const [key, size] of [
    ['small', 1000],
    ['small-2', 1000],
    ['large', 3 * MIB],
    ['large-2', 3 * MIB],
  ] as const) {
    contents.set(key, randomBytes(size))
    await bucket.put(key, contents.get(key) ?? '', { Metadata: { of: key } })
  }
  for (const key of ['parts', 'parts-2']) {
    const parts = [randomBytes(5 * MIB + 7), randomBytes(100)]
    contents.set(key, Buffer.concat(parts))
    await bucket.putParts(key, parts)
  }
})
afterEach(() => {
  lie = () => null
  lies = 0
})
after(async () => {
  await gateway.close()
  await server.close()
})

function intercept(name: string, request: IncomingMessage, response: ServerResponse): boolean {
  const [path = '', query = ''] = (request.url ?? '').split('?')
  const [, of, key = ''] = /^\/([^/]+)\/?(.*)$/.exec(path) ?? []
  if (of !== Bucket || !/^(Get|Head)Object$|^ListObjectsV2$/.test(name) || query.includes('uploadId'))
    return false
  const range = request.headers.range
  const asked = { name, key, range, pinned: request.headers['if-match'] !== undefined }
  const answer = async () => {
    const told = await lie(asked, () => honest(asked))
    if (told !== null) lies += 1
    const { status, headers, bytes } = told ?? (await honest(asked))
    response.writeHead(status, headers)
    response.end(name === 'HeadObject' ? undefined : bytes)
  }
  if (name === 'ListObjectsV2') {
    const told = lie(asked, () => honest(asked))
    if (told === null || told instanceof Promise) return false
    lies += 1
    response.writeHead(told.status, told.headers)
    response.end(told.bytes)
    return true
  }
  answer().catch(() => response.destroy())
  return true
}

/** What an honest server answers about an object. */
async function honest({ name, key, range }: Pick<Asked, 'name' | 'key' | 'range'>): Promise<Answer> {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(range ?? '') ?? []
  const suffix = from === '' ? { suffix: Number(to) } : { start: Number(from), end: Number(to) }
  const asked = { bucket: Bucket, key, ...(range === undefined ? {} : { range: suffix }) }
  const { object, start, end, body } = await server.storage.getObject(asked)
  const bytes = await collect(body)
  const metadata = Object.entries(object.metadata).map(([field, value]) => [`x-amz-meta-${field}`, value])
  return {
    status: range === undefined ? 200 : 206,
    headers: {
      ...object.headers,
      ...(Object.fromEntries(metadata) as Record<string, string>),
      etag: `"${object.etag}"`,
      'last-modified': new Date(object.lastModified).toUTCString(),
      'content-length': String(name === 'HeadObject' ? object.size : bytes.length),
      ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${object.size}` }),
    },
    bytes,
  }
}

/** Every way in which bytes or words of an object reach a client. */
const reads: Record<string, (key: string, truth: Buffer) => Promise<void>> = {
  'a whole read': async (key, truth) => assert.ok((await bucket.read(key)).equals(truth)),
  'the beginning': async (key, truth) =>
    assert.ok((await bucket.read(key, { Range: 'bytes=0-99' })).equals(truth.subarray(0, 100))),
  'the end': async (key, truth) =>
    assert.ok((await bucket.read(key, { Range: 'bytes=-50' })).equals(truth.subarray(-50))),
  'an open range': async (key, truth) =>
    assert.ok((await bucket.read(key, { Range: 'bytes=900-' })).equals(truth.subarray(900))),
  'a HEAD': async (key, truth) => {
    const { ContentLength, Metadata } = await s3.send(new HeadObjectCommand({ Bucket, Key: key }))
    assert.equal(ContentLength, truth.length)
    assert.ok(Metadata?.['of'] === undefined || Metadata['of'] === key)
  },
  attributes: async (Key, truth) => {
    const wanted = { Bucket, Key, ObjectAttributes: ['ObjectSize' as const] }
    const { ObjectSize } = await s3.send(new GetObjectAttributesCommand(wanted))
    assert.equal(ObjectSize, truth.length)
  },
  'a copy': async (key, truth) => {
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/${key}` }))
    await truthfully(async () => assert.ok((await bucket.read('copy')).equals(truth)))
  },
  'a part of a copy': async (key, truth) => {
    const id = await bucket.begin('copied-part')
    const CopySource = `${Bucket}/${key}`
    const part = { Bucket, Key: 'copied-part', UploadId: id, PartNumber: 1, CopySource }
    const { CopyPartResult } = await s3.send(new UploadPartCopyCommand(part))
    await truthfully(async () => {
      await bucket.complete('copied-part', id, [{ PartNumber: 1, ETag: CopyPartResult?.ETag }])
      assert.ok((await bucket.read('copied-part')).equals(truth))
    })
  },
}

async function truthfully(run: () => Promise<void>): Promise<void> {
  const told = lie
  lie = () => null
  await run()
  lie = told
}

/** Each read is right or an error, and never quietly another thing. Tells how many were errors. */
async function neverWrong(keys: readonly string[], told: Lie): Promise<number> {
  let refused = 0
  for (const key of keys) {
    const truth = contents.get(key)
    assert.ok(truth !== undefined)
    for (const [name, read] of Object.entries(reads)) {
      lie = told
      gateway.gateway.footers.clear()
      try {
        await read(key, truth)
      } catch (error) {
        assert.ok(!(error instanceof assert.AssertionError), `${name} of ${key}: ${String(error)}`)
        refused += 1
      }
    }
  }
  assert.ok(lies > 0, 'nothing was lied about')
  return refused
}

const KEYS = ['small', 'large', 'parts'] as const
const ALL = KEYS.length * Object.keys(reads).length

describe('a server that lies about bytes', () => {
  it('another object in the place of the one that was asked for', async () => {
    const other: Lie = (asked) => honest({ ...asked, key: `${asked.key.replace(/-2$/, '')}-2` })
    assert.equal(await neverWrong(KEYS, other), ALL)
  })

  it('the bytes of another object under the headers of the right one', async () => {
    const other: Lie = async (asked, right) => {
      if (asked.name === 'HeadObject') return null
      const [own, foreign] = [await right(), await honest({ ...asked, key: `${asked.key}-2` })]
      return { ...own, bytes: foreign.bytes }
    }
    // What needs no bytes is right.
    assert.ok((await neverWrong(KEYS, other)) >= ALL - 2 * KEYS.length)
  })

  it('two objects spliced, at the border of a segment and elsewhere', async () => {
    for (const at of [65_552, 500, 131_104 + 9]) {
      const spliced: Lie = async (asked, right) => {
        if (asked.name === 'HeadObject') return null
        const [own, foreign] = [await right(), await honest({ ...asked, key: `${asked.key}-2` })]
        if (own.bytes.length <= at) return null
        return { ...own, bytes: Buffer.concat([own.bytes.subarray(0, at), foreign.bytes.subarray(at)]) }
      }
      assert.ok((await neverWrong(['large', 'parts'], spliced)) >= 4)
    }
  })

  it('cut and extended, with lengths that fit the lie', async () => {
    for (const change of [-1, -17, -65_552, 1, 40]) {
      const other: Lie = async (asked, right) => {
        const own = await right()
        if (own.bytes.length + change <= 0) return null
        const bytes =
          change < 0 ? own.bytes.subarray(0, change) : Buffer.concat([own.bytes, Buffer.alloc(change)])
        const [, start = '0', total = ''] =
          /bytes (\d+)-\d+\/(\d+)/.exec(own.headers['content-range'] ?? '') ?? []
        const length = Number(own.headers['content-length']) + change
        const headers: Record<string, string> = { ...own.headers, 'content-length': String(length) }
        if (asked.range !== undefined)
          headers['content-range'] = `bytes ${start}-${Number(start) + length - 1}/${Number(total) + change}`
        return { ...own, headers, bytes }
      }
      await neverWrong(KEYS, other)
      lie = other
      for (const key of KEYS)
        if ((contents.get(key)?.length ?? 0) + change > 0)
          await assert.rejects(bucket.read(key), `${key} ${change}`)
    }
  })

  it('fewer bytes than it says, and more', async () => {
    for (const bytes of [(all: Buffer) => all.subarray(0, all.length >> 1), () => Buffer.alloc(0)]) {
      const short: Lie = async (asked, right) => {
        if (asked.name === 'HeadObject') return null
        const own = await right()
        return { ...own, bytes: bytes(own.bytes) }
      }
      // The rest never comes.
      lie = short
      await assert.rejects(bucket.read('small'))
      await assert.rejects(bucket.read('large', { Range: `bytes=0-${2 * MIB}` }))
    }
    const less: Lie = async (_, right) => {
      const own = await right()
      return { ...own, headers: { ...own.headers, 'content-length': String(own.bytes.length - 20) } }
    }
    lie = less
    for (const key of KEYS) await assert.rejects(bucket.read(key))
  })

  it('one part of the answer from before an overwrite, the other from after it', async () => {
    const [older, newer] = [randomBytes(2 * MIB), randomBytes(2 * MIB)]
    await bucket.putParts('stale', [older])
    const before = new Map<string, Answer>()
    for (const range of [undefined, 'bytes=-65536']) {
      const told = await honest({ name: 'GetObject', key: 'stale', range })
      before.set(String(range), told)
    }
    await bucket.putParts('stale', [newer])
    // The second call gets the older one, whatever it was pinned to.
    lie = (asked) => (asked.pinned ? (before.get(String(asked.range)) ?? null) : null)
    for (const more of [{}, { Range: 'bytes=0-99' }, { Range: 'bytes=-99' }]) {
      gateway.gateway.footers.clear()
      await assert.rejects(bucket.read('stale', more))
    }
    assert.ok(lies > 0)
  })
})

describe('a server that lies about objects', () => {
  it('plaintext in their place, or an envelope that is another’s', async () => {
    const foreign = await startGateway()
    try {
      const there = await TestBucket.create(foreign.client(), Bucket)
      await there.put('small', 'forged')
      const { object, body } = await foreign.storage.getObject({ bucket: Bucket, key: 'small' })
      const bytes = await collect(body)
      for (const [metadata, content] of [
        [{}, Buffer.from('forged')],
        [object.metadata, bytes],
        [{ sealgate: '' }, bytes],
      ] as const) {
        const forged: Lie = (asked) => {
          const fields = Object.entries(metadata).map(([name, value]) => [`x-amz-meta-${name}`, value])
          const length = { 'content-length': String(content.length) }
          const what = { etag: `"${'0'.repeat(32)}"`, 'last-modified': new Date().toUTCString() }
          return {
            status: 200,
            headers: { ...(Object.fromEntries(fields) as Record<string, string>), ...what, ...length },
            bytes: asked.name === 'HeadObject' ? Buffer.alloc(0) : content,
          }
        }
        lie = forged
        await assert.rejects(bucket.read('small'))
        await assert.rejects(s3.send(new HeadObjectCommand({ Bucket, Key: 'small' })))
        const copy = { Bucket, Key: 'copy', CopySource: `${Bucket}/small` }
        await assert.rejects(s3.send(new CopyObjectCommand(copy)))
      }
    } finally {
      await foreign.close()
    }
  })

  it('headers that it made up: none of them goes on', async () => {
    const invented: Lie = async (_, right) => {
      const own = await right()
      return {
        ...own,
        headers: {
          ...own.headers,
          'set-cookie': 'a=b',
          'access-control-allow-origin': '*',
          location: 'http://elsewhere.test/',
          'x-amz-server-side-encryption-aws-kms-key-id': 'arn:made-up',
          'x-amz-checksum-crc32': 'AAAAAA==',
          'x-amz-checksum-type': 'FULL_OBJECT',
          'x-amz-mp-parts-count': '7',
          'x-amz-restore': 'ongoing-request="false"',
          'x-amz-transfer-encoding': 'append-md5',
          'x-sealgate-plaintext': 'true',
          'x-amz-request-id': 'of-the-store',
          server: 'the-store',
        },
      }
    }
    for (const method of ['GET', 'HEAD']) {
      lie = () => null
      const plain = await send(gateway, { method, target: `/${Bucket}/small` })
      lie = invented
      const answer = await send(gateway, { method, target: `/${Bucket}/small` })
      const shown = ({ headers }: typeof answer) =>
        [...headers].filter(([name]) => !/^(date|x-amz-request-id|x-amz-id-2)$/.test(name)).sort()
      assert.deepEqual(shown(answer), shown(plain))
      assert.notEqual(answer.headers.get('x-amz-request-id'), 'of-the-store')
    }
    assert.ok(lies >= 2)
  })

  it('metadata and types that were not stored, or none of them', async () => {
    for (const change of [
      { 'content-type': 'text/html' },
      { 'x-amz-meta-of': 'another' },
      { 'x-amz-meta-more': 'x' },
      { 'content-encoding': 'gzip' },
      { 'x-amz-website-redirect-location': 'http://elsewhere.test/' },
    ]) {
      lie = async (_, right) => {
        const own = await right()
        return { ...own, headers: { ...own.headers, ...change } }
      }
      await assert.rejects(bucket.read('small'), JSON.stringify(change))
      await assert.rejects(s3.send(new HeadObjectCommand({ Bucket, Key: 'small' })))
    }
  })

  it('ETags that are none', async () => {
    for (const etag of ['', '"', '""', '"a b"', `"${'x'.repeat(200)}"`, '"é"']) {
      lie = async (_, right) => {
        const own = await right()
        return { ...own, headers: { ...own.headers, etag } }
      }
      await assert.rejects(bucket.read('small'), etag)
    }
  })
})

describe('a server that answers other than with objects', () => {
  const xml = { 'content-type': 'application/xml' }
  const list = () => s3.send(new ListObjectsV2Command({ Bucket }))

  it('lists that are bombs, nests, floods and forgeries are errors at once', async () => {
    const entities = Array.from(
      { length: 9 },
      (_, n) => `<!ENTITY e${n + 1} "${`&e${n};`.repeat(10)}">`,
    ).join('')
    const entry = (key: string, size: string) =>
      `<Contents><Key>${key}</Key><Size>${size}</Size><ETag>"${'0'.repeat(32)}"</ETag><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>`
    const result = (inner: string) =>
      `<ListBucketResult><EncodingType>url</EncodingType>${inner}</ListBucketResult>`
    const documents: Record<string, string> = {
      bomb: `<!DOCTYPE r [<!ENTITY e0 "ha">${entities}]>${result(entry('&e9;', '368'))}`,
      'an external entity': `<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>${result(entry('&x;', '368'))}`,
      nest: result('<a>'.repeat(10_000)),
      flood: result(entry('k'.repeat(1000), '368').repeat(9000)),
      'a negative size': result(entry('k', '-1')),
      'a size that is none': result(entry('k', '1e9')),
      'a list without an end': result('<IsTruncated>true</IsTruncated>'),
      'another document': '<CopyObjectResult/>',
      'a page of a proxy': '<html><body>Please log in</body></html>',
    }
    for (const [name, document] of Object.entries(documents)) {
      lie = () => ({ status: 200, headers: xml, bytes: Buffer.from(document) })
      const startedAt = performance.now()
      await assert.rejects(list(), name)
      assert.ok(performance.now() - startedAt < 10_000, name)
    }
    lie = () => null
    assert.ok(((await list()).Contents?.length ?? 0) >= 6)
  })

  it('a redirect is not followed: nothing signed goes anywhere else', async () => {
    let visits = 0
    const elsewhere = createServer((_, response) => {
      visits += 1
      response.end('gotcha')
    })
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve))
    const location = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/stolen`
    try {
      for (const status of [301, 302, 303, 307, 308]) {
        lie = () => ({ status, headers: { location, 'content-length': '0' }, bytes: Buffer.alloc(0) })
        await assert.rejects(bucket.read('small'))
        await assert.rejects(list())
        const answer = await send(gateway, { target: `/${Bucket}/small` })
        assert.ok(answer.status >= 400 && !answer.headers.has('location'), String(answer.status))
        assert.ok(!answer.body.includes('stolen'))
      }
      assert.equal(visits, 0)
    } finally {
      await new Promise((resolve) => elsewhere.close(resolve))
    }
  })

  it('words of its errors stay behind the gateway', async () => {
    const body = '<Error><Code>AccessDenied</Code><Message>arn:aws:iam::1:user/internal</Message></Error>'
    lie = () => ({ status: 403, headers: xml, bytes: Buffer.from(body) })
    const answer = await send(gateway, { target: `/${Bucket}/small` })
    assert.deepEqual([answer.status, answer.code], [403, 'AccessDenied'])
    assert.ok(!answer.body.includes('internal'))
    for (const status of [200, 201, 204, 206, 304, 404, 418, 500, 599]) {
      lie = () => ({ status, headers: { 'content-type': 'text/html' }, bytes: Buffer.from('<script>') })
      const told = await send(gateway, { target: `/${Bucket}/small` })
      assert.ok(told.status >= 400, String(status))
      assert.ok(!told.body.includes('script'))
    }
  })
})
