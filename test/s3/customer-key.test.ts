import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { isError } from '../../src/errors.ts'
import { readCustomerKey } from '../../src/s3/customer-key.ts'
import { RequestHeaders } from '../../src/s3/headers.ts'

const key = randomBytes(32)
const md5 = createHash('md5').update(key).digest('base64')
const SOUND = { algorithm: 'AES256', key: key.toString('base64'), 'key-MD5': md5 }

function read(fields: Record<string, string>, prefix: 'x-amz-' | 'x-amz-copy-source-' = 'x-amz-') {
  const raw = Object.entries(fields).flatMap(([name, value]) => [
    `${prefix}server-side-encryption-customer-${name}`,
    value,
  ])
  return readCustomerKey(new RequestHeaders(raw), prefix)
}

describe('the headers of a customer key', () => {
  it('are read together, for the object and for the source of a copy', () => {
    assert.deepEqual(read(SOUND), { key, md5 })
    assert.deepEqual(read(SOUND, 'x-amz-copy-source-'), { key, md5 })
    assert.equal(read({}), undefined)
  })

  const BAD: readonly (readonly [string, Record<string, string>, RegExp])[] = [
    ['without an algorithm', { key: SOUND.key, 'key-MD5': md5 }, /must provide a valid encryption algorithm/],
    ['without a key', { algorithm: 'AES256', 'key-MD5': md5 }, /must provide an appropriate secret key/],
    ['without an MD5', { algorithm: 'AES256', key: SOUND.key }, /must provide the client calculated MD5/],
    ['of another algorithm', { ...SOUND, algorithm: 'aes256' }, /Supported value: AES256/],
    [
      'of 31 bytes',
      { ...SOUND, key: key.subarray(1).toString('base64') },
      /invalid for the specified algorithm/,
    ],
    ['in another alphabet', { ...SOUND, key: key.toString('hex') }, /invalid for the specified algorithm/],
    [
      'with the MD5 of another',
      { ...SOUND, 'key-MD5': createHash('md5').update('x').digest('base64') },
      /did not match/,
    ],
    ['with a short MD5', { ...SOUND, 'key-MD5': 'AAAA' }, /did not match/],
  ]
  for (const [name, fields, message] of BAD) {
    it(`${name} are refused, and the key is not in the refusal`, () => {
      assert.throws(
        () => read(fields),
        (error) => {
          assert.ok(isError(error, 'InvalidArgument', 'InvalidEncryptionAlgorithmError'), String(error))
          assert.match(error.message, message)
          assert.ok(!JSON.stringify([error.message, error.details]).includes(SOUND.key))
          return true
        },
      )
    })
  }
})
