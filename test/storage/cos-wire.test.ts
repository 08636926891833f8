import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import COS from 'cos-nodejs-sdk-v5'
import fc from 'fast-check'
import { crc64Xz } from '../../src/base/crc-64.ts'
import { isError } from '../../src/errors.ts'
import { CosAddresses } from '../../src/storage/cos/addresses.ts'
import { refusedByS3 } from '../../src/storage/cos/errors.ts'
import { checkKey } from '../../src/storage/cos/keys.ts'
import { signCall } from '../../src/storage/cos/signature.ts'
import { fromCosHeaders, toCosHeaders, toCosQuery } from '../../src/storage/cos/words.ts'
import { storeError } from '../../src/storage/wire/errors.ts'
import { plainBody } from '../../src/storage/wire/upload-body.ts'

const HOST = 'examplebucket-1250000000.cos.ap-beijing.myqcloud.com'

/** Worked examples: of the documentation ("Request Signature", with its public key), and of the official SDK. */
const SIGNATURES = [
  {
    name: 'PUT of the documentation',
    secret: 'BQYIM75p8x0iWVFSIgqEKwFprpRSVHlz',
    time: [1557989151, 1557996351],
    call: {
      method: 'PUT',
      path: '/exampleobject(腾讯云)',
      query: {},
      headers: {
        'content-length': '13',
        'content-md5': 'mQ/fVh815F3k6TAUm8m0eg==',
        'content-type': 'text/plain',
        date: 'Thu, 16 May 2019 06:45:51 GMT',
        host: HOST,
        'x-cos-acl': 'private',
        'x-cos-grant-read': 'uin="100000000011"',
      },
    },
    headerList: 'content-length;content-md5;content-type;date;host;x-cos-acl;x-cos-grant-read',
    parameterList: '',
    signature: '3b8851a11a569213c17ba8fa7dcf2abec6935172',
  },
  {
    name: 'GET of the documentation',
    secret: 'BQYIM75p8x0iWVFSIgqEKwFprpRSVHlz',
    time: [1557989753, 1557996953],
    call: {
      method: 'GET',
      path: '/exampleobject(腾讯云)',
      query: {
        'response-content-type': 'application/octet-stream',
        'response-cache-control': 'max-age=600',
      },
      headers: { date: 'Thu, 16 May 2019 06:55:53 GMT', host: HOST },
    },
    headerList: 'date;host',
    parameterList: 'response-cache-control;response-content-type',
    signature: '01681b8c9d798a678e43b685a9f1bba0f6c0e012',
  },
  {
    name: 'PUT of a part by the SDK',
    secret: 'cosSecretExample0000000000000000',
    time: [1700000000, 1700003600],
    call: {
      method: 'PUT',
      path: '/dir one/照片(1).jpg',
      query: { uploadId: 'abc123', partNumber: '7' },
      headers: {
        host: HOST,
        'content-length': '1048576',
        'x-cos-meta-note': ' a b*c ',
        'x-cos-traffic-limit': '1048576',
      },
    },
    headerList: 'content-length;host;x-cos-meta-note;x-cos-traffic-limit',
    parameterList: 'partnumber;uploadid',
    signature: '2f346e0b77f77e220c46a41d10738da734a7af57',
  },
] as const

describe('the signature of COS', () => {
  for (const { name, secret, time, call, headerList, parameterList, signature } of SIGNATURES)
    it(`is that of the ${name}`, () => {
      const [start, end] = time
      const text = signCall(call, { accessKeyId: 'AKID', secretAccessKey: secret }, { start, end })
      const fields = Object.fromEntries(
        text.split('&').map((field) => field.split(/=(.*)/s).slice(0, 2)),
      ) as Record<string, string>
      assert.deepEqual(fields, {
        'q-sign-algorithm': 'sha1',
        'q-ak': 'AKID',
        'q-sign-time': `${start};${end}`,
        'q-key-time': `${start};${end}`,
        'q-header-list': headerList,
        'q-url-param-list': parameterList,
        'q-signature': signature,
      })
    })
})

describe('the signature of any call', () => {
  it('is that of the official SDK', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((s) => s.isWellFormed())
    const plain = { noNullPrototype: true }
    const parameters = fc.dictionary(fc.stringMatching(/^[a-zA-Z][a-zA-Z-]{0,8}$/), text, plain)
    const metadata = fc.dictionary(
      fc.stringMatching(/^[a-z][a-z-]{0,8}$/),
      fc.stringMatching(/^[ -~]{0,12}$/),
      plain,
    )
    fc.assert(
      fc.property(text, parameters, metadata, (key, query, values) => {
        const names = Object.keys(query).map((name) => name.toLowerCase())
        fc.pre(new Set(names).size === names.length)
        const headers = Object.fromEntries([
          ['host', HOST],
          ...Object.entries(values)
            .filter(([, value]) => value.trim() !== '')
            .map(([suffix, value]) => [`x-cos-meta-${suffix}`, value.trim()]),
        ]) as Record<string, string>
        const keys = { accessKeyId: 'AKID', secretAccessKey: 'secret' }
        const call = { method: 'PUT', path: `/${key}`, query, headers }
        const theirs = COS.getAuthorization({
          ...{ SecretId: 'AKID', SecretKey: 'secret', Method: 'PUT', Pathname: call.path, KeyTime: '1;2' },
          ...{ Query: query, Headers: headers },
        } as never)
        assert.equal(signCall(call, keys, { start: 1, end: 2 }), theirs)
      }),
    )
  })
})

describe('words of COS', () => {
  const source = (text: string) => `there${text}`

  it('stand for those of S3, both ways', () => {
    const headers = toCosHeaders(
      'PUT',
      {
        'content-type': 'text/plain',
        'x-amz-meta-sealgate': 'sealed',
        'x-amz-storage-class': 'STANDARD_IA',
        'x-amz-tagging': 'a=b',
        'x-amz-copy-source': '/bucket/key',
        'x-amz-copy-source-if-match': '"etag"',
        'x-amz-metadata-directive': 'REPLACE',
        'if-none-match': '*',
      },
      source,
    )
    assert.deepEqual(headers, {
      'content-type': 'text/plain',
      'x-cos-meta-sealgate': 'sealed',
      'x-cos-storage-class': 'STANDARD_IA',
      'x-cos-tagging': 'a=b',
      'x-cos-copy-source': 'there/bucket/key',
      'x-cos-copy-source-if-match': '"etag"',
      'x-cos-metadata-directive': 'Replaced',
      'x-cos-forbid-overwrite': 'true',
    })
    assert.deepEqual(fromCosHeaders({ etag: '"e"', 'x-cos-meta-a': '1', 'x-cos-version-id': 'MTg0' }), {
      etag: '"e"',
      'x-amz-meta-a': '1',
      'x-amz-version-id': 'MTg0',
    })
    assert.deepEqual(toCosQuery({ uploadId: 'u', partNumber: 1, versionId: undefined, 'list-type': 2 }), {
      uploadId: 'u',
      partNumber: '1',
    })
  })

  it('a condition of a read stays one, and what COS has no word for is refused', () => {
    assert.deepEqual(toCosHeaders('GET', { 'if-none-match': '"e"' }, source), { 'if-none-match': '"e"' })
    for (const name of [
      'x-amz-object-lock-mode',
      'x-amz-bucket-object-lock-enabled',
      'x-amz-bypass-governance-retention',
      'x-amz-acl',
    ])
      assert.throws(
        () => toCosHeaders('PUT', { [name]: 'x' }, source),
        (error) => isError(error, 'NotImplemented') && error.details['Header'] === name,
      )
  })
})

describe('addresses of COS', () => {
  const options = {
    region: 'ap-beijing',
    regions: new Map([['far-1250000000', 'eu-frankfurt']]),
    domain: null,
    connectTo: null,
  }

  it('name bucket and region, and keep a key as it is', () => {
    const addresses = new CosAddresses(options)
    assert.deepEqual(addresses.target('b-1250000000', 'a/../照 片', { uploads: '', prefix: 'x/y' }), {
      origin: 'https://b-1250000000.cos.ap-beijing.myqcloud.com',
      host: 'b-1250000000.cos.ap-beijing.myqcloud.com',
      path: '/a/../照 片',
      target: '/a/../%E7%85%A7%20%E7%89%87?prefix=x%2Fy&uploads',
    })
    assert.equal(
      addresses.target('far-1250000000', undefined, {}).host,
      'far-1250000000.cos.eu-frankfurt.myqcloud.com',
    )
    assert.equal(addresses.target(undefined, undefined, {}).host, 'cos.ap-beijing.myqcloud.com')
  })

  it('may be on another domain, and connections may go elsewhere', () => {
    const own = new CosAddresses({
      ...options,
      domain: 'http://{bucket}.cos-internal.{region}.tencentcos.cn:8080',
      connectTo: '127.0.0.1:81',
    })
    assert.equal(own.secure, false)
    const { origin, host } = own.target('b-1250000000', 'k', {})
    assert.equal(origin, 'http://127.0.0.1:81')
    assert.equal(host, 'b-1250000000.cos-internal.ap-beijing.tencentcos.cn:8080')
    assert.equal(own.target(undefined, undefined, {}).host, 'cos-internal.ap-beijing.tencentcos.cn:8080')
  })

  it('of the source of a copy are those of COS itself', () => {
    const own = new CosAddresses({ ...options, domain: 'https://{bucket}.files.example.com' })
    assert.equal(
      own.copySource('/far-1250000000/a%20b?versionId=MTg0'),
      'far-1250000000.cos.eu-frankfurt.myqcloud.com/a%20b?versionId=MTg0',
    )
  })
})

describe('what COS refuses', () => {
  const CASES = [
    [{ status: 409, code: 'FileAlreadyExists' }, true, 'PreconditionFailed'],
    [{ status: 409, code: 'ObjectAlreadyExists' }, true, 'PreconditionFailed'],
    // Inside the document of a success.
    [{ status: 200, code: 'FileAlreadyExists' }, true, 'PreconditionFailed'],
    [{ status: 409, code: 'PathConflict' }, true, 'ConditionalRequestConflict'],
    [{ status: 409, code: 'PathConflict' }, false, 'OperationAborted'],
    [{ status: 409, code: 'UploadConflict' }, false, 'SlowDown'],
    [{ status: 400, code: 'KeyTooLong' }, false, 'KeyTooLongError'],
    [{ status: 400, code: 'BadDigest' }, false, 'SlowDown'],
    [{ status: 404, code: 'NoSuchCopySource' }, false, 'NoSuchKey'],
    [{ status: 404, code: '' }, false, 'NoSuchKey'],
    [{ status: 403, code: 'SignatureDoesNotMatch' }, false, 'ServiceUnavailable'],
    [{ status: 403, code: 'AccessDenied' }, false, 'AccessDenied'],
    [{ status: 403, code: 'AccessDenied', message: 'Request has expired' }, false, 'ServiceUnavailable'],
    [{ status: 520, code: '' }, false, 'ServiceUnavailable'],
    [{ status: 503, code: 'SlowDown' }, false, 'SlowDown'],
    [{ status: 503, code: 'KmsFreqControl' }, false, 'SlowDown'],
  ] as const

  for (const [failure, isConditional, kind] of CASES) {
    const { status, code } = failure
    it(`${status} ${code}${isConditional ? ' of a conditional write' : ''} is ${kind}`, () => {
      const sent = isConditional ? { 'x-cos-forbid-overwrite': 'true' } : {}
      const said = refusedByS3({ message: '', region: undefined, ...failure }, sent)
      assert.equal(storeError(said).kind, kind)
    })
  }

  it('are keys that no object there can have', () => {
    for (const key of ['a', 'ä'.repeat(425), 'a//b', 'a\\', '\u0017']) assert.equal(checkKey(key), undefined)
    assert.throws(
      () => checkKey(`${'ä'.repeat(425)}a`),
      (error) => isError(error, 'KeyTooLongError'),
    )
    for (const key of ['/a', '\\a', 'a\u0018b', 'a\u001b'])
      assert.throws(
        () => checkKey(key),
        (error) => isError(error, 'InvalidURI'),
      )
  })
})

describe('a body on its way to COS', () => {
  const send = async (chunks: readonly string[], size: number) => {
    const crc = crc64Xz()
    const body = (async function* () {
      for (const chunk of chunks) yield Buffer.from(chunk)
    })()
    const sent: Uint8Array[] = []
    for await (const chunk of plainBody(body, size, crc)) sent.push(chunk)
    return [Buffer.concat(sent).toString(), crc.digest().readBigUInt64BE().toString()]
  }

  it('goes as it is, and its CRC-64 is that of COS', async () => {
    assert.deepEqual(await send(['[Object', '', ' Content]'], 16), [
      '[Object Content]',
      '16749565679157681890',
    ])
  })

  it('has the length that was announced, or none', async () => {
    const isIncomplete = (error: unknown) => isError(error, 'IncompleteBody')
    await assert.rejects(send(['abc'], 4), isIncomplete)
    await assert.rejects(send(['abc', 'de'], 4), isIncomplete)
  })
})
