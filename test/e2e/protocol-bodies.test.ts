import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CopyObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { fails, TestBucket } from '../lib/bucket.ts'
import { FaultyStorage } from '../lib/faults.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { converse, parseAnswer, type RawRequest, send, signed } from '../lib/raw-http.ts'

const Bucket = 'bodies'
const faults = new FaultyStorage()
let gateway: TestGateway
let s3: S3Client
let bucket: TestBucket

before(async () => {
  gateway = await startGateway({ wrap: faults.wrap, idleTimeoutMs: 300, keepAliveMs: 50 })
  s3 = gateway.client()
  bucket = await TestBucket.create(s3, Bucket)
  await bucket.put('k', 'value')
})
after(() => gateway.close())

const keys = async (): Promise<string[]> => {
  const { objects } = await gateway.storage.listObjects({
    bucket: Bucket,
    prefix: '',
    delimiter: '',
    startAfter: '',
    maxKeys: 1000,
  })
  return objects.map(({ key }) => key)
}

/** Head and body of a signed PUT, apart. */
function put(
  target: string,
  body: Buffer,
  headers: Record<string, string | null> = {},
): [head: Buffer, body: Buffer] {
  const bytes = signed(gateway, { method: 'PUT', target, body, headers })
  return [bytes.subarray(0, bytes.length - body.length), body]
}

describe('Expect: 100-continue', () => {
  it('is answered by 100 once signature, headers and bucket are in order', async () => {
    const [head, body] = put(`/${Bucket}/continued`, randomBytes(1000), { expect: '100-continue' })
    const conversation = converse(gateway)
    conversation.socket.write(head)
    await conversation.until((text) => text === 'HTTP/1.1 100 Continue\r\n\r\n')
    conversation.socket.write(body)
    const text = await conversation.until((received) => parseAnswer(received) !== null)
    assert.equal(parseAnswer(text)?.status, 200)
    conversation.socket.destroy()
    assert.ok((await bucket.read('continued')).equals(body))
  })

  it('is answered by the error at once, and never by 100, when the request is refused', async () => {
    const refusals = [
      [
        put(`/${Bucket}/refused`, randomBytes(10), { expect: '100-continue', 'x-amz-storage-class': 'NONE' }),
        'InvalidStorageClass',
      ],
      [put('/nowhere/refused', randomBytes(10), { expect: '100-continue' }), 'NoSuchBucket'],
      [
        put(`/${Bucket}/refused`, randomBytes(10), {
          expect: '100-continue',
          'x-amz-meta-a': 'x'.repeat(3000),
        }),
        'MetadataTooLarge',
      ],
      [
        put(`/${Bucket}/refused`, randomBytes(10), {
          expect: '100-continue',
          'if-match': '"00000000000000000000000000000000-0"',
        }),
        'NoSuchKey',
      ],
      [
        put(`/${Bucket}/k`, randomBytes(10), { expect: '100-continue', 'if-none-match': '*' }),
        'PreconditionFailed',
      ],
    ] as const
    for (const [[head], code] of refusals) {
      const conversation = converse(gateway)
      conversation.socket.write(head)
      const text = await conversation.until((received) => parseAnswer(received) !== null)
      assert.ok(!text.includes('100 Continue'))
      assert.equal(parseAnswer(text)?.code, code)
      conversation.socket.destroy()
    }
    const [head] = put(`/${Bucket}/refused`, randomBytes(10), { expect: '100-continue' })
    const conversation = converse(gateway)
    conversation.socket.write(head.toString('latin1').replace(/Signature=\w{4}/, 'Signature=0000'))
    const text = await conversation.until((received) => parseAnswer(received) !== null)
    assert.equal(parseAnswer(text)?.code, 'SignatureDoesNotMatch')
    conversation.socket.destroy()
    assert.ok(!(await keys()).includes('refused'))
  })
})

describe('bodies that do not come as announced', () => {
  it('a client that goes away at any point stores nothing', async () => {
    const [head, body] = put(`/${Bucket}/gone`, randomBytes(150_000))
    const bytes = Buffer.concat([head, body])
    for (const at of [
      10,
      head.length - 1,
      head.length,
      head.length + 1,
      head.length + 65_536,
      bytes.length - 1,
    ]) {
      for (const rude of [false, true]) {
        const conversation = converse(gateway)
        await new Promise((resolve) => conversation.socket.write(bytes.subarray(0, at), resolve))
        await sleep(10)
        if (rude) conversation.socket.resetAndDestroy()
        else conversation.socket.end()
      }
    }
    await sleep(100)
    assert.ok(!(await keys()).includes('gone'))
  })

  it('a client that falls silent is told RequestTimeout, and nothing is stored', async () => {
    const [head, body] = put(`/${Bucket}/silent`, randomBytes(100_000))
    const conversation = converse(gateway)
    conversation.socket.write(Buffer.concat([head, body.subarray(0, 50_000)]))
    const text = await conversation.until((received) => parseAnswer(received) !== null)
    assert.deepEqual([parseAnswer(text)?.status, parseAnswer(text)?.code], [400, 'RequestTimeout'])
    assert.equal(parseAnswer(text)?.headers.get('connection'), 'close')
    await conversation.ended()
    assert.ok(!(await keys()).includes('silent'))
  })

  it('a slow client that keeps sending is served', async () => {
    const [head, body] = put(`/${Bucket}/slow`, randomBytes(1000))
    const conversation = converse(gateway)
    conversation.socket.write(head)
    for (let at = 0; at < body.length; at += 200) {
      await sleep(100)
      conversation.socket.write(body.subarray(at, at + 200))
    }
    const text = await conversation.until((received) => parseAnswer(received) !== null)
    assert.equal(parseAnswer(text)?.status, 200)
    conversation.socket.destroy()
    assert.ok((await bucket.read('slow')).equals(body))
  })

  it('lengths, digests and chunks that are wrong are S3 errors, and nothing is stored', async () => {
    const body = 'hello'
    const wrong = createHash('md5').update('other').digest('base64')
    const chunked = { 'x-amz-decoded-content-length': '5', 'content-encoding': 'aws-chunked' }
    const unsigned = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'
    const trailer = { ...chunked, 'x-amz-trailer': 'x-amz-checksum-crc32' }
    const cases: [string, Omit<RawRequest, 'target'>][] = [
      [
        'MissingContentLength',
        {
          body: '5\r\nhello\r\n0\r\n\r\n',
          headers: { 'content-length': null, 'transfer-encoding': 'chunked' },
        },
      ],
      ['XAmzContentSHA256Mismatch', { body, payload: createHash('sha256').update('other').digest('hex') }],
      ['BadDigest', { body, headers: { 'content-md5': wrong } }],
      ['InvalidDigest', { body, headers: { 'content-md5': 'bm90IG1kNQ==' } }],
      ['BadDigest', { body, headers: { 'x-amz-checksum-crc32': 'AAAAAA==' } }],
      ['InvalidRequest', { body, headers: { 'x-amz-checksum-crc32': 'AAAA' } }],
      [
        'BadDigest',
        {
          body: '5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n',
          payload: unsigned,
          headers: trailer,
        },
      ],
      ['MalformedTrailerError', { body: '5\r\nhello\r\n0\r\n\r\n', payload: unsigned, headers: trailer }],
      ['IncompleteBody', { body: '4\r\nhell\r\n0\r\n\r\n', payload: unsigned, headers: chunked }],
      ['IncompleteBody', { body: '6\r\nhello!\r\n0\r\n\r\n', payload: unsigned, headers: chunked }],
      [
        'InvalidRequest',
        { body: 'ffffffffffffffff\r\nhello\r\n0\r\n\r\n', payload: unsigned, headers: chunked },
      ],
      ['InvalidRequest', { body: 'zz\r\nhello\r\n0\r\n\r\n', payload: unsigned, headers: chunked }],
      [
        'MissingContentLength',
        {
          body: '5\r\nhello\r\n0\r\n\r\n',
          payload: unsigned,
          headers: { 'content-encoding': 'aws-chunked' },
        },
      ],
      [
        'SignatureDoesNotMatch',
        {
          body: `5;chunk-signature=${'0'.repeat(64)}\r\nhello\r\n0;chunk-signature=${'0'.repeat(64)}\r\n\r\n`,
          payload: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
          headers: chunked,
        },
      ],
      ['InvalidArgument', { body, payload: 'STREAMING-SOMETHING-ELSE' }],
      [
        'EntityTooLarge',
        { body: '', headers: { 'content-length': String(6 * 1024 ** 3), expect: '100-continue' } },
      ],
    ]
    for (const [code, request] of cases) {
      const answer = await send(gateway, { method: 'PUT', target: `/${Bucket}/wrong`, ...request })
      assert.equal(answer.code, code, answer.body)
      assert.ok(answer.status >= 400 && answer.status < 500)
    }
    assert.ok(!(await keys()).includes('wrong'))
  })

  it('an answer before the end of the body reaches a client that is still sending', async () => {
    const [head, body] = put('/nowhere/large', randomBytes(3_000_000))
    const conversation = converse(gateway)
    conversation.socket.write(Buffer.concat([head, body]))
    const text = await conversation.until((received) => parseAnswer(received) !== null)
    assert.equal(parseAnswer(text)?.code, 'NoSuchBucket')
    conversation.socket.destroy()
  })
})

describe('answers that take long', () => {
  const slowly = async (call: () => Promise<unknown>): Promise<unknown> => {
    await sleep(250)
    return call()
  }

  it('are kept alive by blanks, and are whole XML', async () => {
    const id = await bucket.begin('long')
    const part = await bucket.send('long', id, 1, randomBytes(100))
    faults.once('completeMultipartUpload', slowly)
    const xml = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.ETag}</ETag></Part></CompleteMultipartUpload>`
    const answer = await send(gateway, {
      method: 'POST',
      target: `/${Bucket}/long?uploadId=${id}`,
      body: xml,
    })
    assert.equal(answer.status, 200)
    assert.match(
      answer.body,
      /^<\?xml version="1.0" encoding="UTF-8"\?>\n {2,}<CompleteMultipartUploadResult .*<ETag>&quot;\w{32}-\d+&quot;<\/ETag>/s,
    )
    faults.once('copyObject', slowly)
    const copy = await s3.send(
      new CopyObjectCommand({ Bucket, Key: 'long-copy', CopySource: `${Bucket}/long` }),
    )
    assert.match(copy.CopyObjectResult?.ETag ?? '', /^"\w{32}-\d+"$/)
  })

  it('say an error in the body when the head is out, which SDKs take for one', async () => {
    faults.once('copyObject', async () => {
      await sleep(250)
      throw new Error('the store broke')
    })
    const target = {
      method: 'PUT',
      target: `/${Bucket}/never`,
      headers: { 'x-amz-copy-source': `/${Bucket}/k` },
    }
    const answer = await send(gateway, target)
    assert.deepEqual([answer.status, answer.code], [200, 'InternalError'])
    faults.once('copyObject', async () => {
      await sleep(250)
      throw new Error('the store broke')
    })
    const copy = s3.send(new CopyObjectCommand({ Bucket, Key: 'never', CopySource: `${Bucket}/k` }))
    await assert.rejects(copy, { name: 'InternalError' })
  })
})

describe('presigned URLs of the SDK', () => {
  it('read and write, with the answers that they ask for', async () => {
    const write = await getSignedUrl(
      s3,
      new PutObjectCommand({ Bucket, Key: 'signed', ContentType: 'text/x', Metadata: { colour: 'red' } }),
    )
    assert.equal(
      (await fetch(write, { method: 'PUT', body: 'by url', headers: { 'content-type': 'text/x' } })).status,
      200,
    )
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'signed' }))
    assert.deepEqual([head.Metadata, head.ContentType, head.ContentLength], [{ colour: 'red' }, 'text/x', 6])
    const get = new GetObjectCommand({
      Bucket,
      Key: 'signed',
      ResponseContentType: 'a/b',
      ResponseCacheControl: 'no-store',
    })
    const answer = await fetch(await getSignedUrl(s3, get))
    assert.deepEqual([answer.status, await answer.text()], [200, 'by url'])
    assert.deepEqual(
      [answer.headers.get('content-type'), answer.headers.get('cache-control')],
      ['a/b', 'no-store'],
    )
    const ranged = await fetch(await getSignedUrl(s3, get), { headers: { range: 'bytes=3-' } })
    assert.deepEqual([ranged.status, await ranged.text()], [206, 'url'])
  })

  it('copy when the source is in the URL, and upload parts', async () => {
    const copy = await getSignedUrl(
      s3,
      new CopyObjectCommand({ Bucket, Key: 'url-copy', CopySource: `${Bucket}/k` }),
    )
    const answer = await fetch(copy, { method: 'PUT' })
    assert.deepEqual([answer.status, /<CopyObjectResult/.test(await answer.text())], [200, true])
    assert.equal((await bucket.read('url-copy')).toString(), 'value')
    const id = await bucket.begin('url-parts')
    const part = await getSignedUrl(
      s3,
      new UploadPartCommand({ Bucket, Key: 'url-parts', UploadId: id, PartNumber: 1 }),
    )
    const ETag = (await fetch(part, { method: 'PUT', body: 'part' })).headers.get('etag') ?? undefined
    await bucket.complete('url-parts', id, [{ PartNumber: 1, ETag }])
    assert.equal((await bucket.read('url-parts')).toString(), 'part')
  })

  it('are refused when they are expired, changed, or used for something else', async () => {
    const get = new GetObjectCommand({ Bucket, Key: 'k' })
    const old = await getSignedUrl(s3, get, { expiresIn: 1, signingDate: new Date(Date.now() - 5000) })
    const expired = await fetch(old)
    assert.deepEqual([expired.status, /Request has expired/.test(await expired.text())], [403, true])
    const url = await getSignedUrl(s3, get)
    for (const changed of [
      url.replace('/k?', '/l?'),
      `${url}&x-amz-meta-a=1`,
      url.replace(/Signature=\w/, 'Signature=0').replace(/Signature=0/, 'Signature=g'),
    ]) {
      assert.equal((await fetch(changed)).status, 403)
    }
    assert.equal((await fetch(url, { method: 'DELETE' })).status, 403)
    assert.equal((await fetch(url, { headers: { 'x-amz-meta-a': '1' } })).status, 403)
    assert.equal((await fetch(url)).status, 200)
  })
})

describe('other ways to say the same', () => {
  it('virtual-host style names the bucket in the Host field', async () => {
    const answer = await send(gateway, { target: '/k', headers: { host: `${Bucket}.s3.sealgate.test` } })
    assert.deepEqual([answer.status, answer.body], [200, 'value'])
    const list = await send(gateway, {
      target: '/?list-type=2',
      headers: { host: `${Bucket}.s3.sealgate.test:9000` },
    })
    assert.match(list.body, /<Name>bodies<\/Name>/)
    const system = await send(gateway, {
      target: '/v1/realm',
      headers: { host: 'sealgate-system.s3.sealgate.test' },
    })
    assert.deepEqual([system.status, system.code], [404, 'NoSuchBucket'])
  })

  it('a bucket may be made for any region, as any is accepted', async () => {
    const xml =
      '<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>'
    assert.equal((await send(gateway, { method: 'PUT', target: '/elsewhere', body: xml })).status, 200)
    await fails(bucket.read('absent'), 'NoSuchKey', 404)
  })
})
