import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checksumHeader, createChecksum } from '../../src/base/checksum.ts'
import { CHECKSUM_NAMES } from '../../src/base/checksum-algorithm.ts'
import { RequestHeaders } from '../../src/s3/headers.ts'
import { withPresignedHeaders } from '../../src/s3/presigned.ts'
import { Query } from '../../src/s3/target.ts'

const seen = (query: string, headers: readonly string[] = ['host', 'h']) => {
  const fields = withPresignedHeaders(new RequestHeaders(headers), new Query(query))
  return Object.fromEntries(fields.names().map((name) => [name, fields.all(name).join('|')]))
}

test('x-amz-* parameters of a presigned URL are headers, in any case and as UTF-8', () => {
  assert.deepEqual(
    seen(
      'X-Amz-Meta-Colour=r%C3%B6t&x-amz-acl=private&X-Amz-Server-Side-Encryption=aws%3Akms&x-amz-copy-source=%2Fa%2Fb&x-amz-checksum-mode=ENABLED&x-amz-tagging=',
    ),
    {
      host: 'h',
      'x-amz-meta-colour': Buffer.from('röt').toString('latin1'),
      'x-amz-acl': 'private',
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-copy-source': '/a/b',
      'x-amz-checksum-mode': 'ENABLED',
      'x-amz-tagging': '',
    },
  )
})

test('those of the signature, and parameters of other names, are not', () => {
  const signature =
    'X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Date=c&X-Amz-Expires=1&X-Amz-SignedHeaders=host&X-Amz-Signature=d&X-Amz-Security-Token=e&X-Amz-Content-Sha256=f'
  assert.deepEqual(seen(`${signature}&x-id=PutObject&versionId=null&response-content-type=x`), { host: 'h' })
})

test('a header of the request stands before the parameter of its name', () => {
  assert.deepEqual(seen('x-amz-acl=public-read', ['x-amz-acl', 'private']), { 'x-amz-acl': 'private' })
})

test('a checksum counts, unless it is that of no bytes, which SDKs sign in when they have no body yet', () => {
  for (const algorithm of CHECKSUM_NAMES) {
    const value = (text: string) => {
      const checksum = createChecksum(algorithm)
      checksum.update(Buffer.from(text))
      return checksum.digest().toString('base64')
    }
    const name = checksumHeader(algorithm)
    const parameter = (text: string) => `${name}=${encodeURIComponent(value(text))}`
    assert.deepEqual(seen(`${parameter('')}&x-amz-sdk-checksum-algorithm=${algorithm}`), { host: 'h' })
    assert.deepEqual(seen(parameter('x')), { host: 'h', [name]: value('x') })
  }
})
