import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { type Fields, formOf } from '../lib/html-form.ts'

const BUCKET = 'old-clients'

describe('Signature Version 2, where the configuration accepts it', () => {
  let gateway: TestGateway
  let s3: S3Client
  before(async () => {
    gateway = await startGateway({ signatureV2: true })
    s3 = gateway.client()
    await TestBucket.create(s3, BUCKET)
  })
  after(() => gateway.close())

  const hmac = (text: string) => createHmac('sha1', gateway.secretAccessKey).update(text).digest('base64')
  const url = (path: string) => `${gateway.endpoint}/${BUCKET}${path}`

  /** As clients of ten years ago send it. */
  async function send(method: string, path: string, headers: Record<string, string> = {}, body?: string) {
    const date = new Date().toUTCString()
    const { 'content-md5': md5 = '', 'content-type': type = '' } = headers
    const amz = Object.entries({ ...headers, 'x-amz-date': date })
      .filter(([name]) => name.startsWith('x-amz-'))
      .map(([name, value]) => `${name}:${value}\n`)
      .sort()
      .join('')
    const toSign = `${method}\n${md5}\n${type}\n\n${amz}/${BUCKET}${path}`
    const authorization = `AWS ${gateway.accessKeyId}:${hmac(toSign)}`
    const all = { 'x-amz-date': date, authorization, ...headers }
    const answer = await fetch(url(path), {
      method,
      headers: all,
      ...(body === undefined ? {} : { body: Buffer.from(body) }),
    })
    return { status: answer.status, body: await answer.text() }
  }

  function presigned(path: string, o: { method?: string; md5?: string; expires?: number } = {}) {
    const { method = 'GET', md5 = '', expires = Math.floor(Date.now() / 1000) + 60 } = o
    const signature = encodeURIComponent(hmac(`${method}\n${md5}\n\n${expires}\n/${BUCKET}${path}`))
    const more = md5 === '' ? '' : `&content-md5=${encodeURIComponent(md5)}`
    return url(
      `${path}?AWSAccessKeyId=${gateway.accessKeyId}&Signature=${signature}&Expires=${expires}${more}`,
    )
  }

  it('writes, reads and lists', async () => {
    const headers = { 'content-type': 'text/plain', 'x-amz-meta-a': '1' }
    assert.equal((await send('PUT', '/a%20b/%C3%B6', headers, 'content')).status, 200)
    const found = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: 'a b/ö' }))
    assert.deepEqual([found.ContentType, found.Metadata], ['text/plain', { a: '1' }])
    assert.deepEqual(await send('GET', '/a%20b/%C3%B6'), { status: 200, body: 'content' })
    assert.match((await send('GET', '/?versioning')).body, /VersioningConfiguration/)
    const wrong = await send('PUT', '/garbage', { 'content-md5': 'AWS HAHAHA' }, 'x')
    assert.match(wrong.body, /<Code>InvalidDigest</)
  })

  it('presigned addresses read and write; what they say of the body is checked', async () => {
    const md5 = createHash('md5').update('content').digest('base64')
    const put = (body: string) =>
      fetch(presigned('/signed', { method: 'PUT', md5 }), { method: 'PUT', body: Buffer.from(body) })
    assert.equal((await put('other!!')).status, 400)
    assert.equal((await put('content')).status, 200)
    assert.equal(await (await fetch(presigned('/signed'))).text(), 'content')
    assert.equal((await fetch(presigned('/signed'), { method: 'DELETE' })).status, 403)
    assert.equal((await fetch(presigned('/signed', { expires: 1 }))).status, 403)
  })

  it('signs forms', async () => {
    const expiration = new Date(Date.now() + 60_000).toISOString()
    const document = { expiration, conditions: [{ bucket: BUCKET }, ['starts-with', '$key', '']] }
    const policy = Buffer.from(JSON.stringify(document)).toString('base64')
    const fields: Fields = [
      ['key', 'form'],
      ['AWSAccessKeyId', gateway.accessKeyId],
      ['policy', policy],
      ['signature', hmac(policy)],
    ]
    const post = async (sent: Fields) => {
      const answer = await fetch(url(''), { method: 'POST', body: formOf(sent, 'content') })
      return [answer.status, /<Code>([^<]*)/.exec(await answer.text())?.[1]]
    }
    assert.deepEqual(await post(fields), [204, undefined])
    const without = (name: string) => fields.filter(([other]) => other !== name)
    for (const name of ['AWSAccessKeyId', 'signature', 'policy'])
      assert.deepEqual(await post(without(name)), [400, 'InvalidArgument'], name)
    assert.deepEqual(await post([...without('signature'), ['signature', hmac('x')]]), [
      403,
      'SignatureDoesNotMatch',
    ])
    // Characters beyond a byte, whose low bytes are those that were signed, are others.
    const shifted = policy.replace(/./g, (character) => String.fromCharCode(character.charCodeAt(0) + 0x100))
    assert.deepEqual(await post([...without('policy'), ['policy', shifted]]), [403, 'SignatureDoesNotMatch'])
  })

  it('version 4 is taken beside it, and both at once are not', async () => {
    const answer = await fetch(presigned('/signed'), {
      headers: { authorization: `AWS ${gateway.accessKeyId}:x` },
    })
    assert.equal(answer.status, 400)
    assert.match(await answer.text(), /Only one auth mechanism allowed/)
  })
})

describe('Signature Version 2, where it does not', () => {
  it('is refused in a header, in a query and in a form, with what to do', async () => {
    const gateway = await startGateway()
    try {
      const target = `${gateway.endpoint}/${BUCKET}`
      for (const answer of [
        await fetch(`${target}/k`, { headers: { authorization: `AWS ${gateway.accessKeyId}:x` } }),
        await fetch(`${target}/k?AWSAccessKeyId=${gateway.accessKeyId}&Signature=x&Expires=1`),
        await fetch(target, {
          method: 'POST',
          body: formOf(
            [
              ['key', 'k'],
              ['signature', 'x'],
            ],
            'x',
          ),
        }),
      ]) {
        assert.equal(answer.status, 400)
        assert.match(await answer.text(), /<Code>InvalidRequest<.*Please use AWS4-HMAC-SHA256/s)
      }
    } finally {
      await gateway.close()
    }
  })
})
