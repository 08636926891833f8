/** Lists of objects and uploads, page by page, in every form that clients ask for. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { GetBucketLocationCommand, HeadBucketCommand, type S3Client } from '@aws-sdk/client-s3'
import { TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { type RawAnswer, send } from '../lib/raw-http.ts'
import { realStore, takesName } from '../lib/real-store.ts'

const Bucket = 'lists'
let gateway: TestGateway
let s3: S3Client
let bucket: TestBucket

before(async () => {
  gateway = await startGateway()
  s3 = gateway.client()
  bucket = await TestBucket.create(s3, Bucket)
})
after(() => gateway.close())

/** Parameters in the order in which they are signed. */
function list(parameters: Record<string, string | number>, name = Bucket): Promise<RawAnswer> {
  const query = Object.entries(parameters)
    .map(([key, value]) => [key, encodeURIComponent(value).replace(/[!'()*]/g, percent)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return send(gateway, { target: `/${name}?${query.map(([key, value]) => `${key}=${value}`).join('&')}` })
}

const percent = (char: string) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`
const elements = ({ body }: RawAnswer, name: string): string[] =>
  [...body.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, text = '']) => text)
const one = (answer: RawAnswer, name: string): string | undefined => elements(answer, name)[0]
/** encoding-type=url, as both kinds of clients read it. */
const decoded = (text: string) => {
  const plain = decodeURIComponent(text)
  assert.equal(decodeURIComponent(text.replaceAll('+', '%20')), plain)
  return plain
}
/** Keys and common prefixes of a page in the order of a list. The first Prefix is the one that was asked for. */
const names = (answer: RawAnswer) =>
  [...elements(answer, 'Key'), ...elements(answer, 'Prefix').slice(1)]
    .map(decoded)
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))

const AWKWARD = [
  ' ',
  ' lead',
  '%',
  '%41',
  '&amp;',
  '+',
  '..',
  './',
  '/',
  '//',
  '<>',
  'a b+c%20d',
  'é',
  'é'.normalize('NFD'),
  '\u0001',
  '\t',
  '\n',
  '\u007f',
  '\uFEFF',
  '\uFFFE',
  '\u{1F600}',
  '日本/語',
  'q\'(!*)~"',
  'z'.repeat(1024),
]

describe('keys in lists', () => {
  before(async () => {
    for (const key of keys) await bucket.put(key, key)
  })
  const keys = AWKWARD.map((key) => `awkward/${key}`.slice(0, 1024))
    .filter(takesName)
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))

  it('ListObjects_encoded gives each key back, in the order of its bytes, in all three lists and any page size', async () => {
    for (const [kind, marker, next] of [
      [{}, 'marker', 'NextMarker'],
      [{ 'list-type': 2 }, 'continuation-token', 'NextContinuationToken'],
      [{ versions: '' }, 'key-marker', 'NextKeyMarker'],
    ] as [Record<string, string | number>, string, string][]) {
      for (const size of [1, 7, 1000]) {
        const seen: string[] = []
        let from: Record<string, string> = {}
        for (let more = true; more; ) {
          const page = await list({
            ...kind,
            ...from,
            'encoding-type': 'url',
            prefix: 'awkward/',
            'max-keys': size,
          })
          const found = elements(page, 'Key').map(decoded)
          assert.ok(found.length === size || one(page, 'IsTruncated') === 'false', 'pages are full')
          seen.push(...found)
          more = one(page, 'IsTruncated') === 'true'
          const where = one(page, next)
          assert.equal(where !== undefined, more)
          from = { [marker]: marker === 'continuation-token' ? (where ?? '') : decoded(where ?? '') }
        }
        assert.deepEqual(seen, keys, `${marker} by ${size}`)
      }
    }
  })

  it('ListObjects_echoes what was asked for, encoded like the keys', async () => {
    const asked = { prefix: 'awkward/ ', delimiter: '+ %', 'encoding-type': 'url' }
    const v1 = await list({ ...asked, marker: 'awkward/ &' })
    const v2 = await list({ ...asked, 'list-type': 2, 'start-after': 'awkward/ &' })
    const versions = await list({ ...asked, versions: '', 'key-marker': 'awkward/ &' })
    const uploads = await list({ ...asked, uploads: '', 'key-marker': 'awkward/ &' })
    for (const [answer, marker] of [
      [v1, 'Marker'],
      [v2, 'StartAfter'],
      [versions, 'KeyMarker'],
      [uploads, 'KeyMarker'],
    ] as const) {
      assert.equal(one(answer, 'EncodingType'), 'url')
      for (const [name, want] of [
        ['Prefix', 'awkward/%20'],
        ['Delimiter', '%2B%20%25'],
        [marker, 'awkward/%20%26'],
      ] as const)
        assert.equal(one(answer, name), want, `${marker}: ${name}`)
    }
  })

  it('ListObjects_plain writes what XML can hold', async () => {
    const answer = await list({ 'list-type': 2, prefix: 'awkward/' })
    assert.equal(one(answer, 'EncodingType'), undefined)
    assert.equal(elements(answer, 'Key').length, keys.length)
    for (const text of ['awkward/&amp;amp;', 'awkward/&lt;&gt;', 'awkward/日本/語'])
      assert.ok(Buffer.from(answer.body, 'latin1').toString().includes(`<Key>${text}</Key>`), text)
  })
})

describe('pages of lists', () => {
  const keys = ['p/a', 'p/b/1', 'p/b/2', 'p/c', 'p/d/1', 'p/d/2/3', 'p/e']
  before(async () => {
    for (const key of keys) await bucket.put(key, key)
  })

  it('ListObjects_delimiter folds by it, whatever it is, and pages see each name once', async () => {
    const mayBeShort = realStore()?.differences.foldsAfterwards !== undefined
    for (const [delimiter, want] of [
      ['/', ['p/a', 'p/b/', 'p/c', 'p/d/', 'p/e']],
      ['/1', ['p/a', 'p/b/1', 'p/b/2', 'p/c', 'p/d/1', 'p/d/2/3', 'p/e']],
      ['d/', ['p/a', 'p/b/1', 'p/b/2', 'p/c', 'p/d/', 'p/e']],
      ['nowhere', keys],
    ] as const) {
      for (const size of [1, 2, 3, 1000]) {
        const kinds: [Record<string, string | number>, string, string][] = [
          [{}, 'marker', 'NextMarker'],
          [{ 'list-type': 2 }, 'continuation-token', 'NextContinuationToken'],
        ]
        for (const [kind, marker, next] of kinds) {
          const seen: string[] = []
          let from: Record<string, string> = {}
          for (let more = true; more; ) {
            const page = await list({ ...kind, ...from, delimiter, prefix: 'p/', 'max-keys': size })
            const found = names(page)
            const isFull = found.length === size || one(page, 'IsTruncated') === 'false'
            assert.ok(isFull || (mayBeShort && delimiter !== '/'), 'pages are full')
            assert.ok(found.length > 0)
            if (marker !== 'marker') assert.equal(one(page, 'KeyCount'), String(found.length))
            seen.push(...found)
            more = one(page, 'IsTruncated') === 'true'
            from = { [marker]: one(page, next) ?? '' }
          }
          assert.deepEqual(seen, want, `${delimiter} by ${size}, ${marker}`)
        }
      }
    }
  })

  it('ListObjects_maxKeys is capped at 1000, and none of it is an empty whole', async () => {
    for (const kind of [{}, { 'list-type': 2 }, { versions: '' }]) {
      const none = await list({ ...kind, 'max-keys': 0, prefix: 'p/' })
      assert.deepEqual([names(none), one(none, 'IsTruncated'), one(none, 'MaxKeys')], [[], 'false', '0'])
      for (const size of [1000, 1001, 2_147_483_647]) {
        const page = await list({ ...kind, 'max-keys': size, prefix: 'p/' })
        assert.deepEqual([names(page), one(page, 'MaxKeys')], [keys, '1000'])
      }
      for (const size of ['-1', '2147483648', 'x', '1e3'])
        assert.equal((await list({ ...kind, 'max-keys': size })).code, 'InvalidArgument', size)
    }
  })

  it('ListObjects_marker need not be a key, and what comes with a token is void', async () => {
    assert.deepEqual(names(await list({ prefix: 'p/', marker: 'p/b/1x' })), keys.slice(2))
    assert.deepEqual(names(await list({ prefix: 'p/', marker: 'p/zz' })), [])
    assert.deepEqual(names(await list({ prefix: 'p/', marker: 'a' })), keys)
    const after = { 'list-type': 2, prefix: 'p/', 'start-after': 'p/c', 'max-keys': 1 }
    const first = await list(after)
    assert.deepEqual(names(first), ['p/d/1'])
    const token = one(first, 'NextContinuationToken') ?? ''
    assert.match(token, /^[A-Za-z0-9_.~=-]+$/)
    const second = await list({ ...after, 'start-after': 'p/e', 'continuation-token': token })
    assert.deepEqual([names(second), one(second, 'ContinuationToken')], [['p/d/2/3'], token])
    for (const made of ['', 'made-up', `${token}x`])
      assert.equal((await list({ ...after, 'continuation-token': made })).code, 'InvalidArgument', made)
  })

  it('ListObjects_elements are those of S3, and none of what a store says', async () => {
    const v1 = await list({ prefix: 'p/a' })
    const v2 = await list({ 'list-type': 2, prefix: 'p/a' })
    assert.equal(elements(v1, 'ID').length, 1)
    assert.equal(elements(v2, 'ID').length, 0)
    for (const answer of [v1, v2]) {
      assert.equal(answer.headers.get('content-type'), 'application/xml')
      assert.deepEqual(
        [one(answer, 'Size'), one(answer, 'StorageClass'), one(answer, 'Name')],
        ['3', 'STANDARD', Bucket],
      )
      assert.match(one(answer, 'LastModified') ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      assert.match(one(answer, 'ETag') ?? '', /^&quot;[0-9a-f]{32}-0&quot;$/)
      assert.doesNotMatch(answer.body, /Checksum|sealgate-system|Restore/)
    }
  })
})

describe('lists of uploads', () => {
  it('ListMultipartUploads_pages by key and id, with prefix and delimiter, and nothing but uploads', async () => {
    const wanted: string[] = []
    for (const key of ['u/a', 'u/a', 'u/b c', 'u/d/1', 'u/d/2', 'u/e'])
      wanted.push(`${key} ${await bucket.begin(key)}`)
    const other = await bucket.begin('other')
    for (const size of [1, 2, 5, 1000]) {
      const seen: string[] = []
      let from: Record<string, string> = {}
      for (let more = true; more; ) {
        const page = await list({
          uploads: '',
          ...from,
          prefix: 'u/',
          'max-uploads': size,
          'encoding-type': 'url',
        })
        const ids = elements(page, 'UploadId')
        assert.ok(ids.length <= size)
        seen.push(...elements(page, 'Key').map((key, n) => `${decoded(key)} ${ids[n]}`))
        more = one(page, 'IsTruncated') === 'true'
        from = {
          'key-marker': decoded(one(page, 'NextKeyMarker') ?? ''),
          'upload-id-marker': one(page, 'NextUploadIdMarker') ?? '',
        }
      }
      assert.deepEqual(seen.sort(), [...wanted].sort(), `by ${size}`)
    }
    const folded = await list({ uploads: '', prefix: 'u/', delimiter: '/' })
    assert.deepEqual(names(folded), ['u/a', 'u/a', 'u/b c', 'u/d/', 'u/e'])
    const ids = elements(await list({ uploads: '' }), 'UploadId')
    assert.equal(ids.length, wanted.length + 1)
    assert.ok(ids.includes(other))
    for (const id of ids) assert.match(id, /^[A-Za-z0-9._~-]{1,1024}$/)
  })

  it('ListParts_pages by number, with plaintext sizes, until the upload is over', async () => {
    const key = 'listed-parts'
    const id = await bucket.begin(key)
    for (const n of [7, 2, 10_000, 1]) await bucket.send(key, id, n, Buffer.alloc(n % 100, 1))
    const ask = (query: string) => send(gateway, { target: `/${Bucket}/${key}?${query}uploadId=${id}` })
    const all = await ask('')
    assert.deepEqual(elements(all, 'PartNumber'), ['1', '2', '7', '10000'])
    assert.deepEqual(elements(all, 'Size'), ['1', '2', '7', '0'])
    for (const query of ['max-parts=0&', 'max-parts=&', 'max-parts=1001&'])
      assert.deepEqual(elements(await ask(query), 'PartNumber'), ['1', '2', '7', '10000'], query)
    const seen: string[] = []
    let marker = '0'
    for (let more = true; more; ) {
      const page = await ask(`max-parts=1&part-number-marker=${marker}&`)
      seen.push(...elements(page, 'PartNumber'))
      more = one(page, 'IsTruncated') === 'true'
      marker = one(page, 'NextPartNumberMarker') ?? ''
    }
    assert.deepEqual(seen, ['1', '2', '7', '10000'])
    const behind = await ask('part-number-marker=10000&')
    assert.deepEqual([elements(behind, 'PartNumber'), one(behind, 'IsTruncated')], [[], 'false'])
    const { status } = await send(gateway, { method: 'DELETE', target: `/${Bucket}/${key}?uploadId=${id}` })
    assert.equal(status, 204)
    for (const [method, query] of [
      ['GET', ''],
      ['DELETE', ''],
      ['PUT', 'partNumber=1&'],
    ] as const) {
      const gone = await send(gateway, { method, target: `/${Bucket}/${key}?${query}uploadId=${id}` })
      assert.deepEqual([gone.status, gone.code], [404, 'NoSuchUpload'], method)
    }
  })
})

describe('what a bucket says of itself', () => {
  it('GetBucketLocation_usEast1 is an empty element in the namespace of S3', async () => {
    const answer = await send(gateway, { target: `/${Bucket}?location=` })
    assert.match(
      answer.body,
      /<LocationConstraint xmlns="http:\/\/s3.amazonaws.com\/doc\/2006-03-01\/"\s*(\/>|><\/LocationConstraint>)$/,
    )
    const { LocationConstraint } = await s3.send(new GetBucketLocationCommand({ Bucket }))
    assert.equal(LocationConstraint, undefined)
  })

  it('HeadBucket_region is told of a bucket that is there, and the status of one that is not', async () => {
    const { BucketRegion } = await s3.send(new HeadBucketCommand({ Bucket }))
    assert.equal(BucketRegion, 'us-east-1')
    for (const [name, status] of [
      ['no-such-bucket', 404],
      ['sealgate-system', 404],
    ] as const) {
      const answer = await send(gateway, { method: 'HEAD', target: `/${name}` })
      assert.deepEqual([answer.status, answer.body], [status, ''])
      assert.equal(answer.headers.get('x-amz-bucket-region'), 'us-east-1')
    }
  })
})
