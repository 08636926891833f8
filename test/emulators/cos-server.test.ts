import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { after, before, describe, it } from 'node:test'
import type COS from 'cos-nodejs-sdk-v5'
import { cosClient } from './cos-client.ts'
import { type CosServer, startCosServer } from './cos-server.ts'

const MIB = 1024 * 1024
const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex')

let server: CosServer
let cos: COS
let at: { readonly Bucket: string; readonly Region: string }

before(async () => {
  server = await startCosServer()
  cos = cosClient(server)
  at = { Bucket: `box-${server.appid}`, Region: server.region }
  await cos.putBucket(at)
})
after(() => server.close())

/** The call is refused with this code and status. */
function refused(call: Promise<unknown>, code: string, status: number): Promise<void> {
  return assert.rejects(call, (error: { code?: string; statusCode?: number }) => {
    assert.deepEqual([error.code, error.statusCode], [code, status])
    return true
  })
}

const put = (Key: string, Body: Buffer | string, more: object = {}) =>
  cos.putObject({ ...at, Key, Body, ...more })
const read = async (Key: string, more: object = {}) => (await cos.getObject({ ...at, Key, ...more })).Body
const keysOf = async (more: object = {}) =>
  (await cos.getBucket({ ...at, ...more })).Contents.map(({ Key }) => Key)

describe('buckets of COS', () => {
  it('are names with the number of the account, in one region', async () => {
    const { Buckets } = await cos.getService({})
    assert.deepEqual(
      Buckets.map(({ Name, Location }) => [Name, Location]),
      [[at.Bucket, at.Region]],
    )
    await refused(cos.putBucket(at), 'BucketAlreadyOwnedByYou', 409)
    await refused(cos.putBucket({ ...at, Bucket: 'box-1299999999' }), 'AccessDenied', 403)
    const { headers } = await cos.headBucket(at)
    assert.equal(headers?.['x-cos-bucket-region'], at.Region)
    await refused(cos.getBucket({ ...at, Bucket: `none-${server.appid}` }), 'NoSuchBucket', 404)
    await refused(cos.getBucket({ ...at, Region: 'ap-beijing' }), 'NoSuchBucket', 404)
  })

  it('go when they are empty', async () => {
    const other = { ...at, Bucket: `full-${server.appid}` }
    await cos.putBucket(other)
    await cos.putObject({ ...other, Key: 'k', Body: 'v' })
    await refused(cos.deleteBucket(other), 'BucketNotEmpty', 409)
    await cos.deleteObject({ ...other, Key: 'k' })
    await cos.deleteBucket(other)
    await refused(cos.headBucket(other), '404', 404)
  })

  it('have hosts in the internal network and by acceleration as well, and domains of their own', async () => {
    const domain = 'files.example.com'
    const other = await startCosServer({ domains: new Map([[domain, at.Bucket]]) })
    const put = (Key: string, Domain: string) =>
      cosClient(other, { Domain }).putObject({ ...at, Key, Body: 'x' })
    await cosClient(other).putBucket(at)
    await put('internal', '{Bucket}.cos-internal.{Region}.tencentcos.cn')
    await put('accelerated', '{Bucket}.cos.accelerate.myqcloud.com')
    await put('own', domain)
    const { Contents } = await cosClient(other).getBucket(at)
    assert.deepEqual(
      Contents.map(({ Key }) => Key),
      ['accelerated', 'internal', 'own'],
    )
    await refused(put('unknown', 'elsewhere.example.com'), 'PathStyleDomainForbidden', 403)
    await other.close()
  })

  it('are in no path', async () => {
    const answer = await fetch(`http://${server.address}/${at.Bucket}/key`)
    assert.deepEqual(
      [answer.status, /<Code>(\w+)</.exec(await answer.text())?.[1]],
      [403, 'PathStyleDomainForbidden'],
    )
  })
})

describe('objects of COS', () => {
  it('keep bytes and metadata, and tell their checksum', async () => {
    const Key = 'dir one/照片(1)+&%.jpg'
    const Body = randomBytes(2 * MIB + 17)
    const headers = { ContentType: 'image/jpeg', CacheControl: 'no-store', 'x-cos-meta-Note': 'a b_c' }
    const { ETag } = await put(Key, Body, headers)
    assert.equal(ETag, `"${md5(Body)}"`)
    assert.ok(Body.equals((await read(Key)) as Buffer))
    const { headers: shown = {} } = await cos.headObject({ ...at, Key })
    const names = ['content-type', 'cache-control', 'x-cos-meta-note', 'content-length', 'etag']
    assert.deepEqual(
      names.map((name) => shown[name]),
      ['image/jpeg', 'no-store', 'a b_c', String(Body.length), ETag],
    )
    await put('crc', '[Object Content]')
    const crc = (await cos.headObject({ ...at, Key: 'crc' })).headers?.['x-cos-hash-crc64ecma']
    assert.equal(crc, '16749565679157681890')
  })

  it('are read by one range, and under conditions', async () => {
    await put('digits', '0123456789')
    const range = async (Range: string) => String(await read('digits', { Range }))
    assert.deepEqual(
      [await range('bytes=2-4'), await range('bytes=7-99'), await range('bytes=-2'), await range('bytes=8-')],
      ['234', '789', '89', '89'],
    )
    await refused(range('bytes=10-'), 'InvalidRange', 416)
    await refused(read('digits', { IfMatch: '"other"' }), 'PreconditionFailed', 412)
    await refused(read('digits', { IfNoneMatch: `"${md5(Buffer.from('0123456789'))}"` }), '304', 304)
    await refused(read('absent'), 'NoSuchKey', 404)
    await refused(cos.headObject({ ...at, Key: 'absent' }), '404', 404)
  })

  it('are refused beyond the limits of names and metadata', async () => {
    await put('k'.repeat(850), '')
    await refused(put('k'.repeat(851), ''), 'KeyTooLong', 400)
    const slash = { ...at, Key: '/slash', Body: '' }
    await refused(cosClient(server, { UseRawKey: true }).putObject(slash), 'InvalidURI', 400)
    await refused(put('\u001a', ''), 'InvalidURI', 400)
    await put('room', '', { 'x-cos-meta-room': 'r'.repeat(2044) })
    await refused(put('room', '', { 'x-cos-meta-room': 'r'.repeat(2045) }), 'KeyTooLong', 400)
    await refused(put('room', '', { 'x-cos-meta-a_b': 'x' }), 'InvalidArgument', 400)
  })

  it('are not written over where that is forbidden, and If-Match on a write is not looked at', async () => {
    const forbid = { Headers: { 'x-cos-forbid-overwrite': 'true' } }
    await put('once', 'first', forbid)
    await refused(put('once', 'second', forbid), 'FileAlreadyExists', 409)
    assert.equal(String(await read('once')), 'first')
    await put('once', 'third', { IfMatch: '"other"' })
    assert.equal(String(await read('once')), 'third')
  })

  it('have the digest that came with them, or are not there', async () => {
    await put('md5', 'body', { ContentMD5: createHash('md5').update('body').digest('base64') })
    const other = createHash('md5').update('other').digest('base64')
    await refused(put('bad', 'body', { ContentMD5: other }), 'BadDigest', 400)
    await refused(put('bad', 'body', { ContentMD5: 'short' }), 'InvalidDigest', 400)
    await refused(read('bad'), 'NoSuchKey', 404)
  })
})

describe('lists of COS', () => {
  it('go on behind a marker, in the order of bytes, with names encoded', async () => {
    const keys = ['list/a b', 'list/d/1', 'list/d/2', 'list/é', 'list/\uffff', 'list/🔑']
    for (const key of keys) await put(key, '')
    const Prefix = 'list/'
    assert.deepEqual(
      await keysOf({ Prefix, EncodingType: 'url' }),
      keys.map((key) => encodeURI(key)),
    )
    const folded = { Prefix, Delimiter: '/', MaxKeys: 2, EncodingType: 'url' }
    const first = await cos.getBucket({ ...at, ...folded })
    assert.deepEqual(
      [first.Contents.map(({ Key }) => Key), first.CommonPrefixes.map(({ Prefix }) => Prefix)],
      [['list/a%20b'], ['list/d/']],
    )
    assert.deepEqual([first.IsTruncated, first.NextMarker], ['true', 'list/d/'])
    assert.deepEqual(await keysOf({ ...folded, Marker: 'list/d/' }), ['list/%C3%A9', 'list/%EF%BF%BF'])
    await refused(keysOf({ Delimiter: '//' }), 'InvalidDelimiter', 400)
  })

  it('lag on demand', async () => {
    const Prefix = 'lag/'
    await put('lag/before', '')
    await put('lag/gone', '')
    server.freezeLists()
    await put('lag/late', '')
    await cos.deleteObject({ ...at, Key: 'lag/gone' })
    assert.deepEqual(await keysOf({ Prefix }), ['lag/before', 'lag/gone'])
    server.thawLists()
    assert.deepEqual(await keysOf({ Prefix }), ['lag/before', 'lag/late'])
  })
})

describe('uploads by parts of COS', () => {
  const begin = async (Key: string, more: object = {}) =>
    ({ ...at, Key, UploadId: (await cos.multipartInit({ ...at, Key, ...more })).UploadId }) as const
  type Begun = Awaited<ReturnType<typeof begin>>
  const send = async (upload: Begun, PartNumber: number, Body: Buffer) => ({
    PartNumber,
    ETag: (await cos.multipartUpload({ ...upload, PartNumber, Body })).ETag,
  })
  const complete = (upload: Begun, Parts: { PartNumber: number; ETag: string }[]) =>
    cos.multipartComplete({ ...upload, Parts })

  it('join parts of a megabyte, with an ETag of their own', async () => {
    const upload = await begin('parts', { 'x-cos-meta-note': 'kept' })
    const bodies = [randomBytes(MIB), randomBytes(MIB + 1), Buffer.from('end')]
    const parts = []
    for (const [index, body] of bodies.entries()) parts.push(await send(upload, index + 1, body))
    assert.equal(parts[0]?.ETag, `"${md5(bodies[0]!)}"`)
    const { Part } = await cos.multipartListPart({ ...upload, MaxParts: '2' } as never)
    assert.deepEqual(
      Part.map(({ PartNumber, Size }) => [PartNumber, Size]),
      [
        ['1', String(MIB)],
        ['2', String(MIB + 1)],
      ],
    )
    const { ETag } = await complete(upload, parts)
    assert.match(ETag, /^"[0-9a-f]{32}-3"$/)
    const whole = Buffer.concat(bodies)
    assert.ok(whole.equals((await read('parts')) as Buffer))
    const { headers = {} } = await cos.headObject({ ...at, Key: 'parts' })
    await put('same', whole)
    const same = (await cos.headObject({ ...at, Key: 'same' })).headers
    assert.deepEqual(
      [headers['x-cos-meta-note'], headers['x-cos-hash-crc64ecma']],
      ['kept', same?.['x-cos-hash-crc64ecma']],
    )
    await refused(complete(upload, parts), 'NoSuchUpload', 404)
  })

  it('are refused with gaps, small parts, other ETags, and in another order', async () => {
    const upload = await begin('refused')
    const parts = []
    for (const number of [1, 2, 3])
      parts.push(await send(upload, number, Buffer.alloc(number === 2 ? MIB : 5)))
    const [one, two, three] = parts as [(typeof parts)[0], (typeof parts)[0], (typeof parts)[0]]
    await refused(complete(upload, [one, two]), 'EntityTooSmall', 400)
    await refused(complete(upload, [two, three]), 'InvalidPart', 400)
    await refused(complete(upload, [two, one]), 'InvalidPart', 400)
    await refused(complete(upload, [{ ...one, ETag: two.ETag }]), 'InvalidPart', 400)
    const { Upload } = await cos.multipartList({ ...at, Prefix: 'refused', Delimiter: '' })
    assert.deepEqual(
      Upload.map(({ UploadId }) => UploadId),
      [upload.UploadId],
    )
    await cos.multipartAbort(upload)
    await refused(cos.multipartAbort(upload), 'NoSuchUpload', 404)
  })

  it('may fail inside of an answer that began as a success', async () => {
    const upload = await begin('inside')
    const parts = [await send(upload, 1, Buffer.from('x'))]
    server.faults.once({ kind: 'inside', code: 'InternalError' })
    await refused(complete(upload, parts), 'InternalError', 200)
    await complete(upload, parts)
  })
})

describe('copies of COS', () => {
  const source = (key: string) => `${at.Bucket}.cos.${at.Region}.myqcloud.com/${encodeURIComponent(key)}`

  it('have what their source has, or what replaces it', async () => {
    await put('from ü', 'bytes', { ContentType: 'text/x', 'x-cos-meta-a': '1' })
    const copy = (Key: string, more: object = {}) =>
      cos.putObjectCopy({ ...at, Key, CopySource: source('from ü'), ...more })
    const shown = async (Key: string) => {
      const { headers = {} } = await cos.headObject({ ...at, Key })
      return [headers['content-type'], headers['x-cos-meta-a'], headers['x-cos-meta-b']]
    }
    await copy('same attributes')
    assert.deepEqual(await shown('same attributes'), ['text/x', '1', undefined])
    const replaced = { MetadataDirective: 'Replaced', ContentType: 'text/y', 'x-cos-meta-b': '2' }
    await copy('others', replaced)
    assert.deepEqual(await shown('others'), ['text/y', undefined, '2'])
    await refused(copy('from ü'), 'InvalidRequest', 400)
    await refused(copy('k', { MetadataDirective: 'REPLACE' }), 'InvalidArgument', 400)
    await refused(copy('k', { CopySourceIfMatch: '"other"' }), 'PreconditionFailed', 412)
  })

  it('are parts as well', async () => {
    await put('long', Buffer.from('0123456789'))
    const upload = { ...at, Key: 'by parts', UploadId: '' }
    upload.UploadId = (await cos.multipartInit(upload)).UploadId
    const part = { ...upload, PartNumber: 1, CopySource: source('long'), CopySourceRange: 'bytes=3-5' }
    const { ETag } = await cos.uploadPartCopy(part)
    await cos.multipartComplete({ ...upload, Parts: [{ PartNumber: 1, ETag }] })
    assert.equal(String(await read('by parts')), '345')
  })
})

describe('a request to COS', () => {
  it('is refused by a wrong secret, an expired signature, and without one', async () => {
    await refused(cosClient(server, { SecretKey: 'other' }).getBucket(at), 'SignatureDoesNotMatch', 403)
    await refused(cosClient(server, { SecretId: 'AKIDNOBODY' }).getBucket(at), 'InvalidAccessKeyId', 403)
    const url = cos.getObjectUrl({ ...at, Key: 'k', Expires: 60 }, () => undefined)
    assert.equal(await statusOf(url), 404)
    server.clockOffsetMs = 120_000
    assert.equal(await statusOf(url), 403)
    server.clockOffsetMs = 0
    assert.equal(await statusOf(url.replace(/\?.*/, '')), 403)
  })

  it('must have what strict mode demands among what is signed', async () => {
    const url = cos.getObjectUrl({ ...at, Key: 'k', Expires: 60 }, () => undefined)
    assert.equal(await statusOf(`${url}&versionId=null`), 403)
    assert.equal(await statusOf(url, { 'x-cos-meta-more': 'x' }), 403)
    const lenient = await startCosServer({ strict: false })
    const client = cosClient(lenient)
    await client.putBucket(at)
    const other = client.getObjectUrl({ ...at, Key: 'k', Expires: 60 }, () => undefined)
    assert.equal(await statusOf(`${other}&versionId=null`, {}, lenient), 404)
    await lenient.close()
  })

  it('with temporary keys needs their token, for as long as they last', async () => {
    server.setAccount('AKIDTEMPORARY', 'secret', { token: 'token' })
    const keys = { SecretId: 'AKIDTEMPORARY', SecretKey: 'secret' }
    await cosClient(server, { ...keys, SecurityToken: 'token' }).headBucket(at)
    await refused(cosClient(server, keys).getBucket(at), 'InvalidAccessKeyId', 403)
    await refused(cosClient(server, { ...keys, SecurityToken: 'other' }).getBucket(at), 'AccessDenied', 403)
    server.setAccount('AKIDTEMPORARY', 'secret', { token: 'token', expiresAt: Date.now() - 1 })
    const late = cosClient(server, { ...keys, SecurityToken: 'token' })
    await refused(late.getBucket(at), 'ExpiredToken', 400)
  })
})

/** Of a GET of a signed URL, which goes to the emulator. */
function statusOf(url: string, headers: Record<string, string> = {}, to = server): Promise<number> {
  const [, host = '', path = ''] = /^https?:\/\/([^/]+)(.*)$/.exec(url) ?? []
  return new Promise((resolve, reject) => {
    httpRequest({ host: '127.0.0.1', port: to.port, path, headers: { host, ...headers } }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
      .on('error', reject)
      .end()
  })
}
