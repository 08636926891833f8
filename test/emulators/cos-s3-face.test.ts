import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { after, before, describe, it } from 'node:test'
import {
  CopyObjectCommand,
  DeleteObjectsCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { fails, TestBucket } from '../lib/bucket.ts'
import '../lib/cos-at-loopback.ts'
import { type CosServer, startCosServer } from './cos-server.ts'

const MIB = 1024 * 1024

let server: CosServer
let bucket: TestBucket
const clients: S3Client[] = []

function client(more: object = {}): S3Client {
  const s3 = new S3Client({
    endpoint: server.endpoint,
    region: server.region,
    credentials: { accessKeyId: server.secretId, secretAccessKey: server.secretKey },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 1,
    ...more,
  })
  clients.push(s3)
  return s3
}

before(async () => {
  server = await startCosServer()
  bucket = await TestBucket.create(client(), `box-${server.appid}`)
})
after(async () => {
  for (const s3 of clients) s3.destroy()
  await server.close()
})

describe("COS's S3 face", () => {
  it('keeps and lists objects, whole and by parts, under S3 names', async () => {
    const more = { ContentType: 'text/x', Metadata: { note: 'kept' }, Tagging: 'a=1' }
    await bucket.put('dir/a b', 'bytes', more)
    assert.equal(String(await bucket.read('dir/a b', { Range: 'bytes=1-2' })), 'yt')
    const head = await bucket.s3.send(new HeadObjectCommand({ Bucket: bucket.name, Key: 'dir/a b' }))
    assert.deepEqual(
      [head.ContentType, head.Metadata, head.ETag],
      ['text/x', { note: 'kept' }, `"${createHash('md5').update('bytes').digest('hex')}"`],
    )
    const tags = await bucket.s3.send(new GetObjectTaggingCommand({ Bucket: bucket.name, Key: 'dir/a b' }))
    assert.deepEqual(tags.TagSet, [{ Key: 'a', Value: '1' }])
    const bodies = [randomBytes(MIB), randomBytes(10)]
    await bucket.putParts('parts', bodies)
    assert.ok((await bucket.read('parts')).equals(Buffer.concat(bodies)))
    const page = await bucket.s3.send(
      new ListObjectsV2Command({ Bucket: bucket.name, Delimiter: '/', MaxKeys: 1 }),
    )
    assert.deepEqual([page.CommonPrefixes, page.IsTruncated], [[{ Prefix: 'dir/' }], true])
    const next = { Bucket: bucket.name, Delimiter: '/', ContinuationToken: page.NextContinuationToken }
    const rest = await bucket.s3.send(new ListObjectsV2Command(next))
    assert.deepEqual(
      rest.Contents?.map(({ Key }) => Key),
      ['parts'],
    )
  })

  it('copies with the words of S3', async () => {
    await bucket.put('source', 'x', { Metadata: { a: '1' } })
    const copy = { Bucket: bucket.name, Key: 'copy', CopySource: `${bucket.name}/source` }
    await bucket.s3.send(
      new CopyObjectCommand({ ...copy, MetadataDirective: 'REPLACE', Metadata: { b: '2' } }),
    )
    const head = await bucket.s3.send(new HeadObjectCommand({ Bucket: bucket.name, Key: 'copy' }))
    assert.deepEqual(head.Metadata, { b: '2' })
  })

  it('takes no frames, and so no checksums behind the body', async () => {
    const s3 = client({ requestChecksumCalculation: 'WHEN_SUPPORTED' })
    const body = Readable.from([Buffer.from('x')])
    const put = { Bucket: bucket.name, Key: 'framed', Body: body, ContentLength: 1 }
    await fails(s3.send(new PutObjectCommand(put)), 'NotImplemented', 501)
  })

  it('needs Content-MD5 with the deletion of many', async () => {
    const Delete = { Objects: [{ Key: 'source' }, { Key: 'copy' }] }
    const remove = (more: object) =>
      bucket.s3.send(new DeleteObjectsCommand({ Bucket: bucket.name, Delete, ...more }))
    await fails(remove({ ChecksumAlgorithm: 'CRC32' }), 'InvalidRequest', 400)
  })

  it('looks at no condition of a write', async () => {
    await bucket.put('there', 'first')
    await bucket.put('there', 'second', { IfNoneMatch: '*' })
    await bucket.put('there', 'third', { IfMatch: '"00000000000000000000000000000000"' })
    assert.equal(String(await bucket.read('there')), 'third')
  })

  it('has versions', async () => {
    const versioning = { Bucket: bucket.name, VersioningConfiguration: { Status: 'Enabled' as const } }
    await bucket.s3.send(new PutBucketVersioningCommand(versioning))
    const { VersionId } = await bucket.put('kept', 'first')
    await bucket.put('kept', 'second')
    assert.equal(String(await bucket.read('kept', { VersionId })), 'first')
  })

  it('is signed for its region, by keys that are known, to virtual hosts only', async () => {
    const one = (s3: S3Client) => s3.send(new ListObjectsV2Command({ Bucket: bucket.name, MaxKeys: 1 }))
    await fails(one(client({ region: 'us-east-1' })), 'AccessDenied', 403)
    const other = { accessKeyId: server.secretId, secretAccessKey: 'other' }
    await fails(one(client({ credentials: other })), 'SignatureDoesNotMatch', 403)
    const unknown = { accessKeyId: 'AKIDNOBODY', secretAccessKey: 'other' }
    await fails(one(client({ credentials: unknown })), 'InvalidAccessKeyId', 403)
    await fails(one(client({ forcePathStyle: true })), 'PathStyleDomainForbidden', 403)
    server.setAccount('AKIDTEMPORARY', 'secret', { token: 'token' })
    const temporary = { accessKeyId: 'AKIDTEMPORARY', secretAccessKey: 'secret' }
    await fails(one(client({ credentials: temporary })), 'InvalidAccessKeyId', 403)
    await one(client({ credentials: { ...temporary, sessionToken: 'token' } }))
  })
})
