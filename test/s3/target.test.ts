import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { RequestHeaders } from '../../src/s3/headers.ts'
import { parseTarget, Query } from '../../src/s3/target.ts'
import { errorOf } from './signing.ts'

const HOST = 'localhost:9000'
const at = (url: string, host: string | undefined = HOST, domains: string[] = []) => {
  const { bucket, key } = parseTarget(url, host, domains)
  return [bucket, key]
}
const refusal = (url: string, host: string | undefined = HOST, domains: string[] = []) =>
  errorOf(() => parseTarget(url, host, domains))?.kind

describe('parseTarget', () => {
  test('tells service, bucket and object apart in path style', () => {
    assert.deepEqual(at('/'), [null, null])
    assert.deepEqual(at('/?x-id=ListBuckets'), [null, null])
    assert.deepEqual(at('/b'), ['b', null])
    assert.deepEqual(at('/b/'), ['b', null])
    assert.deepEqual(at('/b/k?uploads'), ['b', 'k'])
  })

  test('cleans nothing: dots, slashes and backslashes are bytes of the key', () => {
    for (const key of ['a/../b', '../../other/k', './x', 'a//b', '/k', 'k/', 'a\\..\\z', '..', '.'])
      assert.deepEqual(at(`/b/${key}`), ['b', key])
    assert.deepEqual(at('/b/a/%2e%2e/%2E%2E/other/k'), ['b', 'a/../../other/k'])
  })

  test('decodes once, and keeps a plus in the path', () => {
    assert.deepEqual(at('/b/%252e'), ['b', '%2e'])
    assert.deepEqual(at('/b/a+b%20c%2Bd'), ['b', 'a+b c+d'])
    assert.deepEqual(at('/b/%EF%BB%BFx'), ['b', '\ufeffx'])
  })

  test('gives any key back that a client encodes', () => {
    const key = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 60 })
      .filter((k) => k.isWellFormed() && !k.includes('\0'))
    fc.assert(fc.property(key, (k) => assert.deepEqual(at(`/b/${encodeURIComponent(k)}`), ['b', k])))
  })

  test('refuses what is no percent-encoded UTF-8 without NUL', () => {
    for (const url of [
      '/b/%',
      '/b/%2',
      '/b/%zz',
      '/b/%ff',
      '/b/%C0%AF',
      '/b/%ED%A0%80',
      '/b/%00',
      '/b/k?p=%00',
      '/b/k?p=%ff',
      '/b/\u0100',
      'b/k',
      '*',
      '',
    ])
      assert.equal(refusal(url), 'InvalidURI', url)
    assert.equal(refusal('//k'), 'InvalidBucketName')
  })

  test('takes keys of 1024 bytes and refuses one more', () => {
    assert.deepEqual(at(`/b/${'%C3%A9'.repeat(512)}`), ['b', 'é'.repeat(512)])
    assert.equal(refusal(`/b/${'%C3%A9'.repeat(512)}x`), 'KeyTooLongError')
  })

  test('finds the bucket of virtual-host style, without regard to case and port', () => {
    const domains = ['s3.example.com', 'example.com']
    assert.deepEqual(at('/k', 'My.Bucket.S3.example.com:9000', domains), ['my.bucket', 'k'])
    assert.deepEqual(at('/', 'bucket.s3.example.com', domains), ['bucket', null])
    assert.deepEqual(at('/b/k', 's3.example.com', domains), ['b', 'k'])
    assert.deepEqual(at('/b/k', 'nots3.example.org', domains), ['b', 'k'])
    assert.deepEqual(at('/b/k', 'evils3.example.comx', domains), ['b', 'k'])
    assert.deepEqual(at('/b/k', '[::1]:9000', domains), ['b', 'k'])
    assert.equal(refusal('/k', '.s3.example.com', domains), 'InvalidBucketName')
  })

  test('takes an absolute target only for the host of the Host header', () => {
    assert.deepEqual(at('http://localhost:9000/b/k'), ['b', 'k'])
    assert.deepEqual(at('http://localhost:9000?x'), [null, null])
    assert.equal(refusal('http://elsewhere/b/k'), 'InvalidURI')
    assert.equal(errorOf(() => parseTarget('http://localhost:9000/b/k', undefined, []))?.kind, 'InvalidURI')
  })
})

describe('Query', () => {
  test('keeps names and values in order; a plus is a blank', () => {
    const query = new Query('uploads&prefix=a+b%2Bc=d&&empty=')
    assert.deepEqual(query.entries(), [
      ['uploads', ''],
      ['prefix', 'a b+c=d'],
      ['empty', ''],
    ])
    assert.equal(query.get('uploads'), '')
    assert.equal(query.get('constructor'), undefined)
    assert.equal(query.has('prefix'), true)
  })

  test('refuses to choose between two values, and too many parameters', () => {
    assert.equal(errorOf(() => new Query('a=1&a=2').get('a'))?.kind, 'InvalidArgument')
    assert.equal(errorOf(() => new Query('a&'.repeat(129)))?.kind, 'InvalidArgument')
  })
})

describe('RequestHeaders', () => {
  test('finds names in any case, trims blanks and keeps other bytes', () => {
    const headers = new RequestHeaders(['X-Amz-Meta-A', ' \t\u00a0x \t', '__proto__', 'y'])
    assert.equal(headers.get('x-amz-meta-a'), '\u00a0x')
    assert.deepEqual(headers.names(), ['x-amz-meta-a', '__proto__'])
    assert.equal(headers.get('host'), undefined)
  })

  test('joins lists and refuses to choose between two values of anything else', () => {
    const headers = new RequestHeaders(['If-Match', 'a', 'if-match', 'b', 'Host', 'a', 'host', 'b'])
    assert.equal(headers.get('if-match'), 'a, b')
    assert.deepEqual(headers.all('host'), ['a', 'b'])
    assert.equal(errorOf(() => headers.get('host'))?.kind, 'InvalidRequest')
  })

  test('reads a field once, whatever is in it', { timeout: 60_000 }, () => {
    const value = `a${' '.repeat(5_000_000)}a`
    assert.equal(errorOf(() => new RequestHeaders(['a', value]))?.kind, 'RequestHeaderSectionTooLarge')
  })

  test('refuses too many or too long fields', () => {
    const many = Array.from({ length: 501 }, (_, i) => [`h${i}`, '']).flat()
    assert.equal(errorOf(() => new RequestHeaders(many))?.kind, 'RequestHeaderSectionTooLarge')
    assert.equal(
      errorOf(() => new RequestHeaders(['a', 'x'.repeat(65_537)]))?.kind,
      'RequestHeaderSectionTooLarge',
    )
  })
})
