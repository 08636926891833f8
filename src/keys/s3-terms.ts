import { SealgateError } from '../errors.ts'
import { KmsError } from './kms/kms-error.ts'

/** As S3 answers for its own KMS; what passes is 503 with the time to try again. */
export function inS3Terms(error: unknown): unknown {
  if (!(error instanceof KmsError)) return error
  const { fault, message } = error
  const options = { cause: error, reason: `KMS: ${message}` }
  switch (fault) {
    case 'throttled':
    case 'unavailable':
      return new SealgateError(
        'SlowDown',
        'The key service does not answer at the moment. Please try again.',
        {
          ...options,
          headers: { 'retry-after': '5' },
        },
      )
    case 'disabled':
      return new SealgateError('KMS.DisabledException', undefined, options)
    case 'invalid-state':
      return new SealgateError('KMS.KMSInvalidStateException', undefined, options)
    case 'not-found':
      return new SealgateError(
        'KMS.NotFoundException',
        'The KMS key is not there, or its key service is not configured.',
        options,
      )
    case 'key-usage':
      return new SealgateError('KMS.InvalidKeyUsageException', undefined, options)
    case 'denied':
      return new SealgateError(
        'AccessDenied',
        'The gateway is not allowed to use the KMS key of this bucket.',
        options,
      )
    case 'protocol':
      return new SealgateError('ServiceUnavailable', undefined, options)
  }
}
