/** SSE-C headers: Amazon S3 User Guide, "Using server-side encryption with customer-provided keys (SSE-C)". */
import { createHash, timingSafeEqual } from 'node:crypto'
import { SealgateError } from '../errors.ts'
import type { CustomerKey } from '../gateway/encryption.ts'
import type { RequestHeaders } from './headers.ts'

const REQUESTS = 'Requests specifying Server Side Encryption with Customer provided keys must provide'

/**
 * The customer's key of the request, or of the copy source with the prefix `x-amz-copy-source-`; undefined if there is none.
 * @throws SealgateError InvalidArgument or InvalidEncryptionAlgorithmError, never with the key
 */
export function readCustomerKey(
  headers: RequestHeaders,
  prefix: 'x-amz-' | 'x-amz-copy-source-' = 'x-amz-',
): CustomerKey | undefined {
  const name = `${prefix}server-side-encryption-customer-`
  const [algorithm, encoded, md5] = ['algorithm', 'key', 'key-md5'].map((end) => headers.get(`${name}${end}`))
  if (algorithm === undefined && encoded === undefined && md5 === undefined) return undefined
  if (algorithm === undefined) throw invalid(`${name}algorithm`, `${REQUESTS} a valid encryption algorithm.`)
  if (algorithm !== 'AES256') {
    throw new SealgateError(
      'InvalidEncryptionAlgorithmError',
      'The Encryption request you specified is not valid. Supported value: AES256.',
      { details: { ArgumentName: `${name}algorithm`, ArgumentValue: algorithm } },
    )
  }
  if (encoded === undefined) throw invalid(`${name}key`, `${REQUESTS} an appropriate secret key.`)
  if (md5 === undefined)
    throw invalid(`${name}key-MD5`, `${REQUESTS} the client calculated MD5 of the secret key.`)
  const key = Buffer.from(encoded, 'base64')
  if (key.length !== 32 || key.toString('base64') !== encoded)
    throw invalid(`${name}key`, 'The secret key was invalid for the specified algorithm.')
  const [computed, given] = [createHash('md5').update(key).digest(), Buffer.from(md5, 'base64')]
  if (given.length !== computed.length || !timingSafeEqual(given, computed))
    throw invalid(
      `${name}key-MD5`,
      'The calculated MD5 hash of the key did not match the hash that was provided.',
    )
  return { key, md5: computed.toString('base64') }
}

function invalid(header: string, message: string): SealgateError {
  return new SealgateError('InvalidArgument', message, { details: { ArgumentName: header } })
}
