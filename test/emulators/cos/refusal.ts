/** What COS refuses with: codes and statuses of its table of errors (product 436, "Error codes"). */
const STATUS = {
  AccessDenied: 403,
  BadDigest: 400,
  BucketAlreadyExists: 409,
  BucketAlreadyOwnedByYou: 409,
  BucketNotEmpty: 409,
  EntityTooLarge: 400,
  EntityTooSmall: 400,
  ExpiredToken: 400,
  FileAlreadyExists: 409,
  IncompleteBody: 400,
  InternalError: 500,
  InvalidAccessKeyId: 403,
  InvalidArgument: 400,
  InvalidBucketName: 400,
  InvalidDelimiter: 400,
  InvalidDigest: 400,
  InvalidPart: 400,
  InvalidPartOrder: 400,
  InvalidRange: 416,
  InvalidRequest: 400,
  InvalidTag: 400,
  InvalidURI: 400,
  KeyTooLong: 400,
  MalformedXML: 400,
  MethodNotAllowed: 405,
  MissingContentLength: 411,
  NoSuchBucket: 404,
  NoSuchKey: 404,
  NoSuchTagSet: 404,
  NoSuchUpload: 404,
  NoSuchVersion: 404,
  NotImplemented: 501,
  NotModified: 304,
  PathStyleDomainForbidden: 403,
  PreconditionFailed: 412,
  RequestTimeTooSkewed: 403,
  ServiceUnavailable: 503,
  SignatureDoesNotMatch: 403,
  SlowDown: 503,
  TooManyBuckets: 400,
} as const

export type CosCode = keyof typeof STATUS

const SENTENCES: Partial<Record<CosCode, string>> = {
  KeyTooLong: 'Your key is too long.',
  PathStyleDomainForbidden: 'Path style domain is forbidden, please use the virtual hosted style.',
  PreconditionFailed: 'Precondition not match.',
}

export class CosRefusal extends Error {
  readonly code: CosCode
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(code: CosCode, message?: string, headers: Readonly<Record<string, string>> = {}) {
    super(message ?? SENTENCES[code] ?? `emulated ${code}`)
    this.code = code
    this.status = STATUS[code]
    this.headers = headers
  }
}
