import { childText, readXml } from '../../base/xml-reader.ts'
import { type ErrorKind, isError, SealgateError } from '../../errors.ts'
import { MAX_VERSION_ID_LENGTH } from '../versioning.ts'
import type { StoreCall } from './call.ts'

/** The exchange broke. `sent` is false if the server cannot have seen anything of it. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError'
  readonly sent: boolean
  constructor(message: string, sent: boolean, cause?: unknown) {
    super(message, { cause })
    this.sent = sent
  }
}

export function unreachable(error: ConnectionError): SealgateError {
  return new SealgateError('ServiceUnavailable', undefined, {
    cause: error,
    reason: `the store cannot be reached: ${error.message}`,
    headers: { 'retry-after': '1' },
  })
}

/** The store refuses the gateway itself, or what answers there is none: a later try fares no better until somebody changes something. */
export class StoreRefusal extends SealgateError {
  constructor(reason: string) {
    super('ServiceUnavailable', undefined, { reason, headers: { 'retry-after': '1' } })
  }
}

/** What a store answered instead of success. */
export interface StoreFailure {
  readonly status: number
  /** Empty if there was no document, as on HEAD. */
  readonly code: string
  readonly message: string
  /** Where the bucket is, if the answer says so. */
  readonly region: string | undefined
  /** The answer's headers, where they were there to be read. */
  readonly headers?: Readonly<Record<string, string>>
}

/** Codes whose meaning is the same for the client. */
const SAME: readonly ErrorKind[] = [
  'BucketAlreadyExists',
  'BucketAlreadyOwnedByYou',
  'BucketNotEmpty',
  'ConditionalRequestConflict',
  'EntityTooLarge',
  'EntityTooSmall',
  'InvalidBucketState',
  'InvalidObjectState',
  'InvalidPart',
  'InvalidPartOrder',
  'InvalidRange',
  'InvalidStorageClass',
  'InvalidTag',
  'KeyTooLongError',
  'MalformedPolicy',
  'MetadataTooLarge',
  'MethodNotAllowed',
  'NoSuchBucket',
  'NoSuchBucketPolicy',
  'NoSuchConfiguration',
  'NoSuchCORSConfiguration',
  'NoSuchKey',
  'NoSuchLifecycleConfiguration',
  'NoSuchObjectLockConfiguration',
  'NoSuchPublicAccessBlockConfiguration',
  'NoSuchTagSet',
  'NoSuchUpload',
  'NoSuchVersion',
  'NoSuchWebsiteConfiguration',
  'NotImplemented',
  'ObjectLockConfigurationNotFoundError',
  'OperationAborted',
  'OwnershipControlsNotFoundError',
  'PreconditionFailed',
  'ReplicationConfigurationNotFoundError',
  'SlowDown',
  'UnresolvableGrantByEmailAddress',
]

const ALIASES: Readonly<Record<string, ErrorKind>> = {
  // What was sent did not arrive as it was sent.
  BadDigest: 'SlowDown',
  // Of servers that keep objects in directories.
  DirectoryObjectContainsData: 'InvalidURI',
  ExistingObjectIsDirectory: 'InvalidURI',
  IncompleteBody: 'SlowDown',
  // A bucket that cannot have that name is not there.
  InvalidBucketName: 'NoSuchBucket',
  InvalidPartNumber: 'InvalidPart',
  InvalidRetentionPeriod: 'InvalidArgument',
  NoSuchReplicationConfiguration: 'ReplicationConfigurationNotFoundError',
  NoSuchTagSetError: 'NoSuchTagSet',
  // Of the source of a copy that is archived.
  ObjectNotInActiveTierError: 'InvalidObjectState',
  ObjectParentIsFile: 'InvalidURI',
  RequestTimeout: 'SlowDown',
  ServiceUnavailable: 'SlowDown',
  ThrottlingException: 'SlowDown',
  TooManyRequests: 'SlowDown',
  XAmzContentChecksumMismatch: 'SlowDown',
  XAmzContentSHA256Mismatch: 'SlowDown',
  XMinioInvalidObjectName: 'InvalidURI',
  XMinioInvalidResourceName: 'InvalidURI',
  XMinioObjectExistsAsDirectory: 'InvalidURI',
  XMinioObjectNameTooLong: 'KeyTooLongError',
  XMinioStorageFull: 'ServiceUnavailable',
}

/** These speak of the gateway's own credentials, never of the client's. */
const REFUSED: readonly string[] = [
  'AccessDenied',
  'AccountProblem',
  'AllAccessDisabled',
  'ExpiredToken',
  'InvalidAccessKeyId',
  'InvalidToken',
  'RequestTimeTooSkewed',
  'SignatureDoesNotMatch',
]

/**
 * A failure of the store as clients see it: S3's kind where it is about what they asked, 503 where it is about the gateway's own
 * dealings with the store. The store's words stay in the log: they tell of names and addresses behind the gateway.
 */
export function storeError(
  failure: StoreFailure,
  { headers = {}, ofClient = false }: Pick<StoreCall, 'headers' | 'ofClient'> = {},
): SealgateError {
  const { status } = failure
  const code = isOfStorageClass(failure, headers) ? 'InvalidStorageClass' : failure.code
  const elsewhere = failure.region === undefined ? '' : ` (it names the region ${failure.region})`
  const said = `${failure.code === '' ? '' : ` ${failure.code}`}${elsewhere}${failure.message === '' ? '' : `: ${failure.message}`}`
  const reason = `the store answered ${status}${said}`.slice(0, 500)
  const same =
    SAME.find((kind) => kind === code) ?? (Object.hasOwn(ALIASES, code) ? ALIASES[code] : undefined)
  if (/\bWORM protected\b/.test(failure.message)) return locked(reason)
  if (isOfLock(failure, headers))
    return new SealgateError('InvalidRequest', 'Bucket is missing Object Lock Configuration', { reason })
  const isRefusal = ofClient && same === undefined && status === 400
  if (isRefusal)
    return new SealgateError(
      code === 'InvalidArgument' ? code : 'InvalidRequest',
      `The storage behind the gateway does not accept this document${/^[A-Za-z]{1,64}$/.test(code) ? ` (${code})` : ''}.`,
      { reason },
    )
  if (same === undefined && isRefused(status, code)) return new StoreRefusal(reason)
  const kind = same ?? kindOfStatus(status, code)
  if (kind === 'SlowDown' || kind === 'ServiceUnavailable')
    return new SealgateError(kind, undefined, { reason, headers: { 'retry-after': '1' } })
  if (kind === 'AccessDenied')
    return new SealgateError(
      kind,
      'The storage behind the gateway denied it access: the object is protected by Object Lock, or the credentials of the gateway need permission for this bucket.',
      { reason },
    )
  return new SealgateError(kind, kind === 'InvalidURI' ? REFUSED_NAME : undefined, {
    reason,
    headers: markerHeaders(failure),
  })
}

const REFUSED_NAME =
  'The storage behind the gateway takes no object of that name: it keeps objects in directories, where no part of a name is ".", ".." or empty, and what is an object may be no directory as well.'

/** Some stores do not say which argument: of those that a client can choose it is the only one. */
function isOfStorageClass({ status, code }: StoreFailure, sent: Readonly<Record<string, string>>): boolean {
  return status === 400 && code === 'InvalidArgument' && sent['x-amz-storage-class'] !== undefined
}

/** What tells of a delete marker; see version-errors.ts. */
function markerHeaders({ status, headers = {} }: StoreFailure): Record<string, string> {
  const names =
    status === 405 ? ['last-modified'] : status === 404 ? ['x-amz-delete-marker', 'x-amz-version-id'] : []
  if (status === 404 && headers['x-amz-delete-marker'] !== 'true') return {}
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = headers[name] ?? ''
      return value.length <= MAX_VERSION_ID_LENGTH && /^[ -~]+$/.test(value) ? [[name, value]] : []
    }),
  )
}

/** MinIO's word for it comes with a code of every sort. */
function locked(reason: string): SealgateError {
  return new SealgateError('AccessDenied', 'Access Denied because the object is protected by Object Lock.', {
    reason,
  })
}

/** Stores say it of a bucket without Object Lock. */
function isOfLock({ status, code }: StoreFailure, sent: Readonly<Record<string, string>>): boolean {
  const isLocked = Object.keys(sent).some((name) => name.startsWith('x-amz-object-lock-'))
  return status === 400 && code === 'InvalidRequest' && isLocked
}

function isRefused(status: number, code: string): boolean {
  return !isDenied(status, code) && (REFUSED.includes(code) || status === 401 || status === 403)
}

function isDenied(status: number, code: string): boolean {
  return code === 'AccessDenied' || (code === '' && status === 403)
}

function kindOfStatus(status: number, code: string): ErrorKind {
  if (isDenied(status, code)) return 'AccessDenied'
  if (status === 404) return 'NoSuchKey'
  if (status === 405) return 'MethodNotAllowed'
  if (status === 411 || status === 400) return 'InternalError'
  if (status === 412) return 'PreconditionFailed'
  if (status === 416) return 'InvalidRange'
  if (status === 429 || status === 503) return 'SlowDown'
  if (status === 501) return 'NotImplemented'
  return 'ServiceUnavailable'
}

/** The answer is none that S3 gives; what it was is for the log. */
export function badAnswer(reason: string): SealgateError {
  return new StoreRefusal(`the store's answer makes no sense: ${reason}`)
}

/** Blanks that kept the connection alive may stand in front of it. */
const ERROR_DOCUMENT = /^\s*(?:<\?xml[^>]*\?>\s*)?<Error[\s>]/

/** A long operation may begin with status 200 and end with an error in the document; null for any other document. */
export function failureInside(bytes: Buffer, headers: Readonly<Record<string, string>>): StoreFailure | null {
  let at = 0
  while (at < bytes.length && (bytes[at] ?? 0) <= 0x20) at++
  if (!ERROR_DOCUMENT.test(bytes.toString('latin1', at, at + 200))) return null
  return readFailure(200, bytes.subarray(at), headers)
}

/** Reads the document of a failed answer; one that is none (a proxy's page) leaves only the status, and one to HEAD what a header says. */
export function readFailure(
  status: number,
  bytes: Buffer,
  headers: Readonly<Record<string, string>>,
): StoreFailure {
  const region = headers['x-amz-bucket-region']
  const nothing = { status, code: headers['x-minio-error-code'] ?? '', message: '', region, headers }
  if (bytes.length === 0) return nothing
  try {
    const root = readXml(bytes, (reason) => {
      throw badAnswer(reason)
    })
    if (root.name !== 'Error') return nothing
    return {
      status,
      code: childText(root, 'Code') ?? '',
      message: childText(root, 'Message') ?? '',
      region: region ?? childText(root, 'Region'),
      headers,
    }
  } catch (error) {
    if (!isError(error)) throw error
    return nothing
  }
}
