import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { type RawAnswer, type RawRequest, send } from '../lib/raw-http.ts'
import { realStore } from '../lib/real-store.ts'

const Bucket = 'headers'
let gateway: TestGateway

before(async () => {
  gateway = await startGateway()
  const bucket = await TestBucket.create(gateway.client(), Bucket)
  await bucket.put('k', 'value')
})
after(() => gateway.close())

const get = (path: string, headers: RawRequest['headers'] = {}) =>
  send(gateway, { target: `/${Bucket}${path}`, headers })
const put = (path: string, headers: RawRequest['headers'] = {}, body = 'x') =>
  send(gateway, { method: 'PUT', target: `/${Bucket}${path}`, headers, body })
const outcome = ({ status, code }: RawAnswer) => [status, code]

describe('header fields', () => {
  it('without a value are wrong where a value is needed, and nothing elsewhere', async () => {
    for (const [name, status, code] of [
      ['content-md5', 400, 'InvalidDigest'],
      ['x-amz-checksum-crc32', 400, 'InvalidRequest'],
      ['x-amz-sdk-checksum-algorithm', 400, 'InvalidRequest'],
      ['x-amz-copy-source', 400, 'InvalidArgument'],
      ['x-amz-storage-class', 400, 'InvalidStorageClass'],
      ['x-amz-acl', 400, 'AccessControlListNotSupported'],
      ['x-amz-server-side-encryption', 400, 'InvalidArgument'],
      ['if-none-match', 501, 'NotImplemented'],
      ['x-amz-tagging', 200, undefined],
      ['x-amz-trailer', 200, undefined],
      ['content-type', 200, undefined],
      ['content-encoding', 200, undefined],
      ['x-amz-meta-empty', 200, undefined],
    ] as const) {
      assert.deepEqual(outcome(await put('/novalue', { [name]: '' })), [status, code], name)
    }
    const answer = await get('/novalue')
    assert.equal(answer.headers.get('content-type'), 'binary/octet-stream')
    assert.equal(answer.headers.has('content-encoding'), false)
    assert.equal(answer.headers.get('x-amz-meta-empty'), '')
  })

  it('of metadata come back as they were, blanks around them apart', async () => {
    const value = Buffer.from('grün, "q"; a\tb').toString('latin1')
    assert.equal((await put('/meta', { 'X-Amz-Meta-MixedCase': `  ${value}\t ` })).status, 200)
    assert.equal((await get('/meta')).headers.get('x-amz-meta-mixedcase'), value)
  })

  it('ask for no encryption but that of the gateway', async () => {
    for (const algorithm of ['AES256', 'aws:kms'])
      assert.equal((await put('/sse', { 'x-amz-server-side-encryption': algorithm })).status, 200)
    const answer = await get('/sse')
    assert.equal(answer.headers.get('x-amz-server-side-encryption'), 'aws:kms')
    assert.match(answer.headers.get('x-amz-server-side-encryption-aws-kms-key-id') ?? '', /./)
    const customer = {
      'x-amz-server-side-encryption-customer-algorithm': 'AES256',
      'x-amz-server-side-encryption-customer-key': 'a'.repeat(44),
    }
    const refused = await put('/ssec', customer)
    assert.deepEqual(outcome(refused), [400, 'InvalidArgument'])
    assert.ok(!refused.body.includes('a'.repeat(44)))
    const foreign = {
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': 'arn:aws:kms:us-east-1:1:key/other',
    }
    assert.deepEqual(outcome(await put('/foreign', foreign)), [400, 'KMS.NotFoundException'])
    for (const algorithm of ['AES256', null]) {
      const unfit = {
        'x-amz-server-side-encryption': algorithm,
        'x-amz-server-side-encryption-aws-kms-key-id':
          answer.headers.get('x-amz-server-side-encryption-aws-kms-key-id') ?? '',
      }
      assert.deepEqual(outcome(await put('/foreign', unfit)), [400, 'InvalidArgument'])
    }
  })

  it('of encryption are refused on reads, which they are no matter of', async () => {
    const headers = { 'x-amz-server-side-encryption': 'aws:kms' }
    assert.deepEqual(outcome(await get('/k', headers)), [400, 'InvalidArgument'])
    const head = await send(gateway, { method: 'HEAD', target: `/${Bucket}/k`, headers })
    assert.equal(head.status, 400)
    const attributes = { ...headers, 'x-amz-object-attributes': 'ETag' }
    assert.deepEqual(outcome(await get('/k?attributes=', attributes)), [400, 'InvalidArgument'])
    const customer = { 'x-amz-server-side-encryption-customer-algorithm': 'AES256' }
    assert.deepEqual(outcome(await get('/k', customer)), [400, 'InvalidArgument'])
  })

  it('of content keep their bytes, but for the coding of the upload', async () => {
    for (const [sent, kept] of [
      ['deflate, gzip', 'deflate, gzip'],
      ['deflate,gzip', 'deflate,gzip'],
      ['GZIP', 'GZIP'],
    ] as const) {
      assert.equal((await put('/coded', { 'content-encoding': sent })).status, 200)
      assert.equal((await get('/coded')).headers.get('content-encoding'), kept)
    }
    const chunked = { 'x-amz-decoded-content-length': '1', 'x-amz-trailer': 'x-amz-checksum-crc32' }
    const body = '1\r\nx\r\n0\r\nx-amz-checksum-crc32:jNwWgw==\r\n\r\n'
    for (const [sent, kept] of [
      ['aws-chunked, deflate, gzip', 'deflate, gzip'],
      ['gzip,AWS-Chunked', 'gzip'],
      ['aws-chunked', undefined],
      ['aws-chunked, aws-chunked', undefined],
    ] as const) {
      const answer = await send(gateway, {
        method: 'PUT',
        target: `/${Bucket}/coded`,
        headers: { ...chunked, 'content-encoding': sent },
        payload: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        body,
      })
      assert.deepEqual(outcome(answer), [200, undefined], answer.body)
      const { headers, body: back } = await get('/coded')
      assert.deepEqual([headers.get('content-encoding'), back], [kept, 'x'])
      assert.equal((await put('/coded', { 'content-encoding': sent }, 'plain')).status, 200)
      const plain = await get('/coded')
      assert.deepEqual([plain.headers.get('content-encoding'), plain.body], [kept, 'plain'])
    }
  })

  it('that would write at an offset, or to a storage class of other buckets, are refused', async () => {
    const append = await put('/k', { 'x-amz-write-offset-bytes': '5' }, 'tail')
    assert.deepEqual(outcome(append), [501, 'NotImplemented'])
    for (const name of ['OUTPOSTS', 'EXPRESS_ONEZONE', 'COLD'])
      assert.deepEqual(outcome(await put('/k', { 'x-amz-storage-class': name })), [
        400,
        'InvalidStorageClass',
      ])
    assert.equal((await get('/k')).body, 'value')
  })

  it('of tags, locks and ACLs that cannot be are refused on each kind of write, and nothing is stored', async () => {
    for (const [name, value, status, code] of [
      ['x-amz-tagging', 'a=%3C', 400, 'InvalidTag'],
      ['x-amz-object-lock-mode', 'GOVERNANCE', 400, 'InvalidArgument'],
      ['x-amz-object-lock-legal-hold', 'ON', 400, 'InvalidRequest'],
      ['x-amz-acl', 'public-read', 400, 'AccessControlListNotSupported'],
      ['x-amz-grant-read', 'id="1"', 400, 'AccessControlListNotSupported'],
    ] as const) {
      const headers = { [name]: value }
      assert.deepEqual(outcome(await put('/refused', headers)), [status, code], name)
      const create = { method: 'POST', target: `/${Bucket}/refused?uploads=`, headers }
      assert.deepEqual(outcome(await send(gateway, create)), [status, code], name)
    }
    assert.deepEqual(outcome(await get('/refused')), [404, 'NoSuchKey'])
    for (const acl of ['private', 'bucket-owner-full-control'])
      assert.equal((await put('/own', { 'x-amz-acl': acl })).status, 200)
  })

  it('of metadata may have 2 KiB together, names included, and not a byte more', async () => {
    assert.equal((await put('/bare')).status, 200)
    const { metadata } = await gateway.storage.headObject({ bucket: Bucket, key: 'bare' })
    const envelope = Object.entries(metadata).flat().join('').length
    const { maxMetadataBytes } = gateway.storage.limits
    // The envelope lies beside it. A store may count the prefixes of its three names as well.
    const prefixes = realStore() === null ? 0 : 3 * 'x-amz-meta-'.length
    const room = Math.min(2048, maxMetadataBytes - envelope) - 'a'.length - 'bc'.length
    const meta = (bytes: number) => ({
      'x-amz-meta-a': 'v'.repeat(1000),
      'x-amz-meta-bc': 'v'.repeat(bytes - 1000),
    })
    assert.equal((await put('/full', meta(room - prefixes))).status, 200)
    const kept = (await get('/full')).headers.get('x-amz-meta-bc')
    assert.equal(kept, meta(room - prefixes)['x-amz-meta-bc'])
    const over = await put('/over', meta(room + 1))
    assert.deepEqual(outcome(over), [400, 'MetadataTooLarge'])
    assert.deepEqual(outcome(await get('/over')), [404, 'NoSuchKey'])
  })

  it('of who pays change nothing, as nobody does', async () => {
    const payer = { 'x-amz-request-payer': 'requester' }
    assert.equal((await put('/paid', payer)).status, 200)
    const answer = await get('/paid', payer)
    assert.deepEqual([answer.status, answer.headers.has('x-amz-request-charged')], [200, false])
  })

  it('say when the request was made in each form that clients use', async () => {
    const time = Math.floor(Date.now() / 1000) * 1000
    const utc = new Date(time).toUTCString()
    for (const date of [utc, utc.replace('GMT', '-0000'), utc.replace('GMT', '+0000')]) {
      for (const headers of [
        { 'x-amz-date': null, date },
        { 'x-amz-date': date, date },
      ]) {
        const answer = await send(gateway, { target: `/${Bucket}/k`, headers, time })
        assert.deepEqual([answer.status, answer.body], [200, 'value'], JSON.stringify(headers))
      }
    }
    for (const date of [utc.replace('GMT', '+0100'), utc.replace(' GMT', ''), 'yesterday']) {
      const headers = { 'x-amz-date': null, date }
      const answer = await send(gateway, { target: `/${Bucket}/k`, headers, time })
      assert.deepEqual(outcome(answer), [403, 'AccessDenied'], date)
    }
  })

  it('x-amz-te is not obeyed, and ranges that are none are the whole', async () => {
    const answer = await get('/k', { 'x-amz-te': 'append-md5' })
    assert.deepEqual([answer.body, answer.headers.has('x-amz-transfer-encoding')], ['value', false])
    for (const range of ['', 'bytes=', 'bytes=-', 'bytes=3-1', 'bytes=0-1,3-4', 'lines=0-1', 'bytes=a-b'])
      assert.deepEqual(
        [(await get('/k', { range })).status, (await get('/k', { range })).body],
        [200, 'value'],
      )
    const toTheEnd = await get('/k', { range: 'bytes=2-9223372036854775806' })
    assert.deepEqual([toTheEnd.status, toTheEnd.body], [206, 'lue'])
    const beyond = await get('/k', { range: 'bytes=5-' })
    assert.deepEqual(outcome(beyond), [416, 'InvalidRange'])
    assert.equal(beyond.headers.get('content-range'), 'bytes */5')
    const none = await get('/k', { range: 'bytes=-0' })
    assert.deepEqual(outcome(none), [416, 'InvalidRange'])
  })

  it('conditions know ETags quoted, bare, weak and in lists, and 304 has one and no body', async () => {
    const etag = (await get('/k')).headers.get('etag') ?? ''
    const bare = etag.slice(1, -1)
    for (const match of [etag, bare, `"x", ${etag}`, '*', `W/${etag}`])
      assert.equal((await get('/k', { 'if-match': match })).status, 200, match)
    assert.deepEqual(outcome(await get('/k', { 'if-match': '"x"' })), [412, 'PreconditionFailed'])
    for (const match of [etag, bare, `"x", ${etag}`, '*']) {
      const answer = await get('/k', { 'if-none-match': match })
      assert.deepEqual([answer.status, answer.body, answer.headers.get('etag')], [304, '', etag], match)
      assert.match(answer.headers.get('x-amz-request-id') ?? '', /./)
    }
  })
})
