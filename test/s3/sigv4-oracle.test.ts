import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { test } from 'node:test'
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { SignatureV4 } from '@smithy/signature-v4'
import fc from 'fast-check'
import { ACCESS_KEY_ID, check, NOW, SECRET, sha256 } from './signing.ts'

const credentials = { accessKeyId: ACCESS_KEY_ID, secretAccessKey: SECRET }
const HOST = '127.0.0.1:9000'

class Sha256 {
  readonly #hash
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash =
      secret === undefined
        ? createHash('sha256')
        : createHmac('sha256', typeof secret === 'string' ? secret : Buffer.from(secret as Uint8Array))
  }
  update(data: Uint8Array | string): void {
    this.#hash.update(data)
  }
  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest())
  }
  reset(): void {}
}

const signer = new SignatureV4({
  service: 's3',
  region: 'us-east-1',
  credentials,
  sha256: Sha256,
  uriEscapePath: false,
})
const encode = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
const text = (maxLength: number) =>
  fc.string({ unit: 'grapheme', maxLength }).filter((s) => s.isWellFormed() && !s.includes('\0'))
const key = fc
  .oneof(
    text(20),
    fc.constantFrom(
      'a/../b',
      './x',
      'a//b',
      'a+b',
      'a b',
      "!'()*~",
      '%2e%2e/',
      'a/',
      '\\..\\',
      'é',
      'e\u0301',
      '\ufeffx',
    ),
  )
  .filter((k) => k !== '')

test('what the SDK signs in a header is accepted, and refused with another key', async () => {
  await fc.assert(
    fc.asyncProperty(
      key,
      fc.dictionary(
        text(6).filter((n) => n !== ''),
        text(8),
        { maxKeys: 4 },
      ),
      fc.constantFrom('GET', 'PUT', 'DELETE', 'POST'),
      async (name, query, method) => {
        const path = `/bucket/${name.split('/').map(encode).join('/')}`
        const signed = await signer.sign(
          {
            method,
            protocol: 'http:',
            hostname: '127.0.0.1',
            port: 9000,
            path,
            query,
            headers: { host: HOST, 'x-amz-content-sha256': sha256('body'), 'x-amz-meta-a': ' two   blanks ' },
            body: undefined,
          },
          { signingDate: new Date(NOW) },
        )
        const raw = Object.entries(query)
          .map(([n, v]) => `${encode(n)}=${encode(v)}`)
          .join('&')
        const url = raw === '' ? path : `${path}?${raw}`
        const request = { method, url, headers: Object.entries(signed.headers) as [string, string][] }
        assert.equal(check(request).payload.mode, 'sha256')
        assert.throws(() => check({ ...request, url: url.replace('/bucket/', '/bucket/x') }))
      },
    ),
    { numRuns: 60 },
  )
})

test('what the SDK presigns is accepted for exactly its key', async () => {
  const client = new S3Client({
    endpoint: `http://${HOST}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials,
  })
  for (const Key of [
    'plain',
    'a/../b',
    './x',
    'a//b',
    'a+b c',
    "!'()*~",
    '%2e%2e/',
    'dir/',
    'é',
    'e\u0301',
    '日本',
  ]) {
    const signed = await getSignedUrl(
      client,
      new GetObjectCommand({ Bucket: 'bucket', Key, ResponseContentType: 'text/x a+b' }),
      { expiresIn: 60, signingDate: new Date(NOW) },
    )
    const url = signed.slice(`http://${HOST}`.length)
    const request = { method: 'GET', url, headers: [['Host', HOST]] as [string, string][] }
    assert.equal(check(request).presigned, true, Key)
    assert.throws(() => check({ ...request, url: url.replace('/bucket/', '/bucket/x') }), Key)
    assert.throws(() => check(request, { now: NOW + 61_000 }), Key)
  }
  client.destroy()
})
