import { SealgateError } from '../errors.ts'
import { readAcl } from './acl-headers.ts'
import type { RequestHeaders } from './headers.ts'

/*
 * Headers that ask for what Sealgate does not do. They are refused before the body is read: to drop one silently would be a lie.
 */

/** Each changes what is written or whether it is: an append, a condition. */
const UNSUPPORTED = ['x-amz-write-offset-bytes', 'x-amz-if-match-']

/** Of writes of objects. */
export function refuseObjectHeaders(headers: RequestHeaders): void {
  for (const name of headers.names()) {
    if (UNSUPPORTED.some((prefix) => name.startsWith(prefix))) throw notImplementedHeader(name)
  }
}

/** Of writes of parts: tags, locks and lists of access belong to the upload. */
export function refusePartHeaders(headers: RequestHeaders): void {
  refuseObjectHeaders(headers)
  readAcl({ forward: new Set() }, headers)
  for (const name of headers.names())
    if (name.startsWith('x-amz-object-lock-')) throw notImplementedHeader(name)
  if ((headers.get('x-amz-tagging') ?? '') !== '') throw notImplementedHeader('x-amz-tagging')
}

/** Of reads. The encryption of an object is no matter of who reads it; S3 refuses the header as well (User Guide, SSE-KMS and SSE-S3). */
export function refuseReadHeaders(headers: RequestHeaders): void {
  for (const name of headers.names()) {
    // A customer's own key is needed, and kept nowhere.
    if (name.startsWith('x-amz-server-side-encryption-customer-')) continue
    if (name.startsWith('x-amz-server-side-encryption')) {
      throw new SealgateError('InvalidArgument', `${name} header is not supported for this operation.`, {
        details: { ArgumentName: name },
      })
    }
  }
}

/** Of CreateBucket. */
export function refuseBucketHeaders(headers: RequestHeaders): void {
  const ownership = headers.get('x-amz-object-ownership')
  if (ownership !== undefined && ownership !== 'BucketOwnerEnforced')
    throw notImplementedHeader('x-amz-object-ownership')
}

export function notImplementedHeader(header: string): SealgateError {
  return new SealgateError(
    'NotImplemented',
    'A header that you provided implies functionality that is not implemented.',
    { details: { Header: header } },
  )
}
