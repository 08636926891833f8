/** What every answer about an object says of its ETag and its encryption: clients compare these between operations. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { send } from '../lib/raw-http.ts'

const MIB = 1024 * 1024
const Bucket = 'answers'
let gateway: TestGateway
let s3: S3Client
let bucket: TestBucket

before(async () => {
  gateway = await startGateway()
  s3 = gateway.client()
  bucket = await TestBucket.create(s3, Bucket)
})
after(() => gateway.close())

/** The ETag, size and time of a key in every operation that tells them. */
async function everywhere(Key: string) {
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key }))
  const get = await s3.send(new GetObjectCommand({ Bucket, Key }))
  const bytes = (await get.Body?.transformToByteArray())?.length
  const range = await s3.send(new GetObjectCommand({ Bucket, Key, Range: 'bytes=0-0' }))
  await range.Body?.transformToByteArray()
  const part = await s3.send(new HeadObjectCommand({ Bucket, Key, PartNumber: 1 }))
  const [v1] = (await s3.send(new ListObjectsCommand({ Bucket, Prefix: Key }))).Contents ?? []
  const [v2] = (await s3.send(new ListObjectsV2Command({ Bucket, Prefix: Key }))).Contents ?? []
  const versions = await s3.send(new ListObjectVersionsCommand({ Bucket, Prefix: Key }))
  const attributes = await s3.send(
    new GetObjectAttributesCommand({ Bucket, Key, ObjectAttributes: ['ETag', 'ObjectSize'] }),
  )
  const [version] = versions.Versions ?? []
  const seconds = (time: Date | undefined) => Math.floor((time?.getTime() ?? 0) / 1000)
  return {
    etags: [head, get, range, part, v1, v2, version].map((answer) => answer?.ETag),
    attributes: attributes.ETag,
    sizes: [head.ContentLength, get.ContentLength, bytes, v1?.Size, v2?.Size, version?.Size].concat(
      attributes.ObjectSize,
      Number(range.ContentRange?.split('/')[1]),
    ),
    times: [head, get, range, v1, v2, version].map((answer) => seconds(answer?.LastModified)),
  }
}

async function assertOneAnswer(Key: string, etag: string | undefined, size: number): Promise<void> {
  const found = await everywhere(Key)
  assert.deepEqual([...new Set(found.etags)], [etag], `${Key}: one ETag, quoted`)
  assert.equal(found.attributes, etag?.slice(1, -1), 'GetObjectAttributes writes it without quotes')
  assert.deepEqual([...new Set(found.sizes)], [size], `${Key}: one size`)
  assert.equal(new Set(found.times).size, 1, `${Key}: one time`)
}

describe('ETag, size and time', () => {
  it('PutObject_etag is 32 hex digits and -0, and one string in every answer', async () => {
    for (const size of [1, 70_000]) {
      const { ETag } = await bucket.put(`put-${size}`, randomBytes(size))
      assert.match(ETag ?? '', /^"[0-9a-f]{32}-0"$/)
      await assertOneAnswer(`put-${size}`, ETag, size)
    }
  })

  it('CompleteMultipartUpload_etag is 32 hex digits and a number, and one string in every answer', async () => {
    for (const sizes of [[10], [5 * MIB, 7], [5 * MIB, 5 * MIB]]) {
      const Key = `multi-${sizes.join('-')}`
      const { ETag } = await bucket.putParts(
        Key,
        sizes.map((size) => randomBytes(size)),
      )
      assert.match(ETag ?? '', /^"[0-9a-f]{32}-[1-9][0-9]*"$/)
      await assertOneAnswer(
        Key,
        ETag,
        sizes.reduce((sum, size) => sum + size, 0),
      )
    }
  })

  it('CopyObject_etag is one string in every answer, of a copy of either kind and onto itself', async () => {
    await bucket.put('source-put', randomBytes(1000))
    await bucket.putParts('source-multi', [randomBytes(5 * MIB), randomBytes(9)])
    for (const [from, size] of [
      ['source-put', 1000],
      ['source-multi', 5 * MIB + 9],
    ] as const) {
      for (const Key of [`copy-${from}`, from]) {
        const copy = new CopyObjectCommand({
          Bucket,
          Key,
          CopySource: `${Bucket}/${from}`,
          MetadataDirective: 'REPLACE',
          Metadata: { mtime: '1' },
        })
        const { CopyObjectResult } = await s3.send(copy)
        assert.match(CopyObjectResult?.ETag ?? '', /^"[0-9a-f]{32}-[0-9]+"$/)
        await assertOneAnswer(Key, CopyObjectResult?.ETag, size)
      }
    }
  })

  it('UploadPart_etag is 32 hex digits, the same in ListParts, and so is that of a copied part', async () => {
    await bucket.put('part-source', randomBytes(6 * MIB))
    const UploadId = await bucket.begin('parts')
    const ask = { Bucket, Key: 'parts', UploadId }
    const sent = [
      await s3.send(new UploadPartCommand({ ...ask, PartNumber: 1, Body: randomBytes(5 * MIB) })),
      await s3
        .send(new UploadPartCopyCommand({ ...ask, PartNumber: 2, CopySource: `${Bucket}/part-source` }))
        .then(({ CopyPartResult }) => ({ ETag: CopyPartResult?.ETag })),
      await s3.send(new UploadPartCommand({ ...ask, PartNumber: 3, Body: randomBytes(11) })),
    ]
    for (const { ETag } of sent) assert.match(ETag ?? '', /^"[0-9a-f]{32}"$/)
    const { Parts } = await s3.send(new ListPartsCommand(ask))
    assert.deepEqual(
      Parts?.map(({ PartNumber, ETag, Size }) => [PartNumber, ETag, Size]),
      sent.map(({ ETag }, n) => [n + 1, ETag, [5 * MIB, 6 * MIB, 11][n]]),
    )
  })
})

interface Encrypted {
  readonly ServerSideEncryption?: string | undefined
  readonly SSEKMSKeyId?: string | undefined
  readonly BucketKeyEnabled?: boolean | undefined
}

describe('encryption', () => {
  const asked = {
    ServerSideEncryption: 'aws:kms',
    SSEKMSEncryptionContext: Buffer.from('{"a":"b"}').toString('base64'),
    BucketKeyEnabled: true,
  } as const

  it('SSE_headers of KMS are on every answer about an object or a part', async () => {
    const part = { Bucket, Key: 'told', PartNumber: 1 }
    const created = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'told' }))
    const ask = { ...part, UploadId: created.UploadId }
    const put = await bucket.put('told-source', 'x')
    const copied = new UploadPartCopyCommand({ ...ask, CopySource: `${Bucket}/told-source` })
    const answers: Record<string, Encrypted> = {
      PutObject: put,
      CreateMultipartUpload: created,
      UploadPartCopy: await s3.send(copied),
      UploadPart: await s3.send(new UploadPartCommand({ ...ask, Body: 'whole' })),
    }
    const { Parts } = await s3.send(new ListPartsCommand({ Bucket, Key: 'told', UploadId: created.UploadId }))
    answers['CompleteMultipartUpload'] = await s3.send(
      new CompleteMultipartUploadCommand({
        Bucket,
        Key: 'told',
        UploadId: created.UploadId,
        MultipartUpload: { Parts },
      }),
    )
    for (const Key of ['told', 'told-source']) {
      const copy = new CopyObjectCommand({ Bucket, Key: `${Key}-copy`, CopySource: `${Bucket}/${Key}` })
      answers[`CopyObject of ${Key}`] = await s3.send(copy)
      answers[`HeadObject of ${Key}`] = await s3.send(new HeadObjectCommand({ Bucket, Key }))
      for (const Range of [undefined, 'bytes=0-0']) {
        const got = await s3.send(new GetObjectCommand({ Bucket, Key, Range }))
        await got.Body?.transformToByteArray()
        answers[`GetObject of ${Key}, ${Range}`] = got
      }
    }
    const keyId = put.SSEKMSKeyId
    assert.match(keyId ?? '', /./)
    for (const [name, { ServerSideEncryption, SSEKMSKeyId, BucketKeyEnabled }] of Object.entries(answers))
      assert.deepEqual([ServerSideEncryption, SSEKMSKeyId, BucketKeyEnabled], ['aws:kms', keyId, true], name)
  })

  it('SSE_requests for what the gateway does anyway are taken, on each kind of write', async () => {
    const { SSEKMSKeyId } = await bucket.put('sse-source', 'value')
    for (const more of [{ ServerSideEncryption: 'AES256' } as const, asked, { ...asked, SSEKMSKeyId }]) {
      await s3.send(new PutObjectCommand({ Bucket, Key: 'sse', Body: 'value', ...more }))
      const CopySource = `${Bucket}/sse-source`
      const copy = await s3.send(new CopyObjectCommand({ Bucket, Key: 'sse-copy', CopySource, ...more }))
      const upload = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'sse-multi', ...more }))
      for (const answer of [copy, upload])
        assert.deepEqual([answer.ServerSideEncryption, answer.SSEKMSKeyId], ['aws:kms', SSEKMSKeyId])
      assert.equal((await bucket.read('sse-copy')).toString(), 'value')
    }
  })

  it('Envelope_metadata is never shown, on GET, HEAD or a copy', async () => {
    const Metadata = {
      's3cmd-attrs': `atime:1/md5:${'a'.repeat(32)}/mode:33188`.padEnd(200, 'x'),
      mtime: '1',
    }
    await bucket.put('meta', 'x', { Metadata })
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'meta-copy', CopySource: `${Bucket}/meta` }))
    for (const Key of ['meta', 'meta-copy']) {
      for (const method of ['GET', 'HEAD']) {
        const { headers } = await send(gateway, { method, target: `/${Bucket}/${Key}` })
        const shown = [...headers.keys()].filter((name) => name.startsWith('x-amz-meta-'))
        assert.deepEqual(shown.sort(), ['x-amz-meta-mtime', 'x-amz-meta-s3cmd-attrs'])
        assert.equal(headers.get('x-amz-meta-s3cmd-attrs'), Metadata['s3cmd-attrs'])
      }
    }
  })
})

describe('empty objects and names of directories', () => {
  it('PutObject_empty has no bytes, no range, and its type', async () => {
    for (const Key of ['empty', 'dir/', 'dir/sub/']) {
      const ContentType = 'application/x-directory; charset=UTF-8'
      const { ETag } = await bucket.put(Key, '', { ContentType })
      const head = await s3.send(new HeadObjectCommand({ Bucket, Key }))
      assert.deepEqual([head.ContentLength, head.ContentType, head.ETag], [0, ContentType, ETag])
      assert.equal((await bucket.read(Key)).length, 0)
      for (const range of ['bytes=0-1', 'bytes=0-', 'bytes=-1']) {
        const answer = await send(gateway, { target: `/${Bucket}/${Key}`, headers: { range } })
        assert.deepEqual([answer.status, answer.code], [416, 'InvalidRange'], range)
        assert.equal(answer.headers.get('content-range'), 'bytes */0')
      }
    }
    const { Contents, CommonPrefixes } = await s3.send(
      new ListObjectsV2Command({ Bucket, Prefix: 'dir/', Delimiter: '/' }),
    )
    assert.deepEqual(
      [Contents?.map(({ Key, Size }) => [Key, Size]), CommonPrefixes],
      [[['dir/', 0]], [{ Prefix: 'dir/sub/' }]],
    )
  })
})
