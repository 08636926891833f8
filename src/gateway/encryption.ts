import { SealgateError } from '../errors.ts'
import type { Gateway } from './gateway.ts'

/** What a client asked of server-side encryption; the gateway encrypts in any case, with the bucket's own CMK. */
export interface EncryptionRequest {
  readonly algorithm?: string | undefined
  readonly keyId?: string | undefined
}

/** Said on every answer about an object: SSE-KMS, which also tells clients that ETags are not MD5. */
export interface EncryptionAnswer {
  readonly cmkId: string
}

export function checkEncryptionRequest(
  gateway: Gateway,
  bucket: string,
  request: EncryptionRequest | undefined,
): void {
  if (request?.algorithm !== undefined && request.algorithm !== 'AES256' && request.algorithm !== 'aws:kms') {
    throw new SealgateError('InvalidEncryptionAlgorithmError', undefined, {
      details: { ArgumentName: 'x-amz-server-side-encryption', ArgumentValue: request.algorithm },
    })
  }
  if (request?.keyId !== undefined && !gateway.keys.meansCmk(bucket, request.keyId)) {
    throw new SealgateError('KMS.NotFoundException')
  }
}
