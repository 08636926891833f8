/**
 * Every error that Sealgate answers, as one table: the S3 error code is the kind, and the row gives the
 * HTTP status and the default sentence. Codes and statuses are those of the Amazon S3 API reference
 * ("Error responses", "List of error codes"), except the few that S3 does not have, marked below.
 *
 * This file imports nothing, so that every room may throw what the S3 face can render.
 */
export const ERRORS = {
  AccessControlListNotSupported: {
    status: 400,
    message: 'Access control lists are not supported; leave the ACL headers out or send "private".',
  },
  AccessDenied: { status: 403, message: 'Access Denied' },
  AccessForbidden: { status: 403, message: 'The cross-origin request is not allowed.' },
  AuthorizationHeaderMalformed: {
    status: 400,
    message: 'The authorization header that you provided is not valid.',
  },
  AuthorizationQueryParametersError: {
    status: 400,
    message: 'Error parsing the X-Amz-Credential parameter or another X-Amz query parameter.',
  },
  BadDigest: {
    status: 400,
    message: 'The Content-MD5 or checksum value that you specified did not match what the server received.',
  },
  BadRequest: { status: 400, message: 'The request could not be understood.' },
  BucketAlreadyExists: {
    status: 409,
    message: 'The requested bucket name is not available. Choose another name.',
  },
  BucketAlreadyOwnedByYou: {
    status: 409,
    message: 'Your previous request to create the named bucket succeeded and you already own it.',
  },
  BucketNotEmpty: { status: 409, message: 'The bucket you tried to delete is not empty.' },
  ConditionalRequestConflict: {
    status: 409,
    message:
      'A conflicting operation happened to the object while the condition of your request was looked at. Look at the object again and repeat the request; a multipart upload has to be begun anew.',
  },
  EntityTooLarge: { status: 400, message: 'Your proposed upload exceeds the maximum allowed object size.' },
  EntityTooSmall: {
    status: 400,
    message:
      'Your proposed upload is smaller than the minimum allowed object size. Every part but the last must be at least 5 MiB.',
  },
  IllegalLocationConstraintException: {
    status: 400,
    message: 'The location constraint is incompatible with the region of this endpoint.',
  },
  IllegalVersioningConfigurationException: {
    status: 400,
    message: 'The versioning configuration that you specified is not valid: it needs a Status.',
  },
  IncompleteBody: {
    status: 400,
    message: 'You did not provide the number of bytes specified by the Content-Length HTTP header.',
  },
  InternalError: { status: 500, message: 'We encountered an internal error. Please try again.' },
  InvalidAccessKeyId: {
    status: 403,
    message: 'The access key ID that you provided does not exist in our records.',
  },
  InvalidArgument: { status: 400, message: 'Invalid Argument' },
  InvalidBucketName: {
    status: 400,
    message:
      'The specified bucket is not valid. Bucket names have 3 to 63 characters: lower-case letters, digits, dots and hyphens.',
  },
  InvalidBucketState: {
    status: 409,
    message: 'The request is not valid with the current state of the bucket.',
  },
  InvalidDigest: {
    status: 400,
    message: 'The Content-MD5 or checksum value that you specified is not valid.',
  },
  InvalidEncryptionAlgorithmError: {
    status: 400,
    message:
      'The encryption request that you specified is not valid. The valid values are AES256 and aws:kms.',
  },
  InvalidObjectState: {
    status: 403,
    message:
      'The operation is not valid for the storage class of the object. It is archived: restore it in the storage behind the gateway first.',
  },
  InvalidPart: {
    status: 400,
    message:
      "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified ETag may not match the uploaded part's ETag.",
  },
  InvalidPartNumber: { status: 416, message: 'The requested partnumber is not satisfiable.' },
  InvalidPartOrder: {
    status: 400,
    message: 'The list of parts was not in ascending order. Parts must be ordered by part number.',
  },
  InvalidPolicyDocument: {
    status: 400,
    message: 'The policy of the form is not one: a JSON object in base64 with expiration and conditions.',
  },
  InvalidRange: { status: 416, message: 'The requested range is not satisfiable.' },
  InvalidRequest: { status: 400, message: 'The request is not valid.' },
  InvalidStorageClass: { status: 400, message: 'The storage class that you specified is not valid.' },
  InvalidTag: { status: 400, message: 'The tag provided was not a valid tag.' },
  InvalidURI: { status: 400, message: "Couldn't parse the specified URI." },
  KeyTooLongError: { status: 400, message: 'Your key is too long. Keys have at most 1024 bytes.' },
  'KMS.DisabledException': {
    status: 400,
    message: 'The KMS key of this bucket is disabled. Enable it, or give the bucket another one.',
  },
  'KMS.InvalidKeyUsageException': {
    status: 400,
    message:
      'The KMS key of this bucket is not one for symmetric encryption with a context. Give it another one.',
  },
  'KMS.KMSInvalidStateException': {
    status: 400,
    message: 'The state of the KMS key of this bucket does not allow its use (archived, or to be deleted).',
  },
  'KMS.NotFoundException': {
    status: 400,
    message: 'The KMS key that you named is not configured for this bucket.',
  },
  MalformedPolicy: { status: 400, message: 'Policies must be valid JSON and name no other bucket.' },
  MalformedPOSTRequest: {
    status: 400,
    message: 'The body of your POST request is not well-formed multipart/form-data.',
  },
  MalformedTrailerError: {
    status: 400,
    message:
      'The request contained trailing data that was not well-formed or did not conform to our published schema.',
  },
  MalformedXML: {
    status: 400,
    message:
      'The XML that you provided was not well formed or did not validate against our published schema.',
  },
  MaxMessageLengthExceeded: { status: 400, message: 'Your request was too big.' },
  MaxPostPreDataLengthExceeded: {
    status: 400,
    message: 'Your POST request fields preceding the upload file were too large.',
  },
  MetadataTooLarge: {
    status: 400,
    message: 'Your metadata headers exceed the maximum allowed metadata size.',
  },
  MethodNotAllowed: { status: 405, message: 'The specified method is not allowed against this resource.' },
  MissingContentLength: { status: 411, message: 'You must provide the Content-Length HTTP header.' },
  NoSuchBucket: { status: 404, message: 'The specified bucket does not exist.' },
  NoSuchBucketPolicy: { status: 404, message: 'The bucket policy does not exist.' },
  NoSuchConfiguration: { status: 404, message: 'The specified configuration does not exist.' },
  NoSuchCORSConfiguration: { status: 404, message: 'The CORS configuration does not exist.' },
  NoSuchKey: { status: 404, message: 'The specified key does not exist.' },
  NoSuchLifecycleConfiguration: { status: 404, message: 'The lifecycle configuration does not exist.' },
  NoSuchObjectLockConfiguration: {
    status: 404,
    message: 'The specified object does not have an Object Lock configuration.',
  },
  NoSuchPublicAccessBlockConfiguration: {
    status: 404,
    message: 'The public access block configuration was not found.',
  },
  NoSuchTagSet: { status: 404, message: 'There is no tag set associated with the bucket.' },
  NoSuchUpload: {
    status: 404,
    message:
      'The specified upload does not exist. The upload ID might not be valid, or the upload might have been aborted or completed.',
  },
  NoSuchVersion: { status: 404, message: 'The specified version does not exist.' },
  NoSuchWebsiteConfiguration: {
    status: 404,
    message: 'The specified bucket does not have a website configuration.',
  },
  NotImplemented: {
    status: 501,
    message: 'A header or operation that you provided implies functionality that is not implemented.',
  },
  NotModified: { status: 304, message: 'Not Modified' },
  /** Ours. Stored bytes, sizes or metadata failed their authentication; nothing of them was sent. */
  ObjectIntegrityError: {
    status: 500,
    message:
      'The stored object failed its integrity check: it was altered in the store, or is not what was stored under this name. Nothing of it was returned.',
  },
  OperationAborted: {
    status: 409,
    message: 'A conflicting conditional operation is currently in progress against this resource. Try again.',
  },
  ObjectLockConfigurationNotFoundError: {
    status: 404,
    message: 'Object Lock configuration does not exist for this bucket.',
  },
  OwnershipControlsNotFoundError: { status: 404, message: 'The bucket ownership controls were not found.' },
  PreconditionFailed: {
    status: 412,
    message: 'At least one of the preconditions that you specified did not hold.',
  },
  ReplicationConfigurationNotFoundError: {
    status: 404,
    message: 'The replication configuration was not found.',
  },
  RequestHeaderSectionTooLarge: {
    status: 400,
    message: 'Your request header section exceeds the maximum allowed request header section size.',
  },
  RequestTimeout: {
    status: 400,
    message:
      'Your socket connection to the server was not read from or written to within the timeout period.',
  },
  RequestTimeTooSkewed: {
    status: 403,
    message: 'The difference between the request time and the current time is too large. Set your clock.',
  },
  ServiceUnavailable: { status: 503, message: 'Service is unable to handle the request. Please try again.' },
  SignatureDoesNotMatch: {
    status: 403,
    message:
      'The request signature that the server calculated does not match the signature that you provided. Check your secret access key and signing method.',
  },
  SlowDown: { status: 503, message: 'Please reduce your request rate.' },
  UnresolvableGrantByEmailAddress: {
    status: 400,
    message: 'The e-mail address that you provided does not match any account of the storage.',
  },
  XAmzContentSHA256Mismatch: {
    status: 400,
    message: "The provided 'x-amz-content-sha256' header does not match what was computed.",
  },
} as const satisfies Record<string, { status: number; message: string }>

export type ErrorKind = keyof typeof ERRORS

export interface ErrorOptions {
  readonly cause?: unknown
  /** Extra elements of the XML error body, in S3's spelling (for example `ArgumentName`, `Region`). Never secrets. */
  readonly details?: Readonly<Record<string, string>>
  /** Extra response headers, lower-case names (for example `retry-after`, `content-range`). */
  readonly headers?: Readonly<Record<string, string>>
  /** A finer reason for the audit log only; never sent to a client. */
  readonly reason?: string
}

/** The one error class that crosses rooms. Anything else that escapes is rendered as InternalError. */
export class SealgateError extends Error {
  override readonly name = 'SealgateError'
  readonly kind: ErrorKind
  readonly details: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  readonly reason: string | undefined

  constructor(kind: ErrorKind, message: string = ERRORS[kind].message, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.kind = kind
    this.details = options.details ?? {}
    this.headers = options.headers ?? {}
    this.reason = options.reason
  }

  get status(): number {
    return ERRORS[this.kind].status
  }
}

/** True for a SealgateError of one of the given kinds. */
export function isError(error: unknown, ...kinds: readonly ErrorKind[]): error is SealgateError {
  return error instanceof SealgateError && (kinds.length === 0 || kinds.includes(error.kind))
}
