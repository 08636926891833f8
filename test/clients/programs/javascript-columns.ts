/** The JavaScript SDK, on its default settings, column by column: called with the column's name; ends with 0 if all is as with Amazon S3. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import {
  CopyObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'

const MIB = 1024 * 1024
const OTHER = `"${'0'.repeat(32)}"`
const NAMES = [
  'with blank',
  'plus+plus',
  'per%cent%20',
  'ünïcödé-日本語-🔑',
  'a&b=c<d>',
  'quote\'(1)"',
  'a/b/c',
  'tail/',
]
const Bucket = variable('LANE_BUCKET')
const client = new S3Client({
  endpoint: variable('LANE_ENDPOINT'),
  region: 'us-east-1',
  forcePathStyle: true,
})
const columns: Readonly<Record<string, () => Promise<void>>> = {
  small,
  empty,
  multipart,
  range,
  list,
  copy,
  delete: remove,
  conditional,
  checksum,
}
const column = columns[process.argv[2] ?? '']
if (column === undefined) throw new TypeError(`expected a column, got ${process.argv[2]}`)
await column()
client.destroy()

function variable(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new TypeError(`expected ${name}`)
  return value
}

async function put(Key: string, Body: Buffer, more: Partial<PutObjectCommand['input']> = {}) {
  return await client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }))
}

async function get(Key: string, more: Partial<GetObjectCommand['input']> = {}): Promise<Buffer> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key, ...more }))
  return Buffer.from((await Body?.transformToByteArray()) ?? [])
}

async function refused(request: Promise<unknown>, status: number, name?: string): Promise<void> {
  await assert.rejects(request, (error: { name: string; $metadata: { httpStatusCode?: number } }) => {
    assert.equal(error.$metadata?.httpStatusCode, status, String(error))
    if (name !== undefined) assert.equal(error.name, name)
    return true
  })
}

async function small(): Promise<void> {
  for (const size of [1, 1000, 65_535, 65_536, 65_537, 5 * MIB + 1]) {
    const data = randomBytes(size)
    const made = await put('small', data, { Metadata: { lane: 'value' }, ContentType: 'text/x-lane' })
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'small' }))
    assert.deepEqual(
      [head.ETag, head.ContentLength, head.ContentType, head.Metadata],
      [made.ETag, size, 'text/x-lane', { lane: 'value' }],
    )
    assert.ok((await get('small')).equals(data), `${size} bytes differ`)
  }
}

async function empty(): Promise<void> {
  await put('empty', Buffer.alloc(0))
  await new Upload({ client, params: { Bucket, Key: 'stream', Body: Readable.from([]) } }).done()
  for (const Key of ['empty', 'stream']) assert.equal((await get(Key)).length, 0)
}

async function multipart(): Promise<void> {
  const data = randomBytes(2 * 5 * MIB + 12_345)
  for (const [Key, Body] of [
    ['buffer', data],
    ['stream', Readable.from(chunks(data))],
  ] as const) {
    const made = await new Upload({ client, params: { Bucket, Key, Body } }).done()
    const head = await client.send(new HeadObjectCommand({ Bucket, Key }))
    assert.equal(head.ETag, made.ETag)
    assert.ok((await get(Key)).equals(data), `${Key} differs`)
  }
  assert.ok((await get('buffer', { PartNumber: 3 })).equals(data.subarray(2 * 5 * MIB)))
}

/** The SDK asks for checksums, and would fail a range that came with the whole object's. */
async function range(): Promise<void> {
  const data = randomBytes(3 * 65_536 + 7)
  await put('range', data)
  for (const [first, last] of [
    [0, 0],
    [65_535, 65_536],
    [100, data.length - 1],
  ] as const)
    assert.ok(
      (await get('range', { Range: `bytes=${first}-${last}` })).equals(data.subarray(first, last + 1)),
    )
  assert.ok((await get('range', { Range: 'bytes=-70000' })).equals(data.subarray(-70_000)))
  await refused(get('range', { Range: `bytes=${data.length}-` }), 416, 'InvalidRange')
}

async function list(): Promise<void> {
  for (const [index, name] of NAMES.entries()) await put(name, randomBytes(index * 1000))
  const found = new Map<string, number>()
  for await (const page of paginateListObjectsV2({ client, pageSize: 3 }, { Bucket }))
    for (const { Key = '', Size = -1 } of page.Contents ?? []) found.set(Key, Size)
  assert.deepEqual(
    [...found].sort(),
    NAMES.map((name, index) => [name, index * 1000] as [string, number]).sort(),
  )
  const top = await client.send(new ListObjectsV2Command({ Bucket, Delimiter: '/' }))
  assert.deepEqual(top.CommonPrefixes?.map(({ Prefix }) => Prefix).sort(), ['a/', 'tail/'])
}

async function copy(): Promise<void> {
  const data = randomBytes(200_000)
  const { ETag } = await put('source +é', data)
  const CopySource = `${Bucket}/${encodeURIComponent('source +é')}`
  await client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource, CopySourceIfMatch: ETag }))
  await client.send(
    new CopyObjectCommand({
      Bucket,
      Key: 'source +é',
      CopySource,
      MetadataDirective: 'REPLACE',
      Metadata: { mtime: 'now' },
    }),
  )
  const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'source +é' }))
  assert.deepEqual(head.Metadata, { mtime: 'now' })
  for (const Key of ['copy', 'source +é']) assert.ok((await get(Key)).equals(data), `${Key} differs`)
  const changed = new CopyObjectCommand({ Bucket, Key: 'never', CopySource, CopySourceIfMatch: OTHER })
  await refused(client.send(changed), 412, 'PreconditionFailed')
}

async function remove(): Promise<void> {
  for (const name of NAMES) await put(name, randomBytes(9))
  const Objects = [...NAMES, 'was never there'].map((Key) => ({ Key }))
  const gone = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
  assert.deepEqual([gone.Deleted?.length, gone.Errors], [Objects.length, undefined])
  assert.equal((await client.send(new ListObjectsV2Command({ Bucket }))).KeyCount, 0)
}

async function conditional(): Promise<void> {
  const data = randomBytes(1000)
  const first = await put('lock', data, { IfNoneMatch: '*' })
  await refused(put('lock', data, { IfNoneMatch: '*' }), 412, 'PreconditionFailed')
  const second = await put('lock', data, { IfMatch: first.ETag })
  await refused(put('lock', data, { IfMatch: OTHER }), 412, 'PreconditionFailed')
  await refused(get('lock', { IfMatch: OTHER }), 412)
  await refused(get('lock', { IfNoneMatch: second.ETag }), 304)
  assert.ok((await get('lock', { IfMatch: second.ETag })).equals(data))
}

/** A stream goes with its checksum in a trailer also over plain HTTP, in chunks that nobody signed. */
async function checksum(): Promise<void> {
  const framings = new Set<string>()
  client.middlewareStack.add(
    (next) => async (parameters) => {
      const { headers } = parameters.request as { headers: Record<string, string> }
      framings.add(headers['x-amz-content-sha256'] ?? '')
      return await next(parameters)
    },
    { step: 'finalizeRequest', priority: 'low', name: 'framings' },
  )
  const data = randomBytes(2 * 65_536 + 3)
  for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'SHA1', 'SHA256', 'CRC64NVME'] as const)
    for (const Body of [data, Readable.from(chunks(data))]) {
      const more = { ContentLength: data.length, ChecksumAlgorithm }
      await client.send(new PutObjectCommand({ Bucket, Key: 'sum', Body, ...more }))
      const got = await client.send(new GetObjectCommand({ Bucket, Key: 'sum', ChecksumMode: 'ENABLED' }))
      assert.ok(got[`Checksum${ChecksumAlgorithm}`] !== undefined, `${ChecksumAlgorithm} was not kept`)
      assert.ok(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(data))
    }
  assert.ok(framings.has('STREAMING-UNSIGNED-PAYLOAD-TRAILER'), [...framings].join())
  await refused(put('wrong', data, { ChecksumCRC32: 'AAAAAA==' }), 400, 'BadDigest')
  await refused(get('wrong'), 404, 'NoSuchKey')
}

function* chunks(data: Buffer): Generator<Buffer> {
  for (let at = 0; at < data.length; at += 10_000) yield data.subarray(at, at + 10_000)
}
