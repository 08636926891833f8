import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { HeadObjectCommand, type S3Client, UploadPartCopyCommand } from '@aws-sdk/client-s3'
import { TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { type RawAnswer, type RawRequest, send } from '../lib/raw-http.ts'
import { madeUpVersion, storageClasses } from '../lib/real-store.ts'

const MIB = 1024 * 1024
const Bucket = 'copies'
const [CLASS = ''] = storageClasses()
let gateway: TestGateway
let s3: S3Client
let bucket: TestBucket
let other: TestBucket

before(async () => {
  gateway = await startGateway()
  s3 = gateway.client()
  bucket = await TestBucket.create(s3, Bucket)
  other = await TestBucket.create(s3, 'copies-other')
})
after(() => gateway.close())

const copy = (to: string, from: string, headers: RawRequest['headers'] = {}) =>
  send(gateway, { method: 'PUT', target: `/${to}`, headers: { 'x-amz-copy-source': from, ...headers } })
const outcome = ({ status, code }: RawAnswer) => [status, code]

describe('copies between buckets', () => {
  it('CopyObject_acrossBuckets opens in its new one alone, of either kind, and copies of copies do', async () => {
    const [single, parts] = [randomBytes(100_000), [randomBytes(5 * MIB), randomBytes(17)]]
    await bucket.put('single', single, { Metadata: { a: 'b' }, ContentType: 'text/x' })
    await bucket.putParts('parts', parts)
    for (const [key, content] of [
      ['single', single],
      ['parts', Buffer.concat(parts)],
    ] as const) {
      assert.deepEqual(outcome(await copy(`copies-other/${key}`, `/${Bucket}/${key}`)), [200, undefined])
      assert.deepEqual(outcome(await copy(`${Bucket}/${key}-back`, `/copies-other/${key}`)), [200, undefined])
      for (const [where, name] of [
        [other, key],
        [bucket, `${key}-back`],
      ] as const)
        assert.ok((await where.read(name)).equals(content), name)
      assert.ok(
        (await other.read(key, { Range: 'bytes=65535-65536' })).equals(content.subarray(65_535, 65_537)),
      )
    }
    const head = await s3.send(new HeadObjectCommand({ Bucket: 'copies-other', Key: 'single' }))
    assert.deepEqual([head.Metadata, head.ContentType], [{ a: 'b' }, 'text/x'])
  })

  it('UploadPartCopy_acrossBuckets takes whole objects and ranges that cut segments', async () => {
    const source = randomBytes(6 * MIB)
    await other.put('part-source', source)
    const UploadId = await bucket.begin('joined')
    const CopySource = 'copies-other/part-source'
    const parts = []
    for (const [index, range] of [undefined, 'bytes=1-5242880', 'bytes=65535-131072'].entries()) {
      const PartNumber = index + 1
      const { CopyPartResult } = await s3.send(
        new UploadPartCopyCommand({
          Bucket,
          Key: 'joined',
          UploadId,
          PartNumber,
          CopySource,
          CopySourceRange: range,
        }),
      )
      parts.push({ PartNumber, ETag: CopyPartResult?.ETag })
    }
    await bucket.complete('joined', UploadId, parts)
    const want = Buffer.concat([source, source.subarray(1, 5_242_881), source.subarray(65_535, 131_073)])
    assert.ok((await bucket.read('joined')).equals(want))
  })
})

describe('what a copy keeps and what it changes', () => {
  it('CopyObject_sourceName is encoded as in a form: a plus is a blank, and %2B a plus', async () => {
    await bucket.put('a b/ü', Buffer.from('blank'))
    await bucket.put('a+b/ü', Buffer.from('plus'))
    for (const [name, content] of [
      ['a+b/%C3%BC', 'blank'],
      ['a%20b%2F%C3%BC', 'blank'],
      ['a%2Bb/%C3%BC', 'plus'],
    ] as const) {
      assert.deepEqual(outcome(await copy(`${Bucket}/named`, `${Bucket}/${name}`)), [200, undefined], name)
      assert.equal(String(await bucket.read('named')), content, name)
    }
    assert.deepEqual(outcome(await copy(`${Bucket}/named`, `${Bucket}/c++`)), [404, 'NoSuchKey'])
  })

  it('CopyObject_ontoItself needs a change: of metadata, storage class or encryption', async () => {
    await bucket.put('self', 'value', { Metadata: { a: 'b' } })
    const self = (headers: RawRequest['headers']) => copy(`${Bucket}/self`, `/${Bucket}/self`, headers)
    for (const headers of [{}, { 'x-amz-metadata-directive': 'COPY', 'x-amz-acl': 'private' }])
      assert.deepEqual(outcome(await self(headers)), [400, 'InvalidRequest'])
    for (const headers of [
      { 'x-amz-storage-class': CLASS },
      { 'x-amz-server-side-encryption': 'aws:kms' },
      { 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-c': 'd' },
    ] as Record<string, string>[])
      assert.deepEqual(outcome(await self(headers)), [200, undefined], JSON.stringify(headers))
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'self' }))
    assert.deepEqual([head.Metadata, head.StorageClass], [{ c: 'd' }, undefined])
    assert.equal((await bucket.read('self')).toString(), 'value')
  })

  it('CopyObject_directives take or replace all headers together, and a storage class is never inherited', async () => {
    const keepsRedirect = gateway.storage.capabilities.headers['x-amz-website-redirect-location'] !== false
    const described = {
      CacheControl: 'no-cache',
      ContentDisposition: 'inline',
      ContentEncoding: 'gzip',
      ContentLanguage: 'de',
      ContentType: 'text/plain',
      Expires: new Date(Date.UTC(2030, 0, 1)),
      ...(keepsRedirect ? { WebsiteRedirectLocation: '/elsewhere' } : {}),
      StorageClass: CLASS,
      Metadata: { a: 'b' },
    } as const
    await bucket.put('described', 'value', described)
    assert.equal((await copy(`${Bucket}/taken`, `/${Bucket}/described`)).status, 200)
    const ignored = { 'x-amz-meta-c': 'd', 'content-type': 'text/html' }
    const copied = { 'x-amz-metadata-directive': 'COPY', ...ignored }
    assert.equal((await copy(`${Bucket}/taken2`, `/${Bucket}/described`, copied)).status, 200)
    for (const Key of ['taken', 'taken2']) {
      const head = await s3.send(new HeadObjectCommand({ Bucket, Key }))
      const { StorageClass, ...kept } = described
      assert.deepEqual({ ...head, ...kept, ExpiresString: head.ExpiresString }, head)
      assert.notEqual(head.StorageClass, StorageClass)
    }
    const replaced = { 'x-amz-metadata-directive': 'REPLACE', ...ignored }
    assert.equal((await copy(`${Bucket}/replaced`, `/${Bucket}/described`, replaced)).status, 200)
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'replaced' }))
    assert.deepEqual(
      [head.Metadata, head.ContentType, head.CacheControl, head.ContentEncoding],
      [{ c: 'd' }, 'text/html', undefined, undefined],
    )
  })

  it('CopyObject_unsupportedRequest is refused, and nothing is copied', async () => {
    await bucket.put('plain', 'value')
    for (const [headers, status, code] of [
      [{ 'x-amz-metadata-directive': 'MERGE' }, 400, 'InvalidArgument'],
      [{ 'x-amz-tagging-directive': 'REPLACE', 'x-amz-tagging': 'a=%3C' }, 400, 'InvalidTag'],
      [{ 'x-amz-tagging-directive': 'MERGE' }, 400, 'InvalidArgument'],
      [{ 'x-amz-copy-source-server-side-encryption-customer-algorithm': 'AES256' }, 400, 'InvalidArgument'],
      [{ 'x-amz-object-lock-mode': 'GOVERNANCE' }, 400, 'InvalidArgument'],
      [{ 'x-amz-object-lock-legal-hold': 'ON' }, 400, 'InvalidRequest'],
      [{ 'x-amz-acl': 'public-read' }, 400, 'AccessControlListNotSupported'],
      [{ 'x-amz-meta-sealgate': 'forged', 'x-amz-metadata-directive': 'REPLACE' }, 400, 'InvalidArgument'],
    ] as [Record<string, string>, number, string][])
      assert.deepEqual(outcome(await copy(`${Bucket}/never`, `/${Bucket}/plain`, headers)), [status, code])
    for (const [source, status, code] of [
      [`/${Bucket}/plain?versionId=made-up`, ...madeUpVersion()],
      [`/${Bucket}/`, 400, 'InvalidArgument'],
      [Bucket, 400, 'InvalidArgument'],
      ['/', 400, 'InvalidArgument'],
      [`/${Bucket}/%zz`, 400, 'InvalidArgument'],
      [`/${Bucket}/absent`, 404, 'NoSuchKey'],
      ['/no-such-bucket/plain', 404, 'NoSuchBucket'],
      ['/sealgate-system/v1/realm', 404, 'NoSuchBucket'],
      ['/sealgate-system/..%2Fv1/realm', 404, 'NoSuchBucket'],
    ] as const)
      assert.deepEqual(outcome(await copy(`${Bucket}/never`, source)), [status, code], source)
    assert.deepEqual(outcome(await copy('no-such-bucket/never', `/${Bucket}/plain`)), [404, 'NoSuchBucket'])
    assert.deepEqual(outcome(await copy('sealgate-system/never', `/${Bucket}/plain`)), [404, 'NoSuchBucket'])
    assert.deepEqual(outcome(await send(gateway, { target: `/${Bucket}/never` })), [404, 'NoSuchKey'])
    const null_ = await copy(`${Bucket}/null-version`, `/${Bucket}/plain?versionId=null`)
    assert.deepEqual(outcome(null_), [200, undefined])
  })
})
