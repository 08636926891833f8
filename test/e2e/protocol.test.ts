import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { converse, exchange, type RawRequest, send, signed } from '../lib/raw-http.ts'
import { takesName } from '../lib/real-store.ts'

const MINUTE_MS = 60_000
let gateway: TestGateway
let bucket: TestBucket

before(async () => {
  gateway = await startGateway()
  bucket = await TestBucket.create(gateway.client(), 'wire')
  await bucket.put('k', 'value')
})
after(() => gateway.close())

async function answers(request: RawRequest, status: number, code: string | undefined): Promise<string> {
  const answer = await send(gateway, request)
  assert.deepEqual([answer.status, answer.code], [status, code], answer.body)
  return answer.body
}

const md5 = (body: string) => createHash('md5').update(body).digest('base64')
const deletion = (xml: string): RawRequest => ({
  method: 'POST',
  target: '/wire?delete=',
  headers: { 'content-md5': md5(xml) },
  body: xml,
})

describe('requests as bytes', () => {
  it('an honest one is answered, with a request id and without anything of the store', async () => {
    const answer = await send(gateway, { target: '/wire/k' })
    assert.deepEqual([answer.status, answer.body], [200, 'value'])
    assert.match(answer.headers.get('x-amz-request-id') ?? '', /^[0-9A-F]{16}$/)
    assert.match(answer.headers.get('etag') ?? '', /^"[0-9a-f]{32}-0"$/)
    for (const name of answer.headers.keys()) assert.doesNotMatch(name, /sealgate|x-amz-meta/)
  })

  it('errors are XML of exactly that type, name the resource, and have no body for HEAD', async () => {
    const answer = await send(gateway, { target: '/wire/absent%20key' })
    assert.equal(answer.headers.get('content-type'), 'application/xml')
    assert.match(
      answer.body,
      /^<\?xml version="1.0" encoding="UTF-8"\?>\n<Error><Code>NoSuchKey<\/Code><Message>/,
    )
    assert.match(answer.body, /<Resource>\/wire\/absent key<\/Resource>/)
    assert.ok(answer.body.includes(`<RequestId>${answer.headers.get('x-amz-request-id')}</RequestId>`))
    const head = await send(gateway, { method: 'HEAD', target: '/wire/absent' })
    assert.deepEqual([head.status, head.body, head.headers.get('content-length')], [404, '', undefined])
  })

  it('paths are taken byte for byte: dots, double slashes and escapes are keys', async () => {
    for (const key of ['a/../b', './c', '..', '//', 'd//e', '%2e%2e', 'x%2Fy']) {
      const target = `/wire/${key.split('/').map(encodeURIComponent).join('/')}`
      if (!takesName(key)) {
        for (const method of ['PUT', 'GET', 'DELETE']) await answers({ method, target }, 400, 'InvalidURI')
        assert.equal((await send(gateway, { method: 'HEAD', target })).status, 400)
        continue
      }
      await answers({ method: 'PUT', target, body: key }, 200, undefined)
      const answer = await send(gateway, { target })
      assert.equal(answer.body, key)
    }
    assert.equal((await send(gateway, { target: '/wire/k' })).body, 'value')
  })

  it('targets that are no UTF-8, or too long, are refused', async () => {
    await answers({ target: '/wire/%ff' }, 400, 'InvalidURI')
    await answers({ target: '/wire/%00' }, 400, 'InvalidURI')
    await answers({ target: '/wire/%zz' }, 400, 'InvalidURI')
    await answers({ target: `/wire/${'x'.repeat(1025)}` }, 400, 'KeyTooLongError')
    await answers({ target: '/BAD_/k' }, 404, 'NoSuchBucket')
    await answers({ target: '/ba%20d/k' }, 400, 'InvalidBucketName')
    // Behind a server that cleans paths it would be the system bucket's.
    await answers({ target: '/../sealgate-system/v1/realm' }, 400, 'InvalidBucketName')
    await answers({ method: 'PUT', target: '/./a' }, 400, 'InvalidBucketName')
    await answers({ method: 'PUT', target: '/ab' }, 400, 'InvalidBucketName')
    await answers({ method: 'PUT', target: '/192.168.0.1' }, 400, 'InvalidBucketName')
  })

  it('the clock may be a quarter of an hour off, not more', async () => {
    await answers({ target: '/wire/k', time: Date.now() - 14 * MINUTE_MS }, 200, undefined)
    await answers({ target: '/wire/k', time: Date.now() + 14 * MINUTE_MS }, 200, undefined)
    const late = await answers(
      { target: '/wire/k', time: Date.now() - 16 * MINUTE_MS },
      403,
      'RequestTimeTooSkewed',
    )
    assert.match(late, /<ServerTime>/)
    await answers({ target: '/wire/k', time: Date.now() + 16 * MINUTE_MS }, 403, 'RequestTimeTooSkewed')
  })

  it('wrong secrets and unknown keys are told apart, and no request is anonymous', async () => {
    await answers({ target: '/wire/k', secret: 'x'.repeat(40) }, 403, 'SignatureDoesNotMatch')
    const bytes = signed(gateway, { target: '/wire/k' }).toString('latin1')
    assert.equal(
      (await exchange(gateway, bytes.replace(/Credential=\w+/, 'Credential=AKIDUNKNOWN'))).code,
      'InvalidAccessKeyId',
    )
    assert.equal(
      (await exchange(gateway, bytes.replace(/\r\nAuthorization: [^\r]*/, ''))).code,
      'AccessDenied',
    )
    assert.equal((await exchange(gateway, bytes.replace('/wire/k', '/wire/l'))).code, 'SignatureDoesNotMatch')
    assert.equal((await exchange(gateway, bytes.replace('AWS4-HMAC-SHA256', 'AWS4-HMAC-SHA512'))).status, 400)
    const region = await exchange(gateway, bytes.replace('us-east-1/s3', 'us-east-1/ec2'))
    assert.equal(region.code, 'AuthorizationHeaderMalformed')
  })

  it('a signed field that comes twice is refused, also with the same value', async () => {
    const bytes = signed(gateway, { target: '/wire/k' }).toString('latin1')
    const date = /x-amz-date: [^\r]*\r\n/.exec(bytes)?.[0] ?? ''
    const answer = await exchange(gateway, bytes.replace(date, date + date))
    assert.deepEqual([answer.status, answer.code], [400, 'InvalidRequest'])
    assert.equal((await exchange(gateway, bytes.replace('host: ', 'host: other\r\nhost: '))).status, 400)
  })

  it('what S3 has and this does not is NotImplemented by its name; what S3 does not have is MethodNotAllowed', async () => {
    for (const [method, target, name] of [
      ['DELETE', '/wire?versioning', 'DeleteBucketVersioning'],
      ['PUT', '/wire/k?renameObject', 'RenameObject'],
      ['GET', '/wire/k?torrent', 'GetObjectTorrent'],
      ['POST', '/wire/k?select&select-type=2', 'SelectObjectContent'],
      ['POST', '/wire?metadataTable', 'CreateBucketMetadataTableConfiguration'],
    ] as const) {
      const body = await answers({ method, target }, 501, 'NotImplemented')
      assert.match(
        body,
        new RegExp(`<Message>${name} is not implemented.</Message><Operation>${name}</Operation>`),
      )
    }
    await answers({ method: 'PATCH', target: '/wire/k' }, 405, 'MethodNotAllowed')
    assert.equal((await send(gateway, { target: '/wire/k?x-id=GetObject&metadata=true' })).body, 'value')
  })

  it('header fields are limited in number and size', async () => {
    const many = Object.fromEntries(Array.from({ length: 600 }, (_, n) => [`x-other-${n}`, 'v']))
    await answers({ target: '/wire/k', headers: many }, 400, 'RequestHeaderSectionTooLarge')
    const answer = await send(gateway, { target: '/wire/k', headers: { 'x-other': 'v'.repeat(40_000) } })
    assert.deepEqual([answer.status, answer.code], [400, 'RequestHeaderSectionTooLarge'])
    const meta = { 'x-amz-meta-a': 'v'.repeat(2048) }
    await answers({ method: 'PUT', target: '/wire/meta', headers: meta, body: 'x' }, 400, 'MetadataTooLarge')
    await answers({ target: '/wire/meta' }, 404, 'NoSuchKey')
  })

  it('a client cannot send an envelope of its own', async () => {
    for (const name of ['x-amz-meta-sealgate', 'X-Amz-Meta-Sealgate', 'x-amz-meta-sealgate-v2']) {
      await answers(
        { method: 'PUT', target: '/wire/own', headers: { [name]: 'AQEB' }, body: 'x' },
        400,
        'InvalidArgument',
      )
    }
  })

  it('metadata names are what they are, also the ones that JavaScript knows', async () => {
    const headers = { 'x-amz-meta-__proto__': 'p', 'x-amz-meta-constructor': 'c' }
    await answers({ method: 'PUT', target: '/wire/proto', headers, body: 'x' }, 200, undefined)
    const answer = await send(gateway, { target: '/wire/proto' })
    assert.deepEqual(
      [answer.headers.get('x-amz-meta-__proto__'), answer.headers.get('x-amz-meta-constructor')],
      ['p', 'c'],
    )
  })
})

describe('XML bodies', () => {
  it('are refused when they are malformed, have a document type, are too deep, too large or not what is asked', async () => {
    const deep = `${'<Delete>'.repeat(50)}${'</Delete>'.repeat(50)}`
    const bomb =
      '<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><Delete><Object><Key>&b;</Key></Object></Delete>'
    const external = '<!DOCTYPE d SYSTEM "file:///etc/passwd"><Delete><Object><Key>k</Key></Object></Delete>'
    for (const xml of [
      '',
      '<',
      'text',
      '<Delete>',
      '<Delete></Delete>',
      '<Other><Object><Key>k</Key></Object></Other>',
      '<Delete><Object></Object></Delete>',
      '<Delete><Object><Key></Key></Object></Delete>',
      '<Delete><Object><Key>&unknown;</Key></Object></Delete>',
      '<Delete><Object><Key>&#xD800;</Key></Object></Delete>',
      '<Delete><Object><Key>&#0;</Key></Object></Delete>',
      deep,
      bomb,
      external,
    ]) {
      const answer = await send(gateway, deletion(xml))
      assert.equal(answer.status, 400, `${xml.slice(0, 60)}: ${answer.body}`)
      assert.doesNotMatch(answer.body, /root:/)
    }
    assert.equal((await send(gateway, { target: '/wire/k' })).body, 'value')
    const large = `<Delete>${'<Object><Key>k</Key></Object>'.repeat(1001)}</Delete>`
    await answers(deletion(large), 400, 'MalformedXML')
    const huge = `<Delete>${' '.repeat(3 * 1024 * 1024)}</Delete>`
    await answers(deletion(huge), 400, 'MaxMessageLengthExceeded')
  })

  it('are taken with and without namespace, prefix and declaration, in any order', async () => {
    for (const [n, xml] of [
      '<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>false</Quiet><Object><Key>k0</Key></Object></Delete>',
      '<?xml version="1.0"?>\n<a:Delete xmlns:a="http://s3.amazonaws.com/doc/2006-03-01/"><a:Object><a:Key>k1</a:Key></a:Object></a:Delete>',
      '<Delete><Object><Key><![CDATA[k2]]></Key></Object></Delete>\n',
    ].entries()) {
      await bucket.put(`k${n}`, 'x')
      assert.match(
        await answers(deletion(xml), 200, undefined),
        new RegExp(`<Deleted><Key>k${n}</Key></Deleted>`),
      )
      await answers({ target: `/wire/k${n}` }, 404, 'NoSuchKey')
    }
  })

  it('need a digest, and the right one, to delete', async () => {
    const xml = '<Delete><Object><Key>k</Key></Object></Delete>'
    await answers({ ...deletion(xml), headers: {} }, 400, 'InvalidRequest')
    await answers({ ...deletion(xml), headers: { 'content-md5': md5('other') } }, 400, 'BadDigest')
    await answers({ ...deletion(xml), headers: { 'content-md5': 'short' } }, 400, 'InvalidDigest')
    assert.equal((await send(gateway, { target: '/wire/k' })).body, 'value')
  })
})

describe('lists on the wire', () => {
  it('escape what is no XML, and encode everything that they echo when asked', async () => {
    const names = ['list/a&b<c>', 'list/\u0001', 'list/dir +%/x', 'list/quote\'"', 'list/ü']
    for (const name of names) await bucket.put(name, 'x')
    const plain = await answers({ target: '/wire?list-type=2&prefix=list%2F' }, 200, undefined)
    assert.match(plain, /<Key>list\/a&amp;b&lt;c&gt;<\/Key>/)
    assert.match(plain, /<Key>list\/&#x1;<\/Key>/)
    const query = 'delimiter=%2F&encoding-type=url&list-type=2&prefix=list%2F&start-after=list%2F%21'
    const encoded = await answers({ target: `/wire?${query}` }, 200, undefined)
    assert.match(encoded, /<EncodingType>url<\/EncodingType>/)
    assert.match(encoded, /<Key>list\/a%26b%3Cc%3E<\/Key>/)
    assert.match(encoded, /<CommonPrefixes><Prefix>list\/dir%20%2B%25\/<\/Prefix><\/CommonPrefixes>/)
    assert.match(encoded, /<StartAfter>list\/%21<\/StartAfter>/)
    assert.doesNotMatch(encoded, /Checksum/)
  })

  it('refuse numbers that are none', async () => {
    for (const value of ['-1', 'x', '1.5', '99999999999999999999', '']) {
      const answer = await send(gateway, { target: `/wire?list-type=2&max-keys=${value}` })
      assert.ok(value === '' || answer.status === 400, `${value}: ${answer.status}`)
      assert.ok(answer.status < 500)
    }
    await answers({ target: '/wire?encoding-type=base64&list-type=2' }, 400, 'InvalidArgument')
    await answers({ target: '/wire?continuation-token=made-up&list-type=2' }, 400, 'InvalidArgument')
    await answers({ target: '/wire?list-type=3' }, 400, 'InvalidArgument')
    assert.match(
      await answers({ target: '/wire?list-type=2&max-keys=0' }, 200, undefined),
      /<KeyCount>0<\/KeyCount>/,
    )
  })
})

describe('garbage', () => {
  it('is never answered by a 500, and the server lives', async () => {
    const whole = signed(gateway, {
      method: 'PUT',
      target: '/wire/fuzz?x=1',
      headers: { 'x-amz-meta-a': 'b' },
      body: 'hello',
    })
    const mutation = fc.record({
      at: fc.nat(whole.length - 1),
      cut: fc.nat(6),
      insert: fc.uint8Array({ maxLength: 6 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 4 }), async (mutations) => {
        let bytes: Buffer = whole
        for (const { at, cut, insert } of mutations)
          bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + cut)])
        const conversation = converse(gateway)
        conversation.socket.end(bytes)
        const text = await conversation.ended(4000).finally(() => conversation.socket.destroy())
        const statuses = [...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status))
        for (const status of statuses)
          assert.ok(status < 500 || status === 501 || status === 503, text.slice(0, 500))
      }),
      { numRuns: 300 },
    )
    assert.equal((await send(gateway, { target: '/wire/k' })).body, 'value')
    for (const { status, cause } of gateway.outcomes) assert.ok(status !== 500, String(cause))
  })

  it('that is no HTTP is refused and closed, and so is a body with two lengths', async () => {
    for (const bytes of [
      '\r\n\r\n',
      'GET\r\n\r\n',
      'GET /wire/k\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      '\u0016\u0003\u0001\u0002\u0000',
    ]) {
      const conversation = converse(gateway)
      conversation.socket.end(Buffer.from(bytes, 'latin1'))
      const text = await conversation.ended()
      assert.match(text, /^(HTTP\/1\.1 (40[03]|505)|$)/)
    }
    const both = signed(gateway, {
      method: 'PUT',
      target: '/wire/smuggled',
      headers: { 'transfer-encoding': 'chunked', 'content-length': '5' },
      body: '0\r\n\r\n',
    })
    assert.equal((await exchange(gateway, both)).status, 400)
    await answers({ target: '/wire/smuggled' }, 404, 'NoSuchKey')
  })
})
