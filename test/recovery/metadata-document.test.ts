/** What tools print of an object's metadata, as they print it: the hash of the envelope must come out of one of the readings. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { metadataHash } from '../../src/envelope/index.ts'
import { parseMetadataDocument } from '../../src/recovery/metadata-document.ts'
import { RecoveryError } from '../../src/recovery/recovery-error.ts'

/** What lies in the store: values are bytes, here `grün` in UTF-8. */
const HEADERS = {
  'content-type': 'text/plain; charset=utf-8',
  'cache-control': 'max-age=1',
  'content-language': 'de',
  expires: 'Tue, 01 Jan 2030 00:00:00 GMT',
  'x-amz-website-redirect-location': '/x',
}
const METADATA = { colour: 'grÃ¼n', empty: '', mtime: '1580702706.1234' }
const ENVELOPE = 'AQEB-_x'

function reads(
  document: unknown,
  { headers = HEADERS, metadata = METADATA }: { headers?: object; metadata?: object } = {},
  key?: string,
) {
  const text = typeof document === 'string' ? document : JSON.stringify(document)
  const parsed = parseMetadataDocument(text, 'head.json', key)
  assert.equal(parsed.envelope, ENVELOPE)
  const wanted = metadataHash({ ...headers }, { ...metadata })
  const fits = parsed.attributes.some((given) => metadataHash(given.headers, given.metadata).equals(wanted))
  assert.ok(fits, JSON.stringify(parsed.attributes))
  return parsed
}

const AWS = {
  AcceptRanges: 'bytes',
  LastModified: '2026-11-24T20:01:05+00:00',
  ContentLength: 374,
  ETag: '"71091c13a133e08d274b70d0e9026581"',
  CacheControl: 'max-age=1',
  ContentLanguage: 'de',
  ContentType: 'text/plain; charset=utf-8',
  Expires: '2030-01-01T00:00:00+00:00',
  ExpiresString: 'Tue, 01 Jan 2030 00:00:00 GMT',
  WebsiteRedirectLocation: '/x',
  Metadata: { ...METADATA, sealgate: ENVELOPE },
}

describe('a document of metadata', () => {
  it('may be that of aws s3api head-object, with expires as a time and as it came', () => {
    assert.equal(reads(AWS).size, 374)
    const { ExpiresString: text, ...older } = AWS
    reads({ ...older, Expires: text })
    // A store that takes an underscore for a hyphen has such a name encoded.
    reads(
      { ...AWS, Metadata: { ...AWS.Metadata, 'sealgate-n-a-ub--c': '1' } },
      { metadata: { ...METADATA, 'a_b-c': '1' } },
    )
    // boto3 gives names as the store has them.
    reads({ ...AWS, Metadata: { ...METADATA, Sealgate: ENVELOPE } })
  })

  it('may be that of rclone lsjson, which shows values as text and its own times in another form', () => {
    const entry = {
      Path: 'r.txt',
      Name: 'r.txt',
      Size: 374,
      MimeType: 'text/plain; charset=utf-8',
      ModTime: '2020-02-03T04:05:06.123400000Z',
      IsDir: false,
      Metadata: {
        btime: '2026-11-24T20:01:21.153Z',
        'cache-control': 'max-age=1',
        'content-language': 'de',
        'content-type': 'text/plain; charset=utf-8',
        colour: 'grün',
        empty: '',
        mtime: '2020-02-03T05:05:06.1234+01:00',
        sealgate: ENVELOPE,
      },
    }
    const { expires: _, 'x-amz-website-redirect-location': __, ...headers } = HEADERS
    assert.equal(reads(entry, { headers }).size, 374)
    reads([entry], { headers })
    reads([{ ...entry, Path: 'other' }, entry], { headers }, 'a/b/r.txt')
    for (const key of [undefined, 'x', 'xr.txt'])
      assert.throws(
        () => parseMetadataDocument(JSON.stringify([entry, entry, AWS]), 'list', key),
        /lists 3 objects/,
      )
    const whole = { ...entry, Metadata: { ...entry.Metadata, mtime: '2020-02-03T04:05:06Z' } }
    reads(whole, { headers, metadata: { ...METADATA, mtime: '1580702706' } })
  })

  it('may be that of mc stat, a map with names of HTTP, or a plain map', () => {
    const http = {
      ...HEADERS,
      ...Object.fromEntries(Object.entries(METADATA).map(([name, value]) => [`X-Amz-Meta-${name}`, value])),
      'X-Amz-Meta-Sealgate': ENVELOPE,
      ETag: '"x"',
      Server: 'a store',
    }
    reads(http)
    assert.equal(reads({ status: 'success', size: 374, metadata: http }).size, 374)
    reads({ ...HEADERS, ...METADATA, sealgate: ENVELOPE })
    reads({ headers: HEADERS, metadata: { ...METADATA, sealgate: ENVELOPE } })
  })

  it('may be the headers of an answer, of S3 or COS', () => {
    for (const prefix of ['x-amz-meta-', 'x-cos-meta-']) {
      const lines = [
        'HTTP/1.1 200 OK',
        ...Object.entries(HEADERS).map(([name, value]) => `${name}:  ${value} `),
        ...Object.entries(METADATA).map(([name, value]) => `${prefix}${name}: ${value}`),
        `${prefix}Sealgate: ${ENVELOPE}`,
        'Content-Length: 374',
        'Server: a store',
      ]
      assert.equal(reads(`${lines.join('\r\n')}\r\n\r\n`).size, 374)
    }
  })

  it('must hold an envelope, and be one of these', () => {
    const refused: readonly (readonly [string, RegExp])[] = [
      [JSON.stringify({ ...AWS, Metadata: METADATA }), /Ask the store itself/],
      ['HTTP/1.1 404 Not Found\r\n\r\n', /no metadata entry sealgate/],
      ['', /no metadata entry sealgate/],
      ['{"Metadata": {"sealgate": ', /not valid JSON/],
      ['[1]', /no JSON object/],
      ['[]', /lists 0 objects/],
      [JSON.stringify({ sealgate: 5 }), /no metadata entry sealgate/],
    ]
    for (const [text, message] of refused)
      assert.throws(
        () => parseMetadataDocument(text, 'head.json'),
        (error) =>
          error instanceof RecoveryError &&
          message.test(error.message) &&
          error.message.startsWith('head.json'),
        text,
      )
  })
})
