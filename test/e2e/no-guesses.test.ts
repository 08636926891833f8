/** What can be read in two ways, or asks for what is not here, is refused before it changes anything. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { TestBucket } from '../lib/bucket.ts'
import { startGateway, type TestGateway } from '../lib/gateway.ts'
import { type RawRequest, send } from '../lib/raw-http.ts'

const Bucket = 'no-guesses'
let gateway: TestGateway
let bucket: TestBucket

before(async () => {
  gateway = await startGateway()
  bucket = await TestBucket.create(gateway.client(), Bucket)
  await bucket.put('k', 'value')
})
after(() => gateway.close())

async function refused(request: RawRequest, status: number, code: string): Promise<void> {
  const answer = await send(gateway, request)
  assert.deepEqual([answer.status, answer.code], [status, code], `${request.method} ${request.target}`)
  assert.equal((await bucket.read('k')).toString(), 'value')
}

function post(query: string, body: string): RawRequest {
  const headers = { 'content-md5': createHash('md5').update(body).digest('base64') }
  return { method: 'POST', target: `/${Bucket}${query}`, headers, body }
}

describe('a parameter that chooses another operation', () => {
  it('does not come beside a write: a part without its number must not become the object', async () => {
    for (const [method, path] of [
      ['PUT', '/k?uploadId=x'],
      ['PUT', '/k?partNumber=1'],
      ['PUT', '/k?uploads'],
      ['PUT', '/k?attributes'],
      ['DELETE', '/k?uploads'],
      ['DELETE', '/k?delete'],
      ['DELETE', '?location'],
      ['DELETE', '?uploads'],
      ['PUT', '?delete'],
    ] as const) {
      const body = method === 'PUT' ? 'another' : ''
      await refused({ method, target: `/${Bucket}${path}`, body }, 400, 'InvalidArgument')
    }
    for (const header of ['/no-guesses/k', '/no-guesses/other']) {
      const copy = { 'x-amz-copy-source': header }
      const target = `/${Bucket}/copy?partNumber=1`
      await refused({ method: 'PUT', target, headers: copy }, 400, 'InvalidArgument')
    }
  })

  it('nor beside a read, of which it would be another', async () => {
    for (const path of ['/k?uploads', '/k?list-type=2', '/k?location', '?uploadId=x', '?attributes'])
      await refused({ target: `/${Bucket}${path}` }, 400, 'InvalidArgument')
    assert.equal((await send(gateway, { target: `/${Bucket}/k?partNumber=1` })).body, 'value')
  })
})

describe('an element that is there twice', () => {
  it('makes a deletion MalformedXML', async () => {
    const twice = '<Delete><Object><Key>absent</Key><Key>k</Key></Object></Delete>'
    await refused(post('?delete=', twice), 400, 'MalformedXML')
  })

  it('makes a list of parts MalformedXML', async () => {
    const id = await bucket.begin('k')
    const { ETag } = await bucket.send('k', id, 1, Buffer.from('part'))
    for (const twice of ['<PartNumber>2</PartNumber>', `<ETag>${ETag}</ETag>`]) {
      const part = `<Part><PartNumber>1</PartNumber><ETag>${ETag}</ETag>${twice}</Part>`
      const list = `<CompleteMultipartUpload>${part}</CompleteMultipartUpload>`
      await refused(post(`/k?uploadId=${id}`, list), 400, 'MalformedXML')
    }
  })
})

describe('a condition that is not here', () => {
  it('deletes nothing', async () => {
    for (const headers of [
      { 'if-none-match': '"x"' },
      { 'x-amz-if-match-size': '1' },
      { 'x-amz-if-match-last-modified-time': 'Mon, 01 Jan 2024 00:00:00 GMT' },
    ])
      await refused({ method: 'DELETE', target: `/${Bucket}/k`, headers }, 501, 'NotImplemented')
    for (const condition of ['<Size>1</Size>', '<LastModifiedTime>2024-01-01T00:00:00Z</LastModifiedTime>']) {
      const body = `<Delete><Object><Key>k</Key>${condition}</Object></Delete>`
      await refused(post('?delete=', body), 501, 'NotImplemented')
    }
  })

  it('writes nothing, and an append is no overwrite', async () => {
    for (const headers of [{ 'x-amz-write-offset-bytes': '5' }, { 'x-amz-if-match-size': '1' }])
      await refused({ method: 'PUT', target: `/${Bucket}/k`, headers, body: 'x' }, 501, 'NotImplemented')
  })

  it('completes nothing: a size that is none', async () => {
    const id = await bucket.begin('k')
    const { ETag } = await bucket.send('k', id, 1, Buffer.from('part'))
    const part = `<Part><PartNumber>1</PartNumber><ETag>${ETag}</ETag></Part>`
    const request = post(`/k?uploadId=${id}`, `<CompleteMultipartUpload>${part}</CompleteMultipartUpload>`)
    const headers = { ...request.headers, 'x-amz-mp-object-size': '4 bytes' }
    await refused({ ...request, headers }, 400, 'InvalidRequest')
  })
})
