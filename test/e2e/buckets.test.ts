import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  GetBucketVersioningCommand,
  ListBucketsCommand,
  ListObjectVersionsCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { fails, TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { type RawAnswer, type RawRequest, send } from '../lib/raw-http.ts'
import { madeUpVersion } from '../lib/real-store.ts'

let gateway: TestGateway
let s3: S3Client

before(async () => {
  gateway = await startGateway()
  s3 = gateway.client()
})
after(() => gateway.close())

const outcome = ({ status, code }: RawAnswer) => [status, code]
const create = (bucket: string, headers: RawRequest['headers'] = {}, body = '') =>
  send(gateway, { method: 'PUT', target: `/${bucket}`, headers, body })

describe('names of buckets', () => {
  it('CreateBucket_validName is taken', async () => {
    const longest = 'x'.padEnd(63 - gateway.bucketPrefix.length, 'y')
    for (const name of ['abc', '0-9', 'a.b.c', 'a-b.c--d', '1.2.3.x', longest])
      assert.deepEqual(outcome(await create(name)), [200, undefined], name)
    assert.deepEqual(outcome(await create(`${longest}y`)), [400, 'InvalidBucketName'])
  })

  it('CreateBucket_invalidName is InvalidBucketName', async () => {
    for (const name of [
      'ab',
      'Upper',
      'under_score',
      '-begin',
      'end-',
      '.begin',
      'end.',
      'two..dots',
      'dot.-dash',
      'dash-.dot',
      '192.168.5.4',
      'a%20b',
      `x${'y'.repeat(63)}`,
    ])
      assert.deepEqual(outcome(await create(name)), [400, 'InvalidBucketName'], name)
  })
})

describe('CreateBucket', () => {
  it('CreateBucket_unsupportedRequest is refused, and no bucket is made that lacks what was asked for', async () => {
    const tags = '<Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>'
    const locked = { 'x-amz-bucket-object-lock-enabled': 'true' }
    const locks = gateway.storage.subresources?.keeps('bucket', 'object-lock') === true
    const answer = await create(locks ? 'locked' : 'unsupported', locked)
    assert.deepEqual(outcome(answer), locks ? [200, undefined] : [501, 'NotImplemented'])
    for (const [headers, body, status, code] of [
      [{ 'x-amz-object-ownership': 'ObjectWriter' }, '', 501, 'NotImplemented'],
      [{ 'x-amz-acl': 'public-read' }, '', 400, 'AccessControlListNotSupported'],
      [{ 'x-amz-grant-read': 'id="1"' }, '', 400, 'AccessControlListNotSupported'],
      [{}, `<CreateBucketConfiguration>${tags}</CreateBucketConfiguration>`, 501, 'NotImplemented'],
    ] as const)
      assert.deepEqual(outcome(await create('unsupported', headers, body)), [status, code], code)
    assert.equal((await send(gateway, { method: 'HEAD', target: '/unsupported' })).status, 404)
  })

  it('CreateBucket_ownAccountOnly is what the accepted headers say', async () => {
    const location = '<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint><Tags/>'
    for (const [n, headers, body] of [
      [0, { 'x-amz-acl': 'private' }, ''],
      [1, { 'x-amz-object-ownership': 'BucketOwnerEnforced' }, ''],
      [2, { 'x-amz-bucket-object-lock-enabled': 'false' }, ''],
      [3, {}, `${location}</CreateBucketConfiguration>`],
    ] as const)
      assert.deepEqual(outcome(await create(`supported-${n}`, headers, body)), [200, undefined])
    await fails(s3.send(new CreateBucketCommand({ Bucket: 'supported-0' })), 'BucketAlreadyOwnedByYou', 409)
  })
})

describe('ListBuckets', () => {
  it('ListBuckets_pages by name, each bucket once, and all at once if nobody asks for pages', async () => {
    const names = ['page-a', 'page-b', 'page-c', 'page-d', 'page-e']
    for (const Bucket of [...names].reverse()) await s3.send(new CreateBucketCommand({ Bucket }))
    for (const MaxBuckets of [1, 2, 5, 10_000]) {
      const seen: (string | undefined)[] = []
      let ContinuationToken: string | undefined
      do {
        const page = await s3.send(new ListBucketsCommand({ MaxBuckets, ContinuationToken, Prefix: 'page-' }))
        assert.ok((page.Buckets?.length ?? 0) <= MaxBuckets)
        assert.equal(page.Prefix, 'page-')
        seen.push(...(page.Buckets ?? []).map(({ Name }) => Name))
        ContinuationToken = page.ContinuationToken
      } while (ContinuationToken !== undefined)
      assert.deepEqual(seen, names)
    }
    const { Buckets, ContinuationToken } = await s3.send(new ListBucketsCommand({}))
    assert.ok(names.every((name) => Buckets?.some(({ Name }) => Name === name)))
    assert.equal(ContinuationToken, undefined)
  })

  it('ListBuckets_region tells those of that region', async () => {
    const here = await s3.send(new ListBucketsCommand({ BucketRegion: 'us-east-1', Prefix: 'page-' }))
    assert.deepEqual([here.Buckets?.length, here.Buckets?.[0]?.BucketRegion], [5, 'us-east-1'])
    const elsewhere = await s3.send(new ListBucketsCommand({ BucketRegion: 'eu-west-1', MaxBuckets: 1 }))
    assert.deepEqual([elsewhere.Buckets ?? [], elsewhere.ContinuationToken], [[], undefined])
  })

  it('ListBuckets_maxBucketsOutOfRange is InvalidArgument', async () => {
    for (const value of ['0', '10001', '-1', 'x'])
      assert.deepEqual(outcome(await send(gateway, { target: `/?max-buckets=${value}` })), [
        400,
        'InvalidArgument',
      ])
  })
})

describe('the expected owner', () => {
  it('ExpectedBucketOwner_ofAnotherAccount is AccessDenied, for the bucket and the source of a copy', async () => {
    const bucket = await TestBucket.create(s3, 'owned')
    await bucket.put('k', 'value')
    const copy = { 'x-amz-copy-source': '/owned/k' }
    for (const [method, headers] of [
      ['GET', {}],
      ['PUT', {}],
      ['DELETE', {}],
      ['PUT', copy],
    ] as const) {
      const asked = { ...headers, 'x-amz-expected-bucket-owner': '111122223333' }
      const answer = await send(gateway, { method, target: '/owned/k', headers: asked })
      assert.deepEqual(outcome(answer), [403, 'AccessDenied'], method)
    }
    const source = { ...copy, 'x-amz-source-expected-bucket-owner': '111122223333' }
    const refused = await send(gateway, { method: 'PUT', target: '/owned/k2', headers: source })
    assert.deepEqual(outcome(refused), [403, 'AccessDenied'])
    const { Owner } = await s3.send(new ListBucketsCommand({}))
    const headers = { 'x-amz-expected-bucket-owner': Owner?.ID ?? '' }
    assert.equal((await send(gateway, { target: '/owned/k', headers })).body, 'value')
  })
})

describe('versions of buckets without versions', () => {
  it('ListObjectVersions_unversionedBucket shows each object as its null version, page by page', async () => {
    const bucket = await TestBucket.create(s3, 'unversioned')
    const keys = ['a', 'b/1', 'b/2', 'c d', 'e']
    for (const key of keys) await bucket.put(key, key)
    const { Versions, DeleteMarkers } = await s3.send(
      new ListObjectVersionsCommand({ Bucket: 'unversioned' }),
    )
    assert.equal(DeleteMarkers, undefined)
    assert.deepEqual(
      Versions?.map(({ Key, VersionId, IsLatest, Size }) => [Key, VersionId, IsLatest, Size]),
      keys.map((key) => [key, 'null', true, key.length]),
    )
    for (const [Delimiter, names] of [
      [undefined, keys],
      ['/', ['a', 'b/', 'c d', 'e']],
    ] as const) {
      for (const MaxKeys of [1, 2, 3]) {
        const seen: (string | undefined)[] = []
        let marker: { KeyMarker?: string | undefined; VersionIdMarker?: string | undefined } = {}
        for (let more = true; more; ) {
          const page = await s3.send(
            new ListObjectVersionsCommand({ Bucket: 'unversioned', MaxKeys, Delimiter, ...marker }),
          )
          seen.push(...(page.Versions ?? []).map(({ Key }) => Key))
          seen.push(...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix))
          marker = { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker }
          more = page.IsTruncated === true
        }
        assert.deepEqual(seen.sort(), names)
      }
    }
    const alone = await send(gateway, { target: '/unversioned?version-id-marker=null&versions' })
    assert.deepEqual(outcome(alone), [400, 'InvalidArgument'])
    assert.equal((await bucket.read('a', { VersionId: 'null' })).toString(), 'a')
    const [status, code] = madeUpVersion()
    await fails(bucket.read('a', { VersionId: 'made-up' }), code, status)
  })

  it('GetBucketVersioning_neverConfigured has no status', async () => {
    const { Status } = await s3.send(new GetBucketVersioningCommand({ Bucket: 'unversioned' }))
    assert.equal(Status, undefined)
    const absent = new GetBucketVersioningCommand({ Bucket: 'no-such-bucket-here' })
    await fails(s3.send(absent), 'NoSuchBucket', 404)
    await fails(s3.send(new DeleteBucketCommand({ Bucket: 'unversioned' })), 'BucketNotEmpty', 409)
  })
})
