import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ErrorKind } from '../../src/errors.ts'
import {
  ACCESS_KEY_ID,
  check,
  EMPTY,
  errorOf,
  example,
  NOW,
  type Options,
  type Request,
  SECRET,
} from './signing.ts'

const MINUTE = 60_000
const SIGNED = 'host;x-amz-content-sha256;x-amz-date'
const list = (): Request =>
  example({
    url: '/?max-keys=2&prefix=J',
    signed: SIGNED,
    signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  })
const PRESIGNED =
  '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404'
const presigned = (url = PRESIGNED): Request => ({
  method: 'GET',
  url,
  headers: [['Host', 'examplebucket.s3.amazonaws.com']],
})

function set(request: Request, name: string, change: (value: string) => string): Request {
  const headers = request.headers.map(([n, v]) => [n, n === name ? change(v) : v] as [string, string])
  return { ...request, headers }
}

function without(request: Request, name: string): Request {
  return { ...request, headers: request.headers.filter(([n]) => n !== name) }
}

function withHeader(request: Request, name: string, value: string): Request {
  return { ...request, headers: [...request.headers, [name, value]] }
}

function refused(request: Request, kind: ErrorKind, options: Options = {}) {
  const error = errorOf(() => check(request, options))
  assert.equal(error?.kind, kind, error?.message ?? 'it was accepted')
  return error
}

const authorization = (change: (value: string) => string) => set(list(), 'Authorization', change)

describe('a valid signature with one thing changed', () => {
  const changed: Record<string, Request> = {
    'the method': { ...list(), method: 'PUT' },
    'the path': { ...list(), url: '/x?max-keys=2&prefix=J' },
    'a parameter': { ...list(), url: '/?max-keys=3&prefix=J' },
    'a parameter more': { ...list(), url: '/?delete&max-keys=2&prefix=J' },
    'a parameter less': { ...list(), url: '/?max-keys=2' },
    'the host': set(list(), 'Host', () => 'other.s3.amazonaws.com'),
    'the time': set(list(), 'x-amz-date', () => '20130524T000001Z'),
    'the hash of the body': set(list(), 'x-amz-content-sha256', () => 'UNSIGNED-PAYLOAD'),
    'the signature': authorization((v) => v.replace('34b4', '34b5')),
    'the signature in upper case': authorization((v) =>
      v.replace(/Signature=.*/, (s) => s.replace(/b/g, 'B')),
    ),
    'a signature that is no hex': authorization((v) => v.replace(/Signature=.*/, 'Signature=x')),
    'a shorter signature': authorization((v) => v.slice(0, -2)),
    'the region': authorization((v) => v.replace('us-east-1', 'eu-west-1')),
    'the order of signed headers': authorization((v) =>
      v.replace(SIGNED, 'x-amz-date;host;x-amz-content-sha256'),
    ),
  }
  for (const [what, request] of Object.entries(changed))
    test(`${what}: SignatureDoesNotMatch`, () => void refused(request, 'SignatureDoesNotMatch'))

  test('tells what was signed as AWS does, and no secret', () => {
    const error = refused({ ...list(), url: '/?prefix=J' }, 'SignatureDoesNotMatch')
    assert.match(
      error?.details['StringToSign'] ?? '',
      /^AWS4-HMAC-SHA256\n20130524T000000Z\n20130524\/us-east-1\/s3\/aws4_request\n[0-9a-f]{64}$/,
    )
    assert.match(error?.details['CanonicalRequest'] ?? '', /^GET\n\/\nprefix=J\nhost:examplebucket/)
    assert.equal(error?.details['AWSAccessKeyId'], ACCESS_KEY_ID)
    assert.ok(!JSON.stringify(error).includes(SECRET))
  })

  test('a key or a token of a presigned URL is not told, in whatever letters', () => {
    const fields = [
      'x-amz-server-side-encryption-customer-key',
      'X-Amz-Copy-Source-Server-Side-Encryption-Customer-Key',
    ]
    for (const name of [...fields, 'X-Amz-Security-Token']) {
      const { url, ...others } = presigned()
      const error = refused({ ...others, url: `${url}&${name}=of-the-customer` }, 'SignatureDoesNotMatch')
      assert.match(error?.details['CanonicalRequest'] ?? '', new RegExp(`${name}=\\*\\*\\*(&|\n)`))
      assert.ok(!JSON.stringify(error).includes('of-the-customer'))
    }
  })

  test('an unknown key: InvalidAccessKeyId', () =>
    void refused(
      authorization((v) => v.replace('AKIA', 'AKIB')),
      'InvalidAccessKeyId',
    ))

  test('a blank more or less between the fields of Authorization changes nothing', () => {
    assert.equal(check(authorization((v) => v.replaceAll(',', ', '))).accessKeyId, ACCESS_KEY_ID)
  })
})

describe('headers that were not signed', () => {
  test('any x-amz-* header: AccessDenied with its name', () => {
    const error = refused(withHeader(list(), 'x-amz-copy-source', '/other/secret'), 'AccessDenied')
    assert.equal(error?.details['HeadersNotSigned'], 'x-amz-copy-source')
  })

  test('a presigned URL with an x-amz-* header added: AccessDenied', () => {
    for (const name of ['x-amz-copy-source', 'x-amz-meta-a', 'X-Amz-Acl'])
      refused(withHeader(presigned(), name, 'x'), 'AccessDenied')
  })

  test('the host: AccessDenied', () => {
    const error = refused(
      authorization((v) => v.replace('host;', '')),
      'AccessDenied',
    )
    assert.equal(error?.details['HeadersNotSigned'], 'host')
  })

  test('others may be unsigned', () => {
    assert.equal(check(withHeader(list(), 'User-Agent', 'x')).presigned, false)
  })

  test('a header that was signed and sent twice is no longer the one that was signed', () => {
    assert.ok(errorOf(() => check(withHeader(list(), 'x-amz-date', '20130524T000000Z'))) !== undefined)
    assert.ok(errorOf(() => check(withHeader(list(), 'Host', 'other'))) !== undefined)
  })
})

describe('time', () => {
  test('up to 15 minutes of skew either way, and not a millisecond more', () => {
    for (const sign of [-1, 1]) {
      check(list(), { now: NOW + sign * 15 * MINUTE })
      refused(list(), 'RequestTimeTooSkewed', { now: NOW + sign * (15 * MINUTE + 1) })
    }
  })

  test('no date, or one that is none: AccessDenied', () => {
    refused(without(list(), 'x-amz-date'), 'AccessDenied')
    for (const date of ['20130231T000000Z', '2013-05-24T00:00:00Z', 'yesterday', ''])
      refused(
        set(list(), 'x-amz-date', () => date),
        'AccessDenied',
      )
  })

  test('a presigned URL lives as long as it says, and from 15 minutes before', () => {
    check(presigned(), { now: NOW + 86_400_000 })
    assert.equal(
      refused(presigned(), 'AccessDenied', { now: NOW + 86_400_001 })?.message,
      'Request has expired',
    )
    refused(presigned(PRESIGNED.replace('Expires=86400', 'Expires=0')), 'AccessDenied', { now: NOW + 1 })
    check(presigned(), { now: NOW - 15 * MINUTE })
    refused(presigned(), 'AccessDenied', { now: NOW - 15 * MINUTE - 1 })
  })
})

describe('scope', () => {
  test('another region than the configured one: AuthorizationHeaderMalformed with the right one', () => {
    const error = refused(list(), 'AuthorizationHeaderMalformed', { region: 'eu-west-1' })
    assert.equal(error?.details['Region'], 'eu-west-1')
    check(list(), { region: 'us-east-1' })
    refused(presigned(), 'AuthorizationQueryParametersError', { region: 'eu-west-1' })
  })

  test('another service, terminator or date, or no scope: AuthorizationHeaderMalformed', () => {
    for (const [from, to] of [
      ['/s3/', '/sts/'],
      ['aws4_request', 'aws5_request'],
      ['20130524/', '20130523/'],
      ['/us-east-1', ''],
      ['us-east-1', 'a!b'],
      [`${ACCESS_KEY_ID}/`, '/'],
    ] as const)
      refused(
        authorization((v) => v.replace(from, to)),
        'AuthorizationHeaderMalformed',
      )
  })

  test('a field of Authorization that is missing, unknown or sent twice: AuthorizationHeaderMalformed', () => {
    for (const change of [
      (v: string) => v.replace(/,Signature=.*/, ''),
      (v: string) => v.replace(/SignedHeaders=[^,]*,/, ''),
      (v: string) => v.replace('Credential=', 'Credentials='),
      (v: string) => `${v},Signature=00`,
      (v: string) => v.replace('host;', 'host;host;'),
      (v: string) => v.replace('host;', 'Host;'),
    ])
      refused(authorization(change), 'AuthorizationHeaderMalformed')
  })
})

describe('other ways to authenticate', () => {
  test('none at all: AccessDenied', () => void refused(without(list(), 'Authorization'), 'AccessDenied'))

  test('Signature Version 2: InvalidRequest in the words of AWS, and what to do', () => {
    const words =
      'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256 (signature_version = s3v4 in boto3 and aws-cli).'
    assert.equal(
      refused(
        authorization(() => 'AWS AKIA:abc='),
        'InvalidRequest',
      )?.message,
      words,
    )
    const url = '/k?AWSAccessKeyId=AKIA&Expires=1&Signature=abc'
    assert.equal(refused(presigned(url), 'InvalidRequest')?.message, words)
  })

  test('Signature Version 4A: NotImplemented', () => {
    refused(
      authorization((v) => v.replace('HMAC-SHA256', 'ECDSA-P256-SHA256')),
      'NotImplemented',
    )
    refused(presigned(PRESIGNED.replace('HMAC-SHA256', 'ECDSA-P256-SHA256')), 'NotImplemented')
  })

  test('another scheme, or header and query at once: InvalidArgument', () => {
    refused(
      authorization(() => 'Bearer abc'),
      'InvalidArgument',
    )
    refused({ ...list(), url: PRESIGNED }, 'InvalidArgument')
  })
})

describe('the hash of the body', () => {
  test('missing: InvalidRequest; neither hash nor a known word: InvalidArgument or no match, never accepted', () => {
    assert.match(
      refused(without(list(), 'x-amz-content-sha256'), 'InvalidRequest')?.message ?? '',
      /x-amz-content-sha256$/,
    )
    for (const value of ['', 'x', EMPTY.slice(1), 'STREAMING-'])
      assert.ok(errorOf(() => check(set(list(), 'x-amz-content-sha256', () => value))) !== undefined)
  })
})

describe('presigned URLs', () => {
  const changed: Record<string, [string, ErrorKind]> = {
    'a longer life': [PRESIGNED.replace('Expires=86400', 'Expires=86401'), 'SignatureDoesNotMatch'],
    'more than a week': [
      PRESIGNED.replace('Expires=86400', 'Expires=604801'),
      'AuthorizationQueryParametersError',
    ],
    'no life': [PRESIGNED.replace('Expires=86400', 'Expires=-1'), 'AuthorizationQueryParametersError'],
    'a life that is no number': [
      PRESIGNED.replace('Expires=86400', 'Expires=1e3'),
      'AuthorizationQueryParametersError',
    ],
    'no life said': [PRESIGNED.replace('&X-Amz-Expires=86400', ''), 'AuthorizationQueryParametersError'],
    'no signature': [PRESIGNED.replace(/&X-Amz-Signature=.*/, ''), 'AuthorizationQueryParametersError'],
    'another key': [PRESIGNED.replace('test.txt', 'best.txt'), 'SignatureDoesNotMatch'],
    'a parameter more': [`${PRESIGNED}&versionId=1`, 'SignatureDoesNotMatch'],
    'two signatures': [`${PRESIGNED}&X-Amz-Signature=00`, 'InvalidArgument'],
    'another algorithm': [
      PRESIGNED.replace('AWS4-HMAC-SHA256', 'AWS4-HMAC-SHA1'),
      'AuthorizationQueryParametersError',
    ],
    'a date that is none': [
      PRESIGNED.replace('Date=20130524T', 'Date=20130544T'),
      'AuthorizationQueryParametersError',
    ],
  }
  for (const [what, [url, kind]] of Object.entries(changed))
    test(`${what}: ${kind}`, () => void refused(presigned(url), kind))

  test('another method: SignatureDoesNotMatch', () =>
    void refused({ ...presigned(), method: 'PUT' }, 'SignatureDoesNotMatch'))

  test('an x-amz-content-sha256 header that was not signed for: SignatureDoesNotMatch', () =>
    void refused(withHeader(presigned(), 'x-amz-content-sha256', EMPTY), 'SignatureDoesNotMatch'))
})
