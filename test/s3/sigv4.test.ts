import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { check, example, type Request } from './signing.ts'

/** "Examples: Signature Calculations" of the S3 API reference. */
const PUBLISHED: Record<string, Request> = {
  'GET object with a Range': example({
    url: '/test.txt',
    more: [['Range', 'bytes=0-9']],
    signed: 'host;range;x-amz-content-sha256;x-amz-date',
    signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  }),
  'PUT object with a dollar in its key': example({
    method: 'PUT',
    url: '/test$file.text',
    more: [
      ['Date', 'Fri, 24 May 2013 00:00:00 GMT'],
      ['x-amz-storage-class', 'REDUCED_REDUNDANCY'],
    ],
    sha256: '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
    signed: 'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
    signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  }),
  'GET of a sub-resource': example({
    url: '/?lifecycle',
    signed: 'host;x-amz-content-sha256;x-amz-date',
    signature: 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  }),
  'list of objects': example({
    url: '/?max-keys=2&prefix=J',
    signed: 'host;x-amz-content-sha256;x-amz-date',
    signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  }),
}

describe('the published examples of Signature Version 4', () => {
  for (const [title, request] of Object.entries(PUBLISHED)) {
    test(`${title} is accepted`, () => {
      const identity = check(request)
      assert.equal(identity.accessKeyId, 'AKIAIOSFODNN7EXAMPLE')
      assert.equal(identity.presigned, false)
      assert.equal(identity.payload.mode, 'sha256')
    })
  }

  test('presigned URL is accepted', () => {
    const url =
      '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404'
    const identity = check({ method: 'GET', url, headers: [['Host', 'examplebucket.s3.amazonaws.com']] })
    assert.equal(identity.presigned, true)
    assert.equal(identity.payload.mode, 'unsigned')
  })
})
