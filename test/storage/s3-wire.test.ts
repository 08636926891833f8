import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { SignatureV4 } from '@smithy/signature-v4'
import fc from 'fast-check'
import { isError, SealgateError } from '../../src/errors.ts'
import { chunkedBody, chunkedLength } from '../../src/storage/s3/chunked-body.ts'
import { fixedCredentials, renewedCredentials } from '../../src/storage/s3/credentials.ts'
import { parseEndpoint, storeTarget } from '../../src/storage/s3/endpoint.ts'
import { signRequest } from '../../src/storage/s3/signer.ts'
import type { ListMultipartUploadsRequest } from '../../src/storage/storage.ts'
import { BucketNames } from '../../src/storage/wire/bucket-names.ts'
import { withoutRawMarkers } from '../../src/storage/wire/documents.ts'
import { decodeName, encodeName } from '../../src/storage/wire/encoded-name.ts'
import { decodeValue, encodeValue } from '../../src/storage/wire/encoded-word.ts'
import { foldUploads } from '../../src/storage/wire/fold-uploads.ts'
import { shownUploadId, storedUploadId } from '../../src/storage/wire/upload-id.ts'

const credentials = { accessKeyId: 'AKID', secretAccessKey: 'the-secret' }

class Sha256 {
  readonly #hash = createHash('sha256')
  readonly #secret: Uint8Array | undefined
  #data: Uint8Array[] = []
  constructor(secret?: string | Uint8Array) {
    this.#secret = secret === undefined ? undefined : Buffer.from(secret as Uint8Array)
  }
  update(data: Uint8Array): void {
    this.#data.push(Buffer.from(data))
  }
  async digest(): Promise<Uint8Array> {
    const { createHmac } = await import('node:crypto')
    const hash = this.#secret === undefined ? this.#hash : createHmac('sha256', this.#secret)
    for (const data of this.#data) hash.update(data)
    return hash.digest()
  }
}

describe('requests to the store', () => {
  it("are signed as AWS's own signer signs them", async () => {
    const oracle = new SignatureV4({
      credentials,
      region: 'eu-central-1',
      service: 's3',
      sha256: Sha256 as never,
      uriEscapePath: false,
      applyChecksum: false,
    })
    const endpoint = parseEndpoint('https://store.test:8443')
    const now = Date.UTC(2026, 10, 24, 12)
    for (const [key, query, headers] of [
      ['plain', {}, {}],
      ['a/../b//c d+é%2F!*', { uploadId: 'a~b', partNumber: 7 }, { 'x-amz-meta-a': ' two  blanks ' }],
      ['k', { 'list-type': 2, prefix: 'a b&=+', uploads: '' }, { range: 'bytes=0-9', 'if-match': '"x"' }],
    ] as const) {
      const target = storeTarget(endpoint, 'path', { bucket: 'bucket', key, query })
      const payload = 'UNSIGNED-PAYLOAD'
      const signed = signRequest(
        { method: 'GET', ...target, headers: { host: target.host, ...headers }, payload },
        { ...credentials, sessionToken: 'token' },
        'eu-central-1',
        now,
      )
      const { authorization = '', ...sent } = signed.headers
      const byOracle = await oracle.sign(
        {
          method: 'GET',
          protocol: 'https:',
          hostname: 'store.test',
          path: target.path,
          query: Object.fromEntries(Object.entries(query).map(([name, value]) => [name, String(value)])),
          headers: sent,
        },
        // The oracle leaves out of its own what a proxy may change; here all is signed.
        { signingDate: new Date(now), signableHeaders: new Set(Object.keys(sent)) },
      )
      const signatureOf = (text: string | undefined) => /Signature=([0-9a-f]{64})$/.exec(text ?? '')?.[1]
      assert.ok(signatureOf(authorization))
      assert.equal(signatureOf(authorization), signatureOf(byOracle.headers['authorization']))
    }
  })

  it('name bucket and key as they are: no dot is resolved, nothing is joined', () => {
    const endpoint = parseEndpoint('https://store.test')
    const at = (bucket: string, key: string) => storeTarget(endpoint, 'virtual', { bucket, key })
    assert.deepEqual([at('b-1', '../x').host, at('b-1', '../x').path], ['b-1.store.test', '/../x'])
    assert.deepEqual([at('a.b', '/').host, at('a.b', '/').path], ['store.test', '/a.b//'])
    const byAddress = storeTarget(parseEndpoint('http://127.0.0.1:9000'), 'virtual', { bucket: 'b' })
    assert.deepEqual([byAddress.host, byAddress.path], ['127.0.0.1:9000', '/b'])
    for (const wrong of ['store.test', 'ftp://a', 'https://a/b', 'https://a@b', 'https://a?b'])
      assert.throws(() => parseEndpoint(wrong), TypeError)
  })
})

describe('bodies to the store', () => {
  const signer = () =>
    signRequest({ method: 'PUT', path: '/', query: '', headers: {}, payload: '' }, credentials, 'r', 0).chunks
  const forms = [
    { signedChunks: true, checksum: false },
    { signedChunks: true, checksum: true },
    { signedChunks: false, checksum: true },
  ]

  it('have the length that was announced, however they come, and in every form', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.nat(400_000), fc.constantFrom(0, 1, 131_071, 131_072, 131_073, 262_144)),
        fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 1, maxLength: 5 }),
        fc.constantFrom(...forms),
        async (size, cuts, form) => {
          const data = randomBytes(size)
          const body = async function* () {
            for (let at = 0, n = 0; at < size; n++) {
              const cut = cuts[n % cuts.length] ?? 1
              yield data.subarray(at, at + cut)
              at += cut
            }
          }
          let sent = 0
          for await (const frame of chunkedBody(body(), size, form, signer())) sent += frame.length
          assert.equal(sent, chunkedLength(size, form))
        },
      ),
      { numRuns: 60 },
    )
  })

  it('that fail at their very end have not sent their last byte', async () => {
    const data = Buffer.alloc(200_000, 'x')
    const broken = async function* () {
      yield data
      throw new SealgateError('BadDigest')
    }
    for (const form of forms) {
      let bytes = 0
      const send = async () => {
        for await (const frame of chunkedBody(broken(), data.length, form, signer())) bytes += frame.length
      }
      await assert.rejects(send(), (error) => isError(error, 'BadDigest'))
      assert.ok(bytes < data.length)
    }
  })
})

it('names of metadata come back as they were, and go out without what the server does not keep', () => {
  const name = fc.string({ unit: fc.constantFrom('a', 'u', 'n', 'x', '2', '-', '_', '.', '!', '~') })
  fc.assert(
    fc.property(name, fc.boolean(), (text, punctuation) => {
      const encoded = encodeName(text, { underscores: false, punctuation })
      assert.doesNotMatch(encoded, punctuation ? /_/ : /[^a-z0-9-]/)
      assert.equal(decodeName(encoded), text)
    }),
  )
})

it('markers that no XML can hold are cut out of a list, and nothing else is', () => {
  const cut = (xml: string) => withoutRawMarkers(Buffer.from(xml)).toString()
  const list = (marker: string) =>
    `<L><NextContinuationToken>${marker}</NextContinuationToken><Key>&#x1;</Key></L>`
  for (const marker of ['a&#x01;', 'a\u0001b', '\ufffe', 'a\rb'])
    assert.equal(cut(list(marker)), '<L><Key>&#x1;</Key></L>', JSON.stringify(marker))
  for (const marker of ['', 'plain', 'ü&amp;\u{10ffff}']) assert.equal(cut(list(marker)), list(marker))
  assert.equal(
    cut('<L><KeyMarker>&#x1;</KeyMarker><NextKeyMarker>k</NextKeyMarker></L>'),
    '<L><NextKeyMarker>k</NextKeyMarker></L>',
  )
})

it('uploads are folded as the whole set would be, whatever the pages', async () => {
  const letters = fc.string({
    unit: fc.constantFrom('a', 'b', '/', '\u{10ffff}'),
    minLength: 1,
    maxLength: 4,
  })
  const given = fc.record({
    keys: fc.array(letters, { maxLength: 12 }),
    prefix: fc.constantFrom('', 'a', 'a/'),
    maxUploads: fc.integer({ min: 1, max: 4 }),
    storePage: fc.integer({ min: 1, max: 3 }),
  })
  await fc.assert(
    fc.asyncProperty(given, async ({ keys, prefix, maxUploads, storePage }) => {
      const all = keys.map((key, n) => ({
        key,
        uploadId: String(n).padStart(2, '0'),
        initiatedAt: 0,
        storageClass: 'STANDARD',
      }))
      const bytes = ({ key, uploadId }: { key: string; uploadId: string }) =>
        Buffer.from(`${key}\0${uploadId}`)
      all.sort((a, b) => Buffer.compare(bytes(a), bytes(b)))
      const page = async (request: ListMultipartUploadsRequest) => {
        const { keyMarker, uploadIdMarker } = request
        const from = Buffer.from(
          `${keyMarker}\0${uploadIdMarker === '' && keyMarker !== '' ? '~' : uploadIdMarker}`,
        )
        const behind = all.filter(
          (upload) => upload.key.startsWith(prefix) && Buffer.compare(bytes(upload), from) > 0,
        )
        const uploads = behind.slice(0, storePage)
        const last = uploads.at(-1)
        return {
          uploads,
          commonPrefixes: [],
          isTruncated: behind.length > storePage,
          nextKeyMarker: last?.key ?? '',
          nextUploadIdMarker: last?.uploadId ?? '',
        }
      }
      const seen: string[] = []
      let from = { keyMarker: '', uploadIdMarker: '' }
      for (let more = true; more; ) {
        const found = await foldUploads({ bucket: 'b', prefix, delimiter: '/', maxUploads, ...from }, page)
        assert.ok(found.uploads.length + found.commonPrefixes.length <= maxUploads)
        seen.push(...found.uploads.map(({ key, uploadId }) => `${key} ${uploadId}`), ...found.commonPrefixes)
        from = { keyMarker: found.nextKeyMarker, uploadIdMarker: found.nextUploadIdMarker }
        more = found.isTruncated
      }
      const names = all
        .filter(({ key }) => key.startsWith(prefix))
        .map(({ key, uploadId }) => {
          const at = key.indexOf('/', prefix.length)
          return at < 0 ? `${key} ${uploadId}` : key.slice(0, at + 1)
        })
      assert.deepEqual(seen.sort(), [...new Set(names)].sort())
    }),
  )
})

it('header values come back as they were, whatever bytes they have, and go out as ASCII', () => {
  const value = fc.string({ unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)) })
  fc.assert(
    fc.property(
      fc.oneof(
        value,
        value.map((text) => `=?UTF-8?B?${text}?=`),
      ),
      (text) => {
        assert.match(encodeValue(text), /^[\x20-\x7e]*$/)
        assert.equal(decodeValue(encodeValue(text)), text)
        assert.equal(decodeValue(encodeValue(encodeValue(text))), encodeValue(text))
      },
    ),
  )
})

it('upload ids that would need encoding are wrapped, and no two become one', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (id) => {
      assert.match(shownUploadId(id), /^[A-Za-z0-9._~-]*$/)
      assert.equal(storedUploadId(shownUploadId(id)), id)
      assert.equal(storedUploadId(shownUploadId(shownUploadId(id))), shownUploadId(id))
    }),
  )
})

describe('names of buckets', () => {
  const names = new BucketNames({
    systemBucket: 'system',
    prefix: 'acme-',
    map: new Map([['photos', 'acme-docs']]),
  })

  it('mean one bucket each, and the system bucket has no other name', () => {
    assert.equal(names.stored('photos'), 'acme-docs')
    assert.equal(names.stored('music'), 'acme-music')
    assert.equal(names.stored('system'), 'system')
    // Another name for what is mapped.
    assert.throws(
      () => names.stored('docs'),
      (error) => isError(error, 'NoSuchBucket'),
    )
    const map =
      (...pairs: [string, string][]) =>
      () =>
        new BucketNames({ systemBucket: 'system', prefix: '', map: new Map(pairs) })
    assert.throws(map(['a', 'x'], ['b', 'x']), TypeError)
    assert.throws(map(['a', 'system']), TypeError)
    assert.throws(map(['system', 'a']), TypeError)
    const behind = new BucketNames({ systemBucket: 'acme-system', prefix: 'acme-', map: new Map() })
    assert.throws(
      () => behind.stored('system'),
      (error) => isError(error, 'NoSuchBucket'),
    )
  })

  it('that are not of this deployment are not shown', () => {
    assert.deepEqual(
      ['acme-docs', 'acme-music', 'other', 'acme-photos', 'system'].map((stored) => names.shown(stored)),
      ['photos', 'music', null, null, 'system'],
    )
    const between = new BucketNames({
      systemBucket: 'system',
      prefix: 'acme-',
      suffix: '-125',
      map: new Map(),
    })
    assert.deepEqual(
      ['acme-125', 'acme--125', 'acme-a-125'].map((stored) => between.shown(stored)),
      [null, null, 'a'],
    )
  })
})

describe('credentials', () => {
  it('are fetched once for all who wait, renewed ahead of their end, and used until it if that fails', async () => {
    let now = 0
    let fetched = 0
    let isDown = false
    const renewed = renewedCredentials(
      async () => {
        fetched++
        if (isDown) throw new Error('no metadata service')
        return { ...credentials, accessKeyId: `AKID${fetched}`, expiration: new Date(now + 3_600_000) }
      },
      () => now,
    )
    const [one, two] = await Promise.all([renewed.get(), renewed.get()])
    assert.deepEqual([one?.accessKeyId, two?.accessKeyId, fetched], ['AKID1', 'AKID1', 1])
    now = 3_400_000
    assert.equal((await renewed.get()).accessKeyId, 'AKID2')
    isDown = true
    now += 3_400_000
    assert.equal((await renewed.get()).accessKeyId, 'AKID2')
    now += 300_000
    await assert.rejects(renewed.get(), (error) => isError(error, 'ServiceUnavailable'))
    isDown = false
    now += 20_000
    assert.equal((await renewed.get()).accessKeyId, `AKID${fetched}`)
    assert.equal(await renewed.renew(), false)
    now += 60_000
    assert.equal(await renewed.renew(), true)
    assert.equal(await fixedCredentials(credentials).renew(), false)
  })
})
