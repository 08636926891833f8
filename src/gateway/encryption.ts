import { SealgateError } from '../errors.ts'
import type { Gateway } from './gateway.ts'

/** What a client asked of server-side encryption; the gateway encrypts in any case, with the bucket's own CMK unless the client brings a key. */
export interface EncryptionRequest {
  readonly algorithm?: string | undefined
  readonly keyId?: string | undefined
  readonly customerKey?: CustomerKey | undefined
}

/**
 * SSE-C: the customer's own key, which seals the object's key in the place of a DEK. It is used for this request and kept nowhere (Amazon S3 User
 * Guide, "Using server-side encryption with customer-provided keys").
 */
export interface CustomerKey {
  /** 32 bytes. */
  readonly key: Buffer
  /** Base64 of its MD5, as the client sent it and is told again. */
  readonly md5: string
}

/**
 * Said on every answer about an object: SSE-KMS, or SSE-C for the key that the request brought. Either also tells clients that ETags are not
 * MD5. Of an object that nobody sealed nothing is claimed.
 */
export type EncryptionAnswer =
  | { readonly cmkId: string }
  | { readonly customerKeyMd5: string }
  | { readonly plaintext: true }

export function checkEncryptionRequest(
  gateway: Gateway,
  bucket: string,
  request: EncryptionRequest | undefined,
): void {
  if (request?.algorithm !== undefined && request.algorithm !== 'AES256' && request.algorithm !== 'aws:kms') {
    throw new SealgateError('InvalidArgument', 'The encryption method specified is not supported', {
      details: { ArgumentName: 'x-amz-server-side-encryption', ArgumentValue: request.algorithm },
    })
  }
  if (request?.keyId !== undefined && request.algorithm !== 'aws:kms') {
    throw new SealgateError(
      'InvalidArgument',
      'A KMS key id requires the header x-amz-server-side-encryption: aws:kms.',
      { details: { ArgumentName: 'x-amz-server-side-encryption-aws-kms-key-id' } },
    )
  }
  if (request?.keyId !== undefined && !gateway.keys.meansCmk(bucket, request.keyId)) {
    throw new SealgateError('KMS.NotFoundException')
  }
  if (request?.customerKey !== undefined && (request.algorithm ?? request.keyId) !== undefined) {
    throw new SealgateError(
      'InvalidArgument',
      'Server Side Encryption with Customer provided key is incompatible with the encryption method specified',
      { details: { ArgumentName: 'x-amz-server-side-encryption' } },
    )
  }
}
