import assert from 'node:assert/strict'
import { it } from 'node:test'
import { FormFields } from '../../src/s3/form/form-fields.ts'
import { authenticateForm } from '../../src/s3/form/form-signature.ts'
import { checkPolicy, parsePolicy } from '../../src/s3/form/post-policy.ts'

/** The example of the API reference ("Browser-Based Upload using HTTP POST"), with its line ends. */
const POLICY = `{ "expiration": "2015-12-30T12:00:00.000Z",
  "conditions": [
    {"bucket": "sigv4examplebucket"},
    ["starts-with", "$key", "user/user1/"],
    {"acl": "public-read"},
    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},
    ["starts-with", "$Content-Type", "image/"],
    {"x-amz-meta-uuid": "14365123651274"},
    {"x-amz-server-side-encryption": "AES256"},
    ["starts-with", "$x-amz-meta-tag", ""],

    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},
    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},
    {"x-amz-date": "20151229T000000Z" }
  ]
}`.replaceAll('\n', '\r\n')

const FORM = [
  ['key', 'user/user1/a.jpg'],
  ['acl', 'public-read'],
  ['success_action_redirect', 'http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html'],
  ['Content-Type', 'image/jpeg'],
  ['x-amz-meta-uuid', '14365123651274'],
  ['x-amz-server-side-encryption', 'AES256'],
  ['X-Amz-Credential', 'AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request'],
  ['X-Amz-Algorithm', 'AWS4-HMAC-SHA256'],
  ['X-Amz-Date', '20151229T000000Z'],
  ['x-amz-meta-tag', ''],
  ['Policy', Buffer.from(POLICY).toString('base64')],
  ['X-Amz-Signature', '8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e'],
] as const

it("Amazon's own example of a form verifies, and its policy allows it", () => {
  const now = Date.parse('2015-12-30T00:00:00Z')
  const fields = new FormFields(FORM.map(([name, value]) => ({ name, value })))
  const { accessKeyId, policy } = authenticateForm(fields, {
    credentials: () => 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    region: 'us-east-1',
    acceptsVersion2: false,
    now: () => now,
  })
  assert.equal(accessKeyId, 'AKIAIOSFODNN7EXAMPLE')
  checkPolicy(parsePolicy(policy), { fields, bucket: 'sigv4examplebucket', now })
})
