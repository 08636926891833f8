import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { type RawAnswer, type RawRequest, send } from '../lib/raw-http.ts'

const Bucket = 'conditions'
let gateway: TestGateway
let bucket: TestBucket

before(async () => {
  gateway = await startGateway()
  bucket = await TestBucket.create(gateway.client(), Bucket)
})
after(() => gateway.close())

type Headers = NonNullable<RawRequest['headers']>
const call = (method: string, key: string, headers: Headers = {}, body = '') =>
  send(gateway, { method, target: `/${Bucket}/${key}`, headers, body })
const outcome = ({ status, code }: RawAnswer) => [status, code]
const condition = ({ body }: RawAnswer) => /<Condition>([^<]*)<\/Condition>/.exec(body)?.[1]
const date = (offsetMs: number) => new Date(Date.now() + offsetMs).toUTCString()

/** Puts an object and tells its ETag, quoted. */
async function put(key: string, body = 'x'): Promise<string> {
  const answer = await call('PUT', key, {}, body)
  assert.equal(answer.status, 200)
  return answer.headers.get('etag') ?? ''
}

describe('conditions of reads', () => {
  it('GetObject_conditionsTogether are tried in the order of S3: the first that fails answers', async () => {
    const etag = await put('order')
    const all = {
      'if-match': '"other"',
      'if-unmodified-since': date(-86_400_000),
      'if-none-match': etag,
      'if-modified-since': date(0),
    }
    const { 'if-match': _match, ...others } = all
    const { 'if-unmodified-since': _unmodified, ...rest } = others
    for (const [headers, failing] of [
      [all, 'If-Match'],
      [others, 'If-Unmodified-Since'],
    ] as const) {
      const answer = await call('GET', 'order', headers)
      assert.deepEqual([...outcome(answer), condition(answer)], [412, 'PreconditionFailed', failing])
      assert.equal((await call('HEAD', 'order', headers)).status, 412)
    }
    assert.equal((await call('GET', 'order', rest)).status, 304)
    assert.equal((await call('HEAD', 'order', rest)).status, 304)
    const void1 = { 'if-match': etag, 'if-unmodified-since': date(-86_400_000) }
    assert.equal((await call('GET', 'order', void1)).status, 200)
    const void2 = { 'if-none-match': '"other"', 'if-modified-since': date(0) }
    assert.equal((await call('GET', 'order', void2)).status, 200)
  })

  it('GetObject_ifModifiedSince of a time to come is no condition', async () => {
    await put('future')
    assert.equal((await call('GET', 'future', { 'if-modified-since': date(0) })).status, 304)
    assert.equal((await call('GET', 'future', { 'if-modified-since': date(86_400_000) })).status, 200)
    assert.equal((await call('GET', 'future', { 'if-modified-since': 'yesterday' })).status, 200)
  })

  it('GetObject_ifRange answers the range only of the object that it names', async () => {
    const etag = await put('if-range', 'abcdef')
    const modified = (await call('HEAD', 'if-range')).headers.get('last-modified') ?? ''
    for (const [ifRange, status] of [
      [etag, 206],
      [etag.slice(1, -1), 206],
      ['"other"', 200],
      ['2020', 200],
      [modified, 206],
      [date(-86_400_000), 200],
    ] as const) {
      const answer = await call('GET', 'if-range', { range: 'bytes=1-2', 'if-range': ifRange })
      const body = status === 206 ? 'bc' : 'abcdef'
      assert.deepEqual([answer.status, answer.body], [status, body], ifRange)
    }
  })

  it('GetObject_absentKey is NoSuchKey under any condition', async () => {
    for (const headers of [
      { 'if-match': '"x"' },
      { 'if-unmodified-since': date(0) },
      { 'if-none-match': '*' },
    ])
      assert.deepEqual(outcome(await call('GET', 'absent', headers)), [404, 'NoSuchKey'])
  })
})

describe('conditions on the source of a copy', () => {
  it('CopyObject_sourceConditions fail by 412 with the name of the condition, for objects and parts', async () => {
    const etag = await put('source')
    const upload = await bucket.begin('target')
    const cases: [string, string, string | null][] = [
      ['if-match', '"other"', 'x-amz-copy-source-If-Match'],
      ['if-match', etag, null],
      ['if-match', etag.slice(1, -1), null],
      ['if-none-match', etag, 'x-amz-copy-source-If-None-Match'],
      ['if-none-match', etag.slice(1, -1), 'x-amz-copy-source-If-None-Match'],
      ['if-none-match', '"other"', null],
      ['if-unmodified-since', date(-86_400_000), 'x-amz-copy-source-If-Unmodified-Since'],
      ['if-unmodified-since', date(0), null],
      ['if-modified-since', date(0), 'x-amz-copy-source-If-Modified-Since'],
      ['if-modified-since', date(-86_400_000), null],
      ['if-modified-since', date(86_400_000), null],
    ]
    for (const target of ['target', `target?partNumber=1&uploadId=${upload}`]) {
      for (const [name, value, failing] of cases) {
        const headers = {
          'x-amz-copy-source': `/${Bucket}/source`,
          [`x-amz-copy-source-${name}`]: value,
        }
        const answer = await call('PUT', target, headers)
        const want = failing === null ? [200, undefined] : [412, 'PreconditionFailed']
        assert.deepEqual(outcome(answer), want, `${target} ${name}: ${value}`)
        assert.equal(condition(answer), failing ?? undefined)
      }
    }
  })
})

describe('conditions of writes', () => {
  it('PutObject_ifMatch compares with what is there, and with nothing it is NoSuchKey', async () => {
    const first = await put('swap')
    assert.deepEqual(outcome(await call('PUT', 'swap', { 'if-match': first }, 'y')), [200, undefined])
    const stale = await call('PUT', 'swap', { 'if-match': first }, 'z')
    assert.deepEqual([...outcome(stale), condition(stale)], [412, 'PreconditionFailed', 'If-Match'])
    assert.equal((await call('GET', 'swap')).body, 'y')
    for (const match of [first, 'nonsense'])
      assert.deepEqual(outcome(await call('PUT', 'swap-absent', { 'if-match': match }, 'y')), [
        404,
        'NoSuchKey',
      ])
  })

  it('PutObject_conditionsThatS3DoesNotKnow are NotImplemented before the body is read', async () => {
    const etag = await put('guarded', 'before')
    const guards: Headers[] = [
      { 'if-match': '*' },
      { 'if-match': `${etag}, "other"` },
      { 'if-none-match': etag },
      { 'if-match': etag, 'if-none-match': '*' },
      { 'if-modified-since': date(0) },
      { 'if-unmodified-since': date(0) },
    ]
    for (const headers of guards) {
      const refused = await call('PUT', 'guarded', headers, 'after')
      assert.deepEqual(outcome(refused), [501, 'NotImplemented'], JSON.stringify(headers))
      const copy = await call('PUT', 'guarded', { ...headers, 'x-amz-copy-source': `/${Bucket}/guarded` })
      assert.deepEqual(outcome(copy), [501, 'NotImplemented'], JSON.stringify(headers))
    }
    assert.equal((await call('GET', 'guarded')).body, 'before')
  })

  it('CompleteMultipartUpload_conditions are those of PutObject, and the upload outlives a failure', async () => {
    const etag = await put('complete', 'single')
    const id = await bucket.begin('complete')
    const parts = [await bucket.send('complete', id, 1, randomBytes(1000))]
    const complete = (headers: Headers) =>
      send(gateway, {
        method: 'POST',
        target: `/${Bucket}/complete?uploadId=${id}`,
        headers,
        body: `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${parts[0]?.ETag}</ETag></Part></CompleteMultipartUpload>`,
      })
    const { ifMatch, ifNoneMatch } = gateway.storage.capabilities.conditions.complete
    if (!ifMatch && !ifNoneMatch) {
      // A store that would ignore them is not asked, and the upload is still there.
      for (const headers of [{ 'if-none-match': '*' }, { 'if-match': '"other"' }, { 'if-match': etag }])
        assert.deepEqual(outcome(await complete(headers)), [501, 'NotImplemented'])
      assert.equal((await call('GET', 'complete')).body, 'single')
      assert.equal((await complete({})).status, 200)
      return
    }
    assert.deepEqual(outcome(await complete({ 'if-none-match': '*' })), [412, 'PreconditionFailed'])
    assert.deepEqual(outcome(await complete({ 'if-match': '"other"' })), [412, 'PreconditionFailed'])
    assert.deepEqual(outcome(await complete({ 'if-match': '*' })), [501, 'NotImplemented'])
    assert.equal((await call('GET', 'complete')).body, 'single')
    assert.deepEqual(outcome(await complete({ 'if-match': etag })), [200, undefined])
    assert.equal((await call('HEAD', 'complete')).headers.get('content-length'), '1000')
  })
})

describe('conditions of deletions', () => {
  it('DeleteObject_ifMatch deletes the object that it names, or any by the asterisk, and nothing is NoSuchKey', async () => {
    const etag = await put('gone')
    if (!gateway.storage.capabilities.conditions.delete.ifMatch) {
      // A store that would ignore it is not asked.
      for (const match of [etag, '"other"', '*'])
        assert.deepEqual(outcome(await call('DELETE', 'gone', { 'if-match': match })), [
          501,
          'NotImplemented',
        ])
      assert.equal((await call('GET', 'gone')).body, 'x')
      return
    }
    const wrong = await call('DELETE', 'gone', { 'if-match': '"other"' })
    assert.deepEqual([...outcome(wrong), condition(wrong)], [412, 'PreconditionFailed', 'If-Match'])
    assert.equal((await call('DELETE', 'gone', { 'if-match': etag })).status, 204)
    for (const match of [etag, '*'])
      assert.deepEqual(outcome(await call('DELETE', 'gone', { 'if-match': match })), [404, 'NoSuchKey'])
    await put('gone')
    assert.equal((await call('DELETE', 'gone', { 'if-match': '*' })).status, 204)
    assert.equal((await call('DELETE', 'gone')).status, 204)
  })

  it('DeleteObject_otherConditions are NotImplemented, and nothing is deleted', async () => {
    const etag = await put('kept')
    const guards: Headers[] = [
      { 'x-amz-if-match-size': '7' },
      { 'x-amz-if-match-last-modified-time': date(0) },
      { 'if-none-match': etag },
      { 'if-unmodified-since': date(0) },
      { 'if-match': `${etag}, "other"` },
    ]
    for (const headers of guards)
      assert.deepEqual(outcome(await call('DELETE', 'kept', headers)), [501, 'NotImplemented'])
    assert.equal((await call('GET', 'kept')).body, 'x')
  })

  it('DeleteObjects_etag holds for each key by itself', async () => {
    const [right, wrong] = [await put('batch/right'), await put('batch/wrong')]
    const answer = await remove(
      [
        `<Object><Key>batch/right</Key><ETag>${right}</ETag></Object>`,
        `<Object><Key>batch/wrong</Key><ETag>${right}</ETag></Object>`,
        `<Object><Key>batch/absent</Key><ETag>*</ETag></Object>`,
      ].join(''),
    )
    assert.equal(answer.status, 200)
    if (!gateway.storage.capabilities.conditions.delete.ifMatch) {
      for (const key of ['right', 'wrong', 'absent'])
        assert.match(answer.body, new RegExp(`<Error><Key>batch/${key}</Key><Code>NotImplemented</Code>`))
      for (const key of ['right', 'wrong']) assert.equal((await call('GET', `batch/${key}`)).body, 'x')
      return
    }
    assert.match(answer.body, /<Deleted><Key>batch\/right<\/Key><\/Deleted>/)
    assert.match(answer.body, /<Error><Key>batch\/wrong<\/Key><Code>PreconditionFailed<\/Code>/)
    assert.match(answer.body, /<Error><Key>batch\/absent<\/Key><Code>NoSuchKey<\/Code>/)
    assert.equal((await call('HEAD', 'batch/wrong')).headers.get('etag'), wrong)
  })

  it('DeleteObjects_otherConditions are NotImplemented, and nothing is deleted', async () => {
    await put('batch/kept')
    for (const guard of ['<Size>7</Size>', `<LastModifiedTime>${date(0)}</LastModifiedTime>`]) {
      const answer = await remove(`<Object><Key>batch/kept</Key>${guard}</Object>`)
      assert.deepEqual(outcome(answer), [501, 'NotImplemented'])
    }
    assert.equal((await call('GET', 'batch/kept')).body, 'x')
  })

  const remove = (objects: string) => {
    const body = `<Delete>${objects}</Delete>`
    const headers = { 'content-md5': createHash('md5').update(body).digest('base64') }
    return send(gateway, { method: 'POST', target: `/${Bucket}?delete=`, headers, body })
  }
})
