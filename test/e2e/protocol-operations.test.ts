import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { type RawAnswer, type RawRequest, send } from '../lib/raw-http.ts'

const Bucket = 'operations'
let gateway: TestGateway
let bucket: TestBucket

before(async () => {
  gateway = await startGateway()
  bucket = await TestBucket.create(gateway.client(), Bucket)
  await bucket.put('k', 'value')
})
after(() => gateway.close())

const get = (path: string, headers: RawRequest['headers'] = {}) =>
  send(gateway, { target: `/${Bucket}${path}`, headers })
const put = (path: string, headers: RawRequest['headers'] = {}, body = 'x') =>
  send(gateway, { method: 'PUT', target: `/${Bucket}${path}`, headers, body })
const outcome = ({ status, code }: RawAnswer) => [status, code]
const elements = (answer: RawAnswer, name: string): string[] =>
  [...answer.body.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, text = '']) => text)

describe('the query', () => {
  it('with a parameter twice is refused where it counts', async () => {
    for (const query of ['?prefix=a&prefix=b', '?list-type=2&list-type=2', '?max-keys=1&max-keys=2'])
      assert.deepEqual(outcome(await get(query)), [400, 'InvalidArgument'], query)
  })

  /** By stores that keep sub-resources. */
  const KEPT = ['lifecycle', 'object-lock']

  it('with a sub-resource that is not here is NotImplemented on buckets and objects, for each method', async () => {
    const resources = [
      'website',
      'lifecycle',
      'object-lock',
      'replication',
      'torrent',
      'versioning',
      'versions',
    ].filter((resource) => !KEPT.includes(resource) || gateway.storage.subresources === undefined)
    const here = [`GET /${Bucket}?versioning`, `PUT /${Bucket}?versioning`, `GET /${Bucket}?versions`]
    for (const method of ['GET', 'PUT', 'DELETE']) {
      for (const resource of resources) {
        for (const target of [`/${Bucket}?${resource}`, `/${Bucket}/k?${resource}=`]) {
          if (here.includes(`${method} ${target}`)) continue
          const answer = await send(gateway, { method, target })
          assert.deepEqual(outcome(answer), [501, 'NotImplemented'], `${method} ${target}`)
          assert.match(elements(answer, 'Operation')[0] ?? '', /^(Get|Put|Delete)(Bucket|Object)[A-Z]/)
        }
      }
    }
    assert.equal((await get('/k?unknown=1&unsorted&x-id=GetObject')).body, 'value')
  })

  it('of response-* is taken as it is, byte for byte, and never as two lines', async () => {
    for (const text of ['attachment; filename="ü"', '日本', '\u010ax-evil: 1\u010d']) {
      const value = Buffer.from(text).toString('latin1')
      const override = await get(`/k?response-content-disposition=${encodeURIComponent(text)}`)
      assert.equal(override.headers.get('content-disposition'), value)
      assert.equal((await put('/disposition', { 'content-disposition': value })).status, 200)
      const stored = await get('/disposition')
      assert.equal(stored.headers.get('content-disposition'), value)
      for (const { headers } of [override, stored]) assert.equal(headers.has('x-evil'), false)
    }
    for (const text of ['a%0D%0Ax-evil%3A%201', 'a%0Ab', 'a%7F']) {
      const answer = await get(`/k?response-content-type=${text}`)
      assert.deepEqual(outcome(answer), [400, 'InvalidArgument'])
      assert.equal(answer.headers.has('x-evil'), false)
    }
  })
})

describe('lists', () => {
  before(async () => {
    for (const key of ['l/a', 'l/b', 'l/c/1', 'l/c/2', 'l/d']) await bucket.put(key, key)
  })

  it('of version 1 say where to go on, also without a delimiter', async () => {
    const page = await get('?max-keys=2&prefix=l%2F')
    assert.deepEqual(elements(page, 'Key'), ['l/a', 'l/b'])
    assert.deepEqual([elements(page, 'IsTruncated'), elements(page, 'NextMarker')], [['true'], ['l/b']])
    const next = await get('?delimiter=%2F&marker=l%2Fb&max-keys=1&prefix=l%2F')
    assert.deepEqual([elements(next, 'Prefix'), elements(next, 'NextMarker')], [['l/', 'l/c/'], ['l/c/']])
    const last = await get('?delimiter=%2F&marker=l%2Fc%2F&prefix=l%2F')
    assert.deepEqual([elements(last, 'Key'), elements(last, 'IsTruncated')], [['l/d'], ['false']])
  })

  it('of version 2 start after a key, show owners when asked, and cap max-keys', async () => {
    const page = await get('?fetch-owner=true&list-type=2&max-keys=5000&prefix=l%2F&start-after=l%2Fb')
    assert.deepEqual(elements(page, 'Key'), ['l/c/1', 'l/c/2', 'l/d'])
    assert.deepEqual([elements(page, 'MaxKeys'), elements(page, 'KeyCount')], [['1000'], ['3']])
    assert.deepEqual(elements(page, 'Size'), ['5', '5', '3'])
    assert.equal(elements(page, 'ID').length, 3)
    assert.equal(elements(await get('?list-type=2&prefix=l%2F'), 'ID').length, 0)
    const none = await get('?list-type=2&max-keys=0&prefix=l%2F')
    assert.deepEqual([elements(none, 'IsTruncated'), elements(none, 'Key')], [['false'], []])
  })

  it('of a bucket that is not there are NoSuchBucket', async () => {
    for (const query of ['', '?list-type=2', '?uploads', '?location'])
      assert.equal((await send(gateway, { target: `/absent-bucket${query}` })).code, 'NoSuchBucket')
  })
})

describe('CompleteMultipartUpload', () => {
  const complete = (id: string, xml: string) =>
    send(gateway, { method: 'POST', target: `/${Bucket}/multi?uploadId=${id}`, body: xml })

  it('takes ETags as clients write them, in any order of elements, with or without a namespace', async () => {
    for (const write of [
      (etag: string) => `<Part><PartNumber>1</PartNumber><ETag>"${etag}"</ETag></Part>`,
      (etag: string) => `<Part><ETag>${etag}</ETag><PartNumber>1</PartNumber></Part>`,
      (etag: string) => `<Part><ETag>&quot;${etag}&#34;</ETag><PartNumber> 1 </PartNumber></Part>`,
      (etag: string) =>
        `<Part>\n<PartNumber>1</PartNumber>\n<ETag>${etag.toUpperCase()}</ETag><Other/></Part>`,
    ]) {
      const id = await bucket.begin('multi')
      const { ETag = '' } = await bucket.send('multi', id, 1, randomBytes(100))
      const part = write(ETag.slice(1, -1))
      const answer = await complete(
        id,
        `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${part}</CompleteMultipartUpload>`,
      )
      assert.equal(answer.status, 200, answer.body)
      assert.match(answer.body, /<CompleteMultipartUploadResult[^>]*><Location>http.*<ETag>&quot;/)
    }
  })

  it('is MalformedXML when the list is none', async () => {
    const id = await bucket.begin('multi')
    const { ETag = '' } = await bucket.send('multi', id, 1, randomBytes(100))
    const part = (number: string) => `<Part><PartNumber>${number}</PartNumber><ETag>${ETag}</ETag></Part>`
    for (const xml of [
      '',
      '<CompleteMultipartUpload/>',
      `<Parts>${part('1')}</Parts>`,
      `<CompleteMultipartUpload>${part('x')}</CompleteMultipartUpload>`,
      `<CompleteMultipartUpload>${part('-1')}</CompleteMultipartUpload>`,
      '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>',
      `<!DOCTYPE x><CompleteMultipartUpload>${part('1')}</CompleteMultipartUpload>`,
      `<CompleteMultipartUpload>${part('1').repeat(10_001)}</CompleteMultipartUpload>`,
    ])
      assert.deepEqual(outcome(await complete(id, xml)), [400, 'MalformedXML'], xml.slice(0, 100))
    const ok = await complete(id, `<CompleteMultipartUpload>${part('1')}</CompleteMultipartUpload>`)
    assert.equal(ok.status, 200, ok.body)
  })

  it('and its parts know no number outside of 1 to 10000, and no made-up upload', async () => {
    const id = await bucket.begin('numbers')
    for (const number of ['0', '10001', '-1', 'x', '99999999999', '1.5']) {
      const answer = await put(`/numbers?partNumber=${number}&uploadId=${id}`)
      assert.deepEqual(outcome(answer), [400, 'InvalidArgument'], number)
    }
    for (const upload of ['', 'made-up', '..%2F..', 'x'.repeat(3000), '%F0%9F%98%80']) {
      const answer = await put(`/numbers?partNumber=1&uploadId=${upload}`)
      assert.deepEqual(outcome(answer), [404, 'NoSuchUpload'], upload.slice(0, 20))
    }
  })
})

describe('DeleteObjects', () => {
  const remove = (xml: string) => {
    const md5 = createHash('md5').update(xml).digest('base64')
    return send(gateway, {
      method: 'POST',
      target: `/${Bucket}?delete=`,
      headers: { 'content-md5': md5 },
      body: xml,
    })
  }
  const listed = (...keys: string[]) =>
    `<Delete>${keys.map((key) => `<Object><Key>${key}</Key></Object>`).join('')}</Delete>`

  it('takes 1000 keys and not one more, also of the longest', async () => {
    const keys = Array.from({ length: 1001 }, (_, n) => `absent-${n}`.padEnd(1024, 'x'))
    assert.equal(elements(await remove(listed(...keys.slice(1))), 'Key').length, 1000)
    assert.deepEqual(outcome(await remove(listed(...keys))), [400, 'MalformedXML'])
    assert.deepEqual(outcome(await remove(listed('x'.repeat(1025)))), [400, 'KeyTooLongError'])
  })

  it('says nothing of what it deleted when it is quiet', async () => {
    await bucket.put('quiet', 'x')
    const answer = await remove(
      '<Delete><Quiet>true</Quiet><Object><Key>quiet</Key></Object><Object><Key>absent</Key></Object></Delete>',
    )
    assert.deepEqual([answer.status, elements(answer, 'Key')], [200, []])
    assert.equal((await get('/quiet')).code, 'NoSuchKey')
  })
})

describe('metadata that was signed into a URL', () => {
  const upload = async (Metadata: Record<string, string>) => {
    const command = new PutObjectCommand({ Bucket, Key: 'url-meta', Metadata })
    return fetch(await getSignedUrl(gateway.client(), command), { method: 'PUT', body: 'x' })
  }

  it('is stored as the bytes of its UTF-8', async () => {
    assert.equal((await upload({ colour: 'grün' })).status, 200)
    const value = (await get('/url-meta')).headers.get('x-amz-meta-colour') ?? ''
    assert.equal(Buffer.from(value, 'latin1').toString(), 'grün')
  })

  it('is refused where no header could ever give it back', async () => {
    for (const metadata of [
      { a: 'x\r\ny: 1' },
      { a: '\u0007' },
      { 'n\nm': 'v' },
      { 'a b': 'v' },
      { ü: 'v' },
    ]) {
      const answer = await upload(metadata as Record<string, string>)
      assert.deepEqual([answer.status, /<Code>InvalidArgument</.test(await answer.text())], [400, true])
    }
    assert.equal((await get('/url-meta')).status, 200)
  })
})

describe('a checksum that was signed into a URL', () => {
  const url = (text: string) =>
    getSignedUrl(
      gateway.client(),
      new PutObjectCommand({
        Bucket,
        Key: 'url',
        ChecksumSHA256: createHash('sha256').update(text).digest('base64'),
      }),
      { unhoistableHeaders: new Set() },
    )

  it('is checked, as one in a header is', async () => {
    const right = await fetch(await url('right'), { method: 'PUT', body: 'right' })
    assert.equal(right.status, 200, await right.text())
    const wrong = await fetch(await url('right'), { method: 'PUT', body: 'wrong' })
    assert.deepEqual([wrong.status, /<Code>BadDigest</.test(await wrong.text())], [400, true])
    assert.equal((await bucket.read('url')).toString(), 'right')
  })

  it('is no hindrance when the SDK signed in that of no body', async () => {
    const link = await getSignedUrl(gateway.client(), new PutObjectCommand({ Bucket, Key: 'later' }))
    assert.match(link, /x-amz-checksum-crc32=AAAAAA/)
    assert.equal((await fetch(link, { method: 'PUT', body: 'later' })).status, 200)
    assert.equal((await bucket.read('later')).toString(), 'later')
  })
})
