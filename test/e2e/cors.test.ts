import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  DeleteBucketCorsCommand,
  GetObjectCommand,
  PutBucketCorsCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { TestBucket } from '../lib/bucket.ts'
import { exchange } from '../lib/raw-http.ts'
import { type S3Stack, startS3Stack } from '../lib/s3-stack.ts'

const Bucket = 'for-pages'
const ORIGIN = 'https://app.example.com'

describe('pages of other origins', () => {
  let stack: S3Stack
  let s3: S3Client
  let bucket: TestBucket
  before(async () => {
    stack = await startS3Stack()
    s3 = stack.s3
    bucket = await TestBucket.create(s3, Bucket)
    await bucket.put('k', 'for the page')
  })
  after(() => stack.close())

  const allow = (AllowedOrigins: string[]) =>
    s3.send(
      new PutBucketCorsCommand({
        Bucket,
        CORSConfiguration: {
          CORSRules: [
            {
              AllowedOrigins,
              AllowedMethods: ['GET', 'PUT'],
              AllowedHeaders: ['content-type', 'x-amz-*'],
              ExposeHeaders: ['ETag', 'x-amz-version-id'],
              MaxAgeSeconds: 600,
            },
          ],
        },
      }),
    )
  /** Unsigned, as a browser does. */
  const ask = (path: string, headers: Record<string, string>) =>
    fetch(`${stack.gateway.endpoint}${path}`, { method: 'OPTIONS', headers })
  const asks = { origin: ORIGIN, 'access-control-request-method': 'PUT' }
  const cors = (answer: Response) =>
    Object.fromEntries([...answer.headers].filter(([name]) => /^(access-control|vary)/.test(name)))
  const code = async (answer: Response) => [
    answer.status,
    /<Code>(.*?)<[/]Code>/.exec(await answer.text())?.[1],
  ]
  const url = (more: object = {}) => getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: 'k', ...more }))

  it('are refused as long as the bucket has no rules, and what they get names no origin', async () => {
    assert.deepEqual(await code(await ask(`/${Bucket}/k`, asks)), [403, 'AccessForbidden'])
    assert.deepEqual(await code(await ask('/nowhere-at-all/k', asks)), [403, 'AccessForbidden'])
    assert.deepEqual(await code(await ask('/', asks)), [403, 'AccessForbidden'])
    assert.deepEqual(await code(await ask(`/${Bucket}/k`, { origin: ORIGIN })), [400, 'BadRequest'])
    assert.deepEqual(await code(await ask(`/${Bucket}/k`, {})), [400, 'BadRequest'])
    const answer = await fetch(await url(), { headers: { origin: ORIGIN } })
    assert.deepEqual([await answer.text(), cors(answer)], ['for the page', {}])
  })

  it('are told before they ask what the rules allow, at once when these are changed', async () => {
    await allow([ORIGIN])
    const allowed = await ask(`/${Bucket}/k`, {
      ...asks,
      'access-control-request-headers': 'Content-Type, X-Amz-Meta-A',
    })
    assert.deepEqual([allowed.status, await allowed.text()], [200, ''])
    assert.deepEqual(cors(allowed), {
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-methods': 'GET, PUT',
      'access-control-allow-headers': 'content-type, x-amz-meta-a',
      'access-control-expose-headers': 'ETag, x-amz-version-id',
      'access-control-max-age': '600',
      'access-control-allow-credentials': 'true',
      vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
    })
    for (const other of [
      { ...asks, origin: 'https://evil.example.com' },
      { ...asks, 'access-control-request-method': 'DELETE' },
      { ...asks, 'access-control-request-headers': 'authorization' },
    ])
      assert.deepEqual(await code(await ask(`/${Bucket}/k`, other)), [403, 'AccessForbidden'])
  })

  it('may read what the rules allow, and errors, and other origins may not', async () => {
    const target = async (more?: object) => (await url(more)).slice(stack.gateway.endpoint.length)
    /** As a browser sends it: its own fetch would not let the test choose an origin. */
    const read = (path: string, origin: string) =>
      exchange(
        stack.gateway,
        `GET ${path} HTTP/1.1\r\nHost: ${stack.gateway.endpoint.slice('http://'.length)}\r\nOrigin: ${origin}\r\n\r\n`,
      )
    const seen = async (path: string, origin: string) => {
      const { status, headers } = await read(path, origin)
      return [status, headers.get('access-control-allow-origin')]
    }
    assert.deepEqual(await seen(await target(), ORIGIN), [200, ORIGIN])
    assert.deepEqual(await seen(await target({ Key: 'missing' }), ORIGIN), [404, ORIGIN])
    assert.deepEqual(await seen(await target(), 'https://evil.example.com'), [200, undefined])
    assert.deepEqual(await seen(`/${Bucket}/k`, ORIGIN), [403, ORIGIN])
    const { headers, body } = await read(await target(), ORIGIN)
    assert.equal(body, 'for the page')
    assert.equal(headers.get('access-control-expose-headers'), 'ETag, x-amz-version-id')
    assert.match(headers.get('etag') ?? '', /^"[0-9a-f]{32}-0"$/)
  })

  it('cost the store one look at the rules for many requests', async () => {
    await allow(['*'])
    stack.server?.counted()
    for (let n = 0; n < 5; n++) {
      const answer = await ask(`/${Bucket}/k`, asks)
      assert.equal(answer.headers.get('access-control-allow-origin'), '*')
      assert.equal(answer.headers.get('access-control-allow-credentials'), null)
    }
    assert.deepEqual(stack.server?.counted() ?? ['GetSubresource'], ['GetSubresource'])
    await s3.send(new DeleteBucketCorsCommand({ Bucket }))
    assert.deepEqual(await code(await ask(`/${Bucket}/k`, asks)), [403, 'AccessForbidden'])
  })
})
