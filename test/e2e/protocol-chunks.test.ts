import assert from 'node:assert/strict'
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { crc32 } from 'node:zlib'
import { TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { exchange, type RawAnswer, send, signed } from '../lib/raw-http.ts'

const Bucket = 'chunks'
const SIGNED = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'
const UNSIGNED = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'
let gateway: TestGateway
let bucket: TestBucket

before(async () => {
  gateway = await startGateway()
  bucket = await TestBucket.create(gateway.client(), Bucket)
})
after(() => gateway.close())

const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex')
const crcOf = (bytes: Buffer): string => {
  const value = Buffer.alloc(4)
  value.writeUInt32BE(crc32(bytes))
  return value.toString('base64')
}

interface Upload {
  readonly key: string
  readonly chunks: readonly Buffer[]
  /** As announced, and as sent: name and value. */
  readonly announced?: string
  readonly trailer?: readonly [name: string, value: string]
  readonly headers?: Readonly<Record<string, string>>
  /** How HTTP says where the body ends; 'chunked' unless said. */
  readonly transfer?: 'chunked' | 'length'
  /** The line end of the trailer, and what is between it and its signature; CRLF and nothing unless said. */
  readonly trailerEnd?: string
  /** What happens to the body on its way. */
  readonly tamper?: (body: Buffer) => Buffer
}

/** A PUT in signed chunks: the signature of the request is where the chain of the chunks' begins. */
function putSigned(upload: Upload): Promise<RawAnswer> {
  const { key, chunks, trailer, trailerEnd, tamper = (body) => body } = upload
  const chunked = upload.transfer !== 'length'
  const length = frame('', chunks, trailer, trailerEnd).length
  const announced = upload.announced ?? trailer?.[0]
  const head = signed(gateway, {
    method: 'PUT',
    target: `/${Bucket}/${key}`,
    payload: trailer === undefined ? SIGNED : `${SIGNED}-TRAILER`,
    headers: {
      'content-length': chunked ? null : String(length),
      'content-encoding': 'aws-chunked',
      'transfer-encoding': chunked ? 'chunked' : null,
      'x-amz-decoded-content-length': String(Buffer.concat([...chunks]).length),
      ...(announced === undefined ? {} : { 'x-amz-trailer': announced }),
      ...upload.headers,
    },
  })
  const body = tamper(frame(head.toString('latin1'), chunks, trailer, trailerEnd))
  const size = `${body.length.toString(16)}\r\n`
  const http = chunked ? [Buffer.from(size), body, Buffer.from('\r\n0\r\n\r\n')] : [body]
  return exchange(gateway, Buffer.concat([head, ...http]))
}

function frame(
  head: string,
  chunks: readonly Buffer[],
  trailer?: readonly [string, string],
  trailerEnd = '\r\n',
): Buffer {
  const found = (pattern: RegExp): string => pattern.exec(head)?.[1] ?? ''
  const scope = found(/Credential=[^/]+\/([^,]+)/)
  const timestamp = found(/x-amz-date: (\S+)/)
  const key = scope
    .split('/')
    .reduce<Buffer>(
      (parent, field) => createHmac('sha256', parent).update(field).digest(),
      Buffer.from(`AWS4${gateway.secretAccessKey}`),
    )
  let previous = found(/Signature=(\w{64})/)
  const sign = (algorithm: string, ...hashes: string[]): string => {
    const text = [algorithm, timestamp, scope, previous, ...hashes].join('\n')
    previous = createHmac('sha256', key).update(text).digest('hex')
    return previous
  }
  const framed = [...chunks, Buffer.alloc(0)].flatMap((chunk) => [
    Buffer.from(
      `${chunk.length.toString(16)};chunk-signature=${sign('AWS4-HMAC-SHA256-PAYLOAD', sha256(''), sha256(chunk))}\r\n`,
    ),
    chunk,
    Buffer.from(chunk.length > 0 || trailer === undefined ? '\r\n' : ''),
  ])
  if (trailer === undefined) return Buffer.concat(framed)
  const line = trailer.join(':')
  const signature = sign('AWS4-HMAC-SHA256-TRAILER', sha256(`${line}\n`))
  return Buffer.concat([
    ...framed,
    Buffer.from(`${line}${trailerEnd}x-amz-trailer-signature:${signature}\r\n\r\n`),
  ])
}

describe('signed chunks', () => {
  const chunks = [randomBytes(65_536), randomBytes(8192), randomBytes(1)]
  const body = Buffer.concat(chunks)

  it('are stored as what they hold, and Content-Encoding loses only the framing', async () => {
    const headers = { 'content-encoding': 'aws-chunked,gzip' }
    assert.equal((await putSigned({ key: 'plain', chunks, headers })).status, 200)
    assert.ok((await bucket.read('plain')).equals(body))
    const head = await send(gateway, {
      method: 'GET',
      target: `/${Bucket}/plain`,
      headers: { range: 'bytes=0-0' },
    })
    assert.equal(head.headers.get('content-encoding'), 'gzip')
    assert.equal((await putSigned({ key: 'empty', chunks: [] })).status, 200)
    assert.equal((await bucket.read('empty')).length, 0)
  })

  it('carry a checksum in a signed trailer, which is answered and kept', async () => {
    const answer = await putSigned({ key: 'trailer', chunks, trailer: ['x-amz-checksum-crc32', crcOf(body)] })
    assert.equal(answer.status, 200, answer.body)
    assert.equal(answer.headers.get('x-amz-checksum-crc32'), crcOf(body))
    const headers = { 'x-amz-checksum-mode': 'ENABLED' }
    const read = await send(gateway, { target: `/${Bucket}/trailer`, headers })
    assert.equal(read.headers.get('x-amz-checksum-crc32'), crcOf(body))
  })

  it('come by Content-Length as well as by the chunks of HTTP, and with the digests of what they hold', async () => {
    const md5 = createHash('md5').update(body).digest('base64')
    const trailer = ['x-amz-checksum-crc32', crcOf(body)] as const
    for (const transfer of ['chunked', 'length'] as const) {
      for (const [more, code] of [
        [{}, undefined],
        [{ headers: { 'content-md5': md5 } }, undefined],
        [{ headers: { 'content-md5': md5, 'x-amz-checksum-crc32': crcOf(body) } }, undefined],
        [{ trailer, headers: { 'content-md5': md5 } }, undefined],
        // As minio-go writes it: a bare line feed, and an empty line before the signature.
        [{ trailer, trailerEnd: '\n\r\n' }, undefined],
        [{ headers: { 'content-md5': createHash('md5').update('other').digest('base64') } }, 'BadDigest'],
        [{ headers: { 'x-amz-checksum-crc32': 'AAAAAA==' } }, 'BadDigest'],
      ] as const) {
        const key = `${transfer}-${JSON.stringify(more)}`.replaceAll(/[^a-z0-9-]/gi, '')
        const answer = await putSigned({ key, chunks, transfer, ...more })
        assert.equal(answer.code, code, `${key}: ${answer.body}`)
        if (code === undefined) assert.ok((await bucket.read(key)).equals(body), key)
        else assert.equal((await send(gateway, { target: `/${Bucket}/${key}` })).code, 'NoSuchKey')
      }
    }
  })

  it('that were changed, cut, or end in another trailer than announced store nothing', async () => {
    const trailer = ['x-amz-checksum-crc32', crcOf(body)] as const
    const flipped = (bytes: Buffer) => {
      bytes.writeUInt8(bytes.readUInt8(70_000) ^ 1, 70_000)
      return bytes
    }
    const replaced = (from: string, to: string) => (bytes: Buffer) =>
      Buffer.from(bytes.toString('latin1').replace(from, to), 'latin1')
    const cases: [code: string, Partial<Upload>][] = [
      ['SignatureDoesNotMatch', { tamper: flipped }],
      [
        'SignatureDoesNotMatch',
        { trailer, tamper: replaced('trailer-signature:', `trailer-signature:${'0'.repeat(64)}\r\nx:`) },
      ],
      ['MalformedTrailerError', { trailer, tamper: replaced('x-amz-trailer-signature', 'x-amz-other') }],
      ['SignatureDoesNotMatch', { trailer, tamper: replaced(`:${crcOf(body)}`, ':AAAAAA==') }],
      ['BadDigest', { trailer: ['x-amz-checksum-crc32', 'AAAAAA=='] }],
      ['InvalidRequest', { trailer: ['x-amz-checksum-crc32', 'no base64'] }],
      ['MalformedTrailerError', { trailer, announced: 'x-amz-checksum-sha256' }],
      ['MalformedTrailerError', { trailer, announced: '' }],
      ['InvalidRequest', { trailer: ['x-amz-meta-a', 'b'] }],
      ['IncompleteBody', { tamper: (bytes) => bytes.subarray(0, 60_000) }],
      ['IncompleteBody', { headers: { 'x-amz-decoded-content-length': String(body.length + 1) } }],
      ['IncompleteBody', { headers: { 'x-amz-decoded-content-length': String(body.length - 1) } }],
      ['InvalidArgument', { headers: { 'x-amz-decoded-content-length': '-1' } }],
      ['InvalidRequest', { tamper: replaced('10000;chunk', '7fffffffffffffff;chunk') }],
      ['InvalidRequest', { tamper: replaced('10000;chunk', `${'0'.repeat(300)};chunk`) }],
      ['InvalidRequest', { tamper: (bytes) => Buffer.concat([bytes, Buffer.from('more'.repeat(5000))]) }],
    ]
    for (const [code, more] of cases) {
      const answer = await putSigned({ key: 'never', chunks, ...more })
      assert.equal(answer.code, code, `${JSON.stringify(more)}: ${answer.body}`)
      assert.ok(answer.status < 500)
    }
    assert.equal((await send(gateway, { target: `/${Bucket}/never` })).code, 'NoSuchKey')
  })
})

describe('unsigned chunks', () => {
  const body = randomBytes(10_000)
  const put = (key: string, end: string, headers: Record<string, string> = {}) =>
    send(gateway, {
      method: 'PUT',
      target: `/${Bucket}/${key}`,
      payload: UNSIGNED,
      headers: { 'content-encoding': 'aws-chunked', 'x-amz-decoded-content-length': '10000', ...headers },
      body: Buffer.concat([Buffer.from('2710\r\n'), body, Buffer.from(`\r\n0\r\n${end}`)]),
    })
  const announced = { 'x-amz-trailer': 'x-amz-checksum-crc32' }

  it('are taken with line ends as clients write them', async () => {
    const line = `x-amz-checksum-crc32:${crcOf(body)}`
    for (const end of [
      `${line}\r\n\r\n`,
      `${line}\n\r\n`,
      `${line}\r\n`,
      line,
      `X-Amz-Checksum-Crc32: ${crcOf(body)} \r\n\r\n`,
    ]) {
      assert.equal((await put('unsigned', end, announced)).status, 200, JSON.stringify(end))
      assert.ok((await bucket.read('unsigned')).equals(body))
    }
    assert.equal((await put('unsigned', '\r\n')).status, 200)
  })

  it('come by the chunks of HTTP as well, cut anywhere', async () => {
    const framed = Buffer.concat([
      Buffer.from('2710\r\n'),
      body,
      Buffer.from(`\r\n0\r\nx-amz-checksum-crc32:${crcOf(body)}\r\n\r\n`),
    ])
    for (const length of [7, 4096, framed.length]) {
      const head = signed(gateway, {
        method: 'PUT',
        target: `/${Bucket}/in-chunks`,
        payload: UNSIGNED,
        headers: {
          'content-length': null,
          'transfer-encoding': 'chunked',
          'content-encoding': 'aws-chunked',
          'x-amz-decoded-content-length': '10000',
          ...announced,
        },
      })
      const http: Buffer[] = []
      for (let at = 0; at < framed.length; at += length) {
        const piece = framed.subarray(at, at + length)
        http.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'))
      }
      const answer = await exchange(gateway, Buffer.concat([head, ...http, Buffer.from('0\r\n\r\n')]))
      assert.deepEqual([answer.status, answer.headers.get('x-amz-checksum-crc32')], [200, crcOf(body)])
      assert.ok((await bucket.read('in-chunks')).equals(body))
    }
  })

  it('whose trailer is missing, wrong, unannounced or of another kind store nothing', async () => {
    const line = `x-amz-checksum-crc32:${crcOf(body)}\r\n`
    for (const [code, end, headers] of [
      ['MalformedTrailerError', '\r\n', announced],
      ['MalformedTrailerError', `${line}\r\n`, {}],
      ['MalformedTrailerError', `${line}${line}\r\n`, announced],
      ['MalformedTrailerError', 'no field\r\n\r\n', announced],
      ['BadDigest', 'x-amz-checksum-crc32:AAAAAA==\r\n\r\n', announced],
      ['InvalidRequest', '\r\n', { 'x-amz-trailer': 'x-amz-checksum-md5' }],
      ['InvalidRequest', `${line}\r\n`, { ...announced, 'x-amz-checksum-crc32': crcOf(body) }],
      ['InvalidRequest', `${line}\r\n`, { ...announced, 'x-amz-sdk-checksum-algorithm': 'SHA256' }],
    ] as const) {
      const answer = await put('never', end, headers)
      assert.equal(answer.code, code, `${end}: ${answer.body}`)
    }
    assert.equal((await send(gateway, { target: `/${Bucket}/never` })).code, 'NoSuchKey')
  })
})
