import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import * as sdk from '@aws-sdk/client-s3'
import { createPresignedPost } from '@aws-sdk/s3-presigned-post'
import { createChecksum } from '../../src/base/checksum.ts'
import { CHECKSUM_NAMES } from '../../src/base/checksum-algorithm.ts'
import { TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { type Fields, formBytes, formOf, postBytes, signedFields } from '../lib/html-form.ts'
import { exchange } from '../lib/raw-http.ts'

const Bucket = 'of-forms'
const MIB = 1024 * 1024
/** As a form writes it. */
const FILENAME = '$'.concat('{filename}')

let gateway: TestGateway
let s3: sdk.S3Client
before(async () => {
  gateway = await startGateway()
  s3 = gateway.client()
  await TestBucket.create(s3, Bucket)
})
after(() => gateway.close())

const url = () => `${gateway.endpoint}/${Bucket}`
const own = [{ bucket: Bucket }, ['starts-with', '$key', '']]

interface Posted {
  readonly status: number
  readonly headers: Headers
  readonly body: string
  readonly code: string | undefined
}

async function posted(form: FormData, to = url()): Promise<Posted> {
  const answer = await fetch(to, { method: 'POST', body: form, redirect: 'manual' })
  const body = await answer.text()
  return { status: answer.status, headers: answer.headers, body, code: /<Code>([^<]*)/.exec(body)?.[1] }
}

/** A form whose every field has a condition that lets it be, and a file. */
function post(
  fields: Fields,
  content: string | Uint8Array<ArrayBuffer> = 'content',
  more: readonly unknown[] = [],
) {
  const conditions = fields.map(([name]) => ['starts-with', `$${name}`, ''])
  const signed = signedFields(gateway, [{ bucket: Bucket }, ...conditions, ...more])
  return posted(formOf([...fields, ...signed], content))
}

const read = async (Key: string, more: Partial<sdk.GetObjectCommandInput> = {}) => {
  const answer = await s3.send(new sdk.GetObjectCommand({ Bucket, Key, ...more }))
  return { ...answer, bytes: Buffer.from((await answer.Body?.transformToByteArray()) ?? []) }
}

const absent = async (Key: string) =>
  assert.rejects(s3.send(new sdk.HeadObjectCommand({ Bucket, Key })), { name: 'NotFound' })

describe('an upload by a form', () => {
  it('that the SDK for JavaScript signed is stored under its conditions', async () => {
    const { url: to, fields } = await createPresignedPost(s3, {
      Bucket,
      Key: `sdk/${FILENAME}`,
      Conditions: [
        ['content-length-range', 1, 100],
        ['starts-with', '$Content-Type', 'image/'],
      ],
      Fields: { acl: 'private', 'x-amz-meta-who': 'me' },
    })
    const all: Fields = [...Object.entries(fields), ['Content-Type', 'image/png']]
    const answer = await posted(formOf(all, 'content', 'C:\\pictures\\one.png'), to)
    assert.deepEqual([answer.status, answer.body], [204, ''])
    const { bytes, ContentType, Metadata, ETag, ServerSideEncryption } = await read('sdk/one.png')
    assert.deepEqual([bytes.toString(), ContentType, Metadata], ['content', 'image/png', { who: 'me' }])
    assert.equal(answer.headers.get('etag'), ETag)
    assert.equal(answer.headers.get('location'), `${url()}/sdk%2Fone.png`)
    assert.equal(answer.headers.get('x-amz-server-side-encryption'), ServerSideEncryption)
    for (const [content, code] of [
      ['', 'EntityTooSmall'],
      ['x'.repeat(101), 'EntityTooLarge'],
    ] as const) {
      const refused = await posted(formOf(all, content, 'two.png'), to)
      assert.deepEqual([refused.status, refused.code], [400, code])
      assert.match(refused.body, new RegExp(`<ProposedSize>${content.length}</ProposedSize>`))
    }
    await absent('sdk/two.png')
  })

  it('takes what PutObject takes in headers: type, metadata, class, tags, redirect, in any letters', async () => {
    const tag = (key: string, value: string) => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`
    const answer = await post([
      ['Key', 'whole'],
      ['CONTENT-TYPE', 'text/plain; charset=utf-8'],
      ['Cache-Control', 'no-store'],
      ['Content-Disposition', 'attachment; filename="größe.txt"'],
      ['Content-Encoding', 'gzip'],
      ['Expires', 'Wed, 01 Jan 2031 00:00:00 GMT'],
      ['X-Amz-Meta-Name', 'Jürgen'],
      ['x-amz-meta-list', 'a'],
      ['x-amz-meta-list', 'b'],
      ['x-amz-storage-class', 'STANDARD'],
      ['tagging', `<Tagging><TagSet>${tag('a', '1')}${tag('b', '2 c')}</TagSet></Tagging>`],
      ['x-ignore-this', 'x'],
    ])
    assert.equal(answer.status, 204, answer.body)
    const head = await s3.send(new sdk.HeadObjectCommand({ Bucket, Key: 'whole' }))
    assert.deepEqual(
      [head.ContentType, head.CacheControl, head.ContentEncoding, head.TagCount],
      ['text/plain; charset=utf-8', 'no-store', 'gzip', 2],
    )
    assert.equal(Buffer.from(head.Metadata?.['name'] ?? '', 'latin1').toString(), 'Jürgen')
    assert.equal(head.Metadata?.['list'], 'a,b')
    const { TagSet } = await s3.send(new sdk.GetObjectTaggingCommand({ Bucket, Key: 'whole' }))
    assert.deepEqual(TagSet, [
      { Key: 'a', Value: '1' },
      { Key: 'b', Value: '2 c' },
    ])
    for (const [field, value, code] of [
      ['tagging', 'not-xml', 'MalformedXML'],
      ['tagging', `<Tagging><TagSet>${tag('', '1')}</TagSet></Tagging>`, 'InvalidTag'],
      ['x-amz-storage-class', 'FakeClass', 'InvalidStorageClass'],
      ['acl', 'public-read', 'AccessControlListNotSupported'],
      ['x-amz-meta-a', 'line\r\nend', 'InvalidArgument'],
      ['x-amz-copy-source', '/of-forms/whole', 'NotImplemented'],
      ['If-None-Match', '*', 'NotImplemented'],
      ['x-amz-server-side-encryption', 'rot13', 'InvalidArgument'],
    ] as const)
      assert.equal(
        (
          await post([
            ['key', 'not'],
            [field, value],
          ])
        ).code,
        code,
        `${field} ${value}`,
      )
    await absent('not')
  })

  it('answers as its fields ask: 200, 201 with a document, 204, or on to a page', async () => {
    const key: [string, string] = ['key', 'dir/ö &']
    const location = `${url()}/dir%2F%C3%B6%20%26`
    for (const [value, status] of [
      ['200', 200],
      ['204', 204],
      ['404', 204],
    ] as const) {
      const answer = await post([key, ['success_action_status', value]])
      assert.deepEqual([answer.status, answer.body], [status, ''])
      assert.equal(answer.headers.get('location'), location)
    }
    const created = await post([key, ['success_action_status', '201']])
    const etag = created.headers.get('etag') ?? ''
    assert.equal(created.status, 201)
    assert.equal(
      created.body,
      `<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse><Location>${location}</Location><Bucket>${Bucket}</Bucket><Key>dir/ö &amp;</Key><ETag>${etag.replaceAll('"', '&quot;')}</ETag></PostResponse>`,
    )
    const query = (tag: string) =>
      `bucket=${Bucket}&key=dir%2F%C3%B6+%26&etag=%22${tag.replaceAll('"', '')}%22`
    for (const [page, before] of [
      ['https://example.com/done', 'https://example.com/done?'],
      ['https://example.com/done?a=b c#top', 'https://example.com/done?a=b%20c&'],
      ['http://example.com/\r\nset-cookie: a', 'http://example.com/%0D%0Aset-cookie:%20a?'],
    ] as const) {
      const answer = await post([key, ['success_action_redirect', page], ['success_action_status', '201']])
      assert.deepEqual([answer.status, answer.body], [303, ''])
      const end = page.includes('#') ? '#top' : ''
      assert.equal(
        answer.headers.get('location'),
        `${before}${query(answer.headers.get('etag') ?? '')}${end}`,
      )
    }
    for (const page of ['/relative', 'javascript:alert(1)', 'https://'])
      assert.equal((await post([key, ['redirect', page]])).status, 204)
  })

  it('with a customer key, or the KMS, is encrypted so', async () => {
    const secret = randomBytes(32)
    const md5 = createHash('md5').update(secret).digest('base64')
    const fields: Fields = [
      ['key', 'sse-c'],
      ['x-amz-server-side-encryption-customer-algorithm', 'AES256'],
      ['x-amz-server-side-encryption-customer-key', secret.toString('base64')],
      ['x-amz-server-side-encryption-customer-key-md5', md5],
    ]
    for (const content of ['small', randomBytes(9 * MIB)]) {
      const answer = await post(fields, content)
      assert.equal(answer.status, 204, answer.body)
      assert.equal(answer.headers.get('x-amz-server-side-encryption-customer-key-md5'), md5)
      const found = await read('sse-c', {
        SSECustomerAlgorithm: 'AES256',
        SSECustomerKey: secret.toString('base64'),
        SSECustomerKeyMD5: md5,
      })
      assert.ok(found.bytes.equals(Buffer.from(content)))
    }
    assert.equal(
      (
        await post([
          ['key', 'kms'],
          ['x-amz-server-side-encryption', 'aws:kms'],
        ])
      ).status,
      204,
    )
  })

  it('is checked against what it says of itself, small and by parts', async () => {
    for (const content of [randomBytes(1000), randomBytes(8 * MIB), randomBytes(8 * MIB + 1)]) {
      const md5 = createHash('md5').update(content).digest('base64')
      assert.equal(
        (
          await post(
            [
              ['key', 'md5'],
              ['Content-MD5', md5],
            ],
            content,
          )
        ).status,
        204,
      )
      assert.ok((await read('md5')).bytes.equals(content))
      for (const algorithm of content.length < MIB ? CHECKSUM_NAMES : (['CRC32', 'SHA256'] as const)) {
        const checksum = createChecksum(algorithm)
        checksum.update(content)
        const value = checksum.digest().toString('base64')
        const name = `x-amz-checksum-${algorithm.toLowerCase()}`
        const answer = await post(
          [
            ['key', algorithm],
            [name, value],
          ],
          content,
        )
        assert.equal(answer.status, 204, answer.body)
        const { bytes, ...found } = await read(algorithm, { ChecksumMode: 'ENABLED' })
        assert.ok(bytes.equals(content))
        // Parts do not join to a SHA of the whole, so none is told then.
        const told = content.length < 8 * MIB || algorithm.startsWith('CRC') ? value : undefined
        assert.equal(found[`Checksum${algorithm}`], told, `${algorithm} of ${content.length} bytes`)
        const wrong = await post(
          [
            ['key', 'wrong'],
            [name, value],
          ],
          Buffer.concat([content, Buffer.from('x')]),
        )
        assert.deepEqual([wrong.status, wrong.code], [400, 'BadDigest'])
      }
      assert.equal(
        (
          await post(
            [
              ['key', 'wrong'],
              ['content-md5', md5],
            ],
            'x',
          )
        ).code,
        'BadDigest',
      )
    }
    for (const [name, value, code] of [
      ['x-amz-checksum-sha256', 'sailorjerry', 'InvalidRequest'],
      ['x-amz-checksum-algorithm', 'SHA256', 'InvalidRequest'],
      ['content-md5', 'x', 'InvalidDigest'],
    ] as const)
      assert.equal(
        (
          await post([
            ['key', 'wrong'],
            [name, value],
          ])
        ).code,
        code,
      )
    await absent('wrong')
    const { Uploads } = await s3.send(new sdk.ListMultipartUploadsCommand({ Bucket }))
    assert.equal(Uploads, undefined, 'no upload is left')
  })

  it('is one version of its key', async () => {
    const Key = 'versions'
    await s3.send(new sdk.CreateBucketCommand({ Bucket: 'forms-and-versions' }))
    await s3.send(
      new sdk.PutBucketVersioningCommand({
        Bucket: 'forms-and-versions',
        VersioningConfiguration: { Status: 'Enabled' },
      }),
    )
    const { url: to, fields } = await createPresignedPost(s3, { Bucket: 'forms-and-versions', Key })
    for (const content of ['one', Buffer.alloc(9 * MIB)]) {
      const { headers } = await posted(formOf(Object.entries(fields), content), to)
      const VersionId = headers.get('x-amz-version-id') ?? ''
      const head = await s3.send(new sdk.HeadObjectCommand({ Bucket: 'forms-and-versions', Key, VersionId }))
      assert.equal(head.ContentLength, content.length)
    }
  })

  it('in virtual-host style goes to the bucket of the host', async () => {
    const fields: Fields = [['key', 'virtual'], ...signedFields(gateway, own), ['file', 'content']]
    const headers = { host: `${Bucket}.s3.sealgate.test` }
    const answer = await postBytes(gateway, { target: '/', body: formBytes(fields), headers })
    assert.equal(answer.status, 204)
    assert.equal(answer.headers.get('location'), `http://${Bucket}.s3.sealgate.test/virtual`)
    assert.equal((await read('virtual')).bytes.toString(), 'content')
  })
})

describe('a form that is refused', () => {
  const refused = async (fields: Fields, status: number, code: string, message: string | RegExp) => {
    const answer = await posted(formOf([['key', 'refused'], ...fields], 'content'))
    assert.deepEqual([answer.status, answer.code], [status, code], answer.body)
    const found = /<Message>([^<]*)</.exec(answer.body)?.[1]?.replaceAll('&quot;', '"') ?? ''
    if (typeof message === 'string') assert.equal(found, message)
    else assert.match(found, message)
    return answer.body
  }
  after(() => absent('refused'))

  it('has no signature, or not all of one', async () => {
    await refused([], 403, 'AccessDenied', /^Anonymous access is not allowed/)
    const signed = signedFields(gateway, own)
    await refused(
      signed.filter(([name]) => name === 'policy'),
      403,
      'AccessDenied',
      /^Anonymous/,
    )
    for (const [name, shown] of [
      ['x-amz-algorithm', 'X-Amz-Algorithm'],
      ['x-amz-credential', 'X-Amz-Credential'],
      ['x-amz-date', 'X-Amz-Date'],
      ['x-amz-signature', 'X-Amz-Signature'],
      ['policy', 'Policy'],
    ] as const)
      await refused(
        signed.filter(([other]) => other !== name),
        400,
        'InvalidArgument',
        `Bucket POST must contain a field named '${shown}'.  If it is specified, please check the order of the fields.`,
      )
  })

  it('has a signature that does not fit, before anything is looked at that it signs', async () => {
    const signed = signedFields(gateway, own)
    const policy = signed.find(([name]) => name === 'policy')?.[1] ?? ''
    const body = await refused(
      signed.map(([name, value]) => [name, name === 'policy' ? value.slice(0, -2) : value] as const),
      403,
      'SignatureDoesNotMatch',
      /secret access key/,
    )
    assert.ok(body.includes(`<StringToSign>${policy.slice(0, -2)}</StringToSign>`))
    const token = [...own, { 'x-amz-security-token': 'secret' }]
    const hidden = await refused(
      signedFields(gateway, token, { secret: 'x' }),
      403,
      'SignatureDoesNotMatch',
      /secret/,
    )
    assert.ok(!hidden.includes('<StringToSign>'), 'no token in an error')
    await refused(signedFields(gateway, own, { secret: 'x' }), 403, 'SignatureDoesNotMatch', /secret/)
    const other = signed.map(
      ([name, value]) => [name, value.replace(/^AKIDEXAMPLE0000/, 'AKIDOTHER')] as const,
    )
    await refused(other, 403, 'InvalidAccessKeyId', /does not exist/)
    await refused(
      signed.map(
        ([name, value]) => [name, name === 'x-amz-signature' ? value.toUpperCase() : value] as const,
      ),
      403,
      'SignatureDoesNotMatch',
      /secret/,
    )
  })

  it('is too old, of tomorrow, or of another service', async () => {
    const DAY = 86_400_000
    const expiration = new Date(Date.now() + 30 * DAY).toISOString()
    await refused(
      signedFields(gateway, own, { expiration, time: Date.now() - 8 * DAY }),
      403,
      'AccessDenied',
      /expired/,
    )
    await refused(
      signedFields(gateway, own, { expiration, time: Date.now() + DAY }),
      403,
      'AccessDenied',
      /not yet/,
    )
    const past = new Date(Date.now() - 1000).toISOString()
    await refused(
      signedFields(gateway, own, { expiration: past }),
      403,
      'AccessDenied',
      'Invalid according to Policy: Policy expired.',
    )
    for (const [from, to] of [
      ['/s3/', '/ec2/'],
      ['aws4_request', 'aws5_request'],
      [/\/\d{8}\//, '/20000101/'],
      ['us-east-1', 'r'.repeat(65)],
      [/^AKIDEXAMPLE0000\//, ''],
    ] as const)
      await refused(
        signedFields(gateway, own).map(([name, value]) => [name, value.replace(from, to)] as const),
        400,
        'InvalidArgument',
        /./,
      )
  })

  it('is not what its policy says', async () => {
    const policy = 'Invalid according to Policy: '
    await refused(
      [['x-amz-meta-a', '1'], ...signedFields(gateway, own)],
      403,
      'AccessDenied',
      `${policy}Extra input fields: x-amz-meta-a`,
    )
    await refused(
      signedFields(gateway, [...own, ['starts-with', '$key', 'ref/']]),
      403,
      'AccessDenied',
      `${policy}Policy Condition failed: ["starts-with", "$key", "ref/"]`,
    )
    await refused(
      signedFields(gateway, [{ bucket: 'another' }]),
      403,
      'AccessDenied',
      `${policy}Policy Condition failed: ["eq", "$bucket", "another"]`,
    )
    await refused(
      signedFields(gateway, [{}]),
      400,
      'InvalidPolicyDocument',
      /^Invalid Policy: Invalid Simple/,
    )
  })

  it('goes to no bucket, or to the one of the gateway', async () => {
    for (const bucket of ['nowhere-at-all', 'sealgate-system']) {
      const signed = signedFields(gateway, [{ bucket }, { key: 'k' }])
      const answer = await posted(formOf([['key', 'k'], ...signed], 'x'), `${gateway.endpoint}/${bucket}`)
      assert.deepEqual([answer.status, answer.code], [404, 'NoSuchBucket'])
    }
  })

  it('is none, or has no key, no file or two', async () => {
    const signed = signedFields(gateway, own)
    const to = { target: `/${Bucket}` }
    const say = async (fields: Fields, message: RegExp) => {
      const answer = await postBytes(gateway, { ...to, body: formBytes(fields) })
      assert.deepEqual([answer.status, answer.code], [400, 'InvalidArgument'])
      assert.match(answer.body, message)
    }
    await say([...signed, ['file', 'x']], /a field named 'key'\. {2}If/)
    await say([['file', 'x'], ['key', 'refused'], ...signed], /a field named 'key'/)
    await say([['key', 'refused'], ...signed], /exactly one file.*<ArgumentValue>0</)
    await say([['key', 'refused'], ...signed, ['file', 'x'], ['file', 'y']], /exactly one file/)
    const body = formBytes([['key', 'refused'], ...signed, ['file', 'x']])
    const text = await postBytes(gateway, { ...to, body, headers: { 'content-type': 'text/html' } })
    assert.deepEqual([text.status, text.code], [412, 'PreconditionFailed'])
    assert.match(text.body, /<Condition>Bucket POST must be of the enclosure-type multipart\/form-data</)
    const without = await postBytes(gateway, {
      ...to,
      body,
      headers: { 'content-type': 'multipart/form-data' },
    })
    assert.deepEqual([without.status, without.code], [400, 'MalformedPOSTRequest'])
    const cut = await postBytes(gateway, { ...to, body: body.slice(0, -8) })
    assert.deepEqual([cut.status, cut.code], [400, 'MalformedPOSTRequest'])
    const large = await postBytes(gateway, { ...to, body: formBytes([['key', 'x'.repeat(21_000)]]) })
    assert.deepEqual([large.status, large.code], [400, 'MaxPostPreDataLengthExceeded'])
    const { status, code } = await posted(formOf([['key', 'k'.repeat(1025)], ...signed], 'x'))
    assert.deepEqual([status, code], [400, 'KeyTooLongError'])
    const nul = await posted(formOf([['key', 'a\0b'], ...signed], 'x'))
    assert.deepEqual([nul.status, nul.code], [400, 'InvalidURI'])
    const chunked = `POST /${Bucket} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: multipart/form-data; boundary=B\r\n\r\n0\r\n\r\n`
    const unsized = await exchange(gateway, chunked)
    assert.deepEqual([unsized.status, unsized.code], [411, 'MissingContentLength'])
  })

  it('has a header beside its field that says otherwise', async () => {
    const fields: Fields = [
      ['key', 'refused'],
      ['x-amz-meta-a', '1'],
      ...signedFields(gateway, [...own, { 'x-amz-meta-a': '1' }]),
      ['file', 'x'],
    ]
    const headers = { 'x-amz-meta-a': '2' }
    const answer = await postBytes(gateway, { target: `/${Bucket}`, body: formBytes(fields), headers })
    assert.deepEqual([answer.status, answer.code], [400, 'InvalidRequest'])
  })

  it('is too long, which is said when it is known, and not when all of it has come', async () => {
    const signed = signedFields(gateway, [...own, ['content-length-range', 0, 10]])
    const body = formBytes([['key', 'refused'], ...signed, ['file', '']])
    const begun = body.slice(0, body.indexOf('\r\n--B--'))
    const headers = { 'content-length': String(begun.length + 100 * MIB) }
    const answer = await postBytes(gateway, { target: `/${Bucket}`, body: begun, headers })
    assert.deepEqual([answer.status, answer.code], [400, 'EntityTooLarge'])
    assert.match(answer.body, /<MaxSizeAllowed>10</)
  })
})

describe('a form of a page of another origin', () => {
  it('is answered with what the CORS rules of the bucket say', async () => {
    await s3.send(
      new sdk.PutBucketCorsCommand({
        Bucket,
        CORSConfiguration: {
          CORSRules: [
            { AllowedMethods: ['POST'], AllowedOrigins: ['https://page.example'], ExposeHeaders: ['ETag'] },
          ],
        },
      }),
    )
    const fields: Fields = [['key', 'cors'], ...signedFields(gateway, own), ['file', 'content']]
    for (const end of [undefined, '']) {
      const headers = { origin: 'https://page.example' }
      const answer = await postBytes(gateway, { target: `/${Bucket}`, body: formBytes(fields, end), headers })
      assert.equal(answer.status, end === undefined ? 204 : 400)
      assert.equal(answer.headers.get('access-control-allow-origin'), 'https://page.example')
    }
  })
})
