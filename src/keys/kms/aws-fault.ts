import { saidCode } from '../../base/said-code.ts'
import { WrappedKeyError } from './kms.ts'
import { KmsError, type KmsFault, NOT_SAID, saidText } from './kms-error.ts'

/** Names of the service's exceptions ("AWS KMS API reference", errors of the actions and common errors), of STS's and of the SDK's. */
const FAULTS: Readonly<Record<KmsFault, readonly string[]>> = {
  throttled: ['ThrottlingException', 'Throttling', 'TooManyRequestsException', 'LimitExceededException'],
  unavailable: [
    'DependencyTimeoutException',
    'InternalFailure',
    'KeyUnavailableException',
    'KMSInternalException',
    'RequestTimeout',
    'ServiceUnavailable',
    'ServiceUnavailableException',
  ],
  denied: [
    'AccessDenied',
    'AccessDeniedException',
    'ExpiredToken',
    'ExpiredTokenException',
    'IncompleteSignature',
    'InvalidClientTokenId',
    'InvalidIdentityToken',
    'InvalidSignatureException',
    'MissingAuthenticationToken',
    'NotAuthorized',
    'OptInRequired',
    'RequestExpired',
    'UnrecognizedClientException',
  ],
  disabled: ['DisabledException'],
  'invalid-state': ['KMSInvalidStateException', 'CustomKeyStoreInvalidStateException'],
  'key-usage': ['InvalidKeyUsageException', 'UnsupportedOperationException'],
  'not-found': ['NotFoundException', 'InvalidArnException', 'InvalidAliasNameException'],
  protocol: [],
}
const BY_NAME = new Map(
  Object.entries(FAULTS).flatMap(([fault, names]) => names.map((name) => [name, fault as KmsFault])),
)
/** Also `IncorrectKeyException`: it is a blob of another CMK than the one that was named. */
const NOT_OURS = ['InvalidCiphertextException', 'IncorrectKeyException']
/** How a blob of a CMK that is not there, or not ours to use, is told from a call that is not permitted: by the message alone. */
const FOREIGN = /^The ciphertext refers to/
const NO_CREDENTIALS = ['CredentialsProviderError', 'TokenProviderError']

interface SdkError {
  readonly name?: string
  readonly message?: string
  /** Of the system, such as ECONNRESET; of a signal, a number. */
  readonly code?: string | number
  readonly $metadata?: { readonly httpStatusCode?: number }
  readonly $response?: { readonly statusCode?: number }
}

export interface AwsCall {
  /** There were credentials once. */
  readonly hadCredentials: boolean
  /** The request held a key in the clear. */
  readonly holdsKey: boolean
}

/** What the SDK threw, in terms that all key services share. */
export function awsFault(error: unknown, { hadCredentials, holdsKey }: AwsCall): Error {
  if (error instanceof KmsError || error instanceof WrappedKeyError) return error
  const { name = '', message = '', code, $metadata, $response } = error as SdkError
  if (NOT_OURS.includes(name) || (name === 'AccessDeniedException' && FOREIGN.test(message)))
    return new WrappedKeyError('the KMS says that it did not wrap this under this context')
  const known = BY_NAME.get(name)
  if (known !== undefined) return new KmsError(known, name, holdsKey ? NOT_SAID : saidText(message))
  if (NO_CREDENTIALS.includes(name))
    return new KmsError(hadCredentials ? 'unavailable' : 'denied', 'NoCredentials', saidText(message))
  // A connection that was not to be had, or that ended before the answer did.
  if (typeof code === 'string' && /^E[A-Z_]+$/.test(code))
    return new KmsError('unavailable', 'ConnectionFailed', `AWS KMS did not answer (${code})`)
  // Not HTTP: Node's error holds all that came, and that may be a key.
  if (typeof code === 'string' && code.startsWith('HPE_'))
    return new KmsError('unavailable', 'ConnectionFailed', `AWS KMS did not answer in HTTP (${code})`)
  if (name === 'TimeoutError' || name === 'AbortError')
    return new KmsError('unavailable', 'Timeout', 'AWS KMS did not answer')
  const status = $metadata?.httpStatusCode ?? $response?.statusCode
  if (status === 429) return new KmsError('throttled', 'HTTP 429', 'AWS KMS asks for fewer calls')
  if (status !== undefined && status >= 500)
    return new KmsError('unavailable', `HTTP ${status}`, 'AWS KMS failed')
  // Neither the service nor the SDK's reading of its answer: a mistake in this program.
  if (status === undefined && error instanceof Error) return error
  return new KmsError('protocol', saidCode(name), 'the answer is no answer of AWS KMS')
}
