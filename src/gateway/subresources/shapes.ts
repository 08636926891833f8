import type { Shape } from './shape.ts'

/*
 * The documents of S3's sub-resources, element by element (Amazon S3 API Reference, "Data Types"). What is not here does not pass the gateway,
 * in neither direction.
 */

const TEXT = /^.{0,2048}$/s
const NAME = /^[A-Za-z0-9_:.,/=+@*-]{1,255}$/
const ID = /^.{0,255}$/s
const PREFIX = /^.{0,1024}$/s
const SWITCH = /^(Enabled|Disabled)$/
const TRUTH = /^(true|false|TRUE|FALSE|True|False)$/
const WHOLE = /^\d{1,10}$/
const BYTES = /^\d{1,16}$/
const TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$/
const ARN = /^arn:[A-Za-z0-9_:.,/=+@*$-]{1,400}$/
const TAG = { Key: /^.*$/s, Value: /^.*$/s } satisfies Shape

/** Of buckets and of objects. */
export const TAGGING = { TagSet: { 'Tag*': TAG } } satisfies Shape

export const CORS = {
  'CORSRule+': {
    'ID?': ID,
    'AllowedHeader*': TEXT,
    'AllowedMethod+': /^(GET|PUT|HEAD|POST|DELETE)$/,
    'AllowedOrigin+': /^.{1,2048}$/s,
    'ExposeHeader*': /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/,
    'MaxAgeSeconds?': WHOLE,
  },
} satisfies Shape

const SIZES = { 'ObjectSizeGreaterThan?': BYTES, 'ObjectSizeLessThan?': BYTES } satisfies Shape
const STORAGE_CLASS = /^[A-Za-z0-9_-]{1,64}$/

export const LIFECYCLE = {
  'Rule+': {
    // Its length has an error of its own.
    'ID?': /^.*$/s,
    'Prefix?': PREFIX,
    'Filter?': {
      'Prefix?': PREFIX,
      'Tag*': TAG,
      ...SIZES,
      'And?': { 'Prefix?': PREFIX, 'Tag*': TAG, ...SIZES },
    },
    Status: SWITCH,
    'Expiration?': { 'Date?': TIME, 'Days?': WHOLE, 'ExpiredObjectDeleteMarker?': TRUTH },
    'Transition*': { 'Date?': TIME, 'Days?': WHOLE, StorageClass: STORAGE_CLASS },
    'NoncurrentVersionTransition*': {
      'NoncurrentDays?': WHOLE,
      'NewerNoncurrentVersions?': WHOLE,
      StorageClass: STORAGE_CLASS,
    },
    'NoncurrentVersionExpiration?': { 'NoncurrentDays?': WHOLE, 'NewerNoncurrentVersions?': WHOLE },
    'AbortIncompleteMultipartUpload?': { DaysAfterInitiation: WHOLE },
  },
} satisfies Shape

const LOCK_MODE = /^(GOVERNANCE|COMPLIANCE)$/

export const OBJECT_LOCK = {
  'ObjectLockEnabled?': /^Enabled$/,
  'Rule?': { 'DefaultRetention?': { 'Mode?': LOCK_MODE, 'Days?': WHOLE, 'Years?': WHOLE } },
} satisfies Shape

export const RETENTION = { 'Mode?': LOCK_MODE, 'RetainUntilDate?': TIME } satisfies Shape

export const LEGAL_HOLD = { 'Status?': /^(ON|OFF)$/ } satisfies Shape

export const ENCRYPTION = {
  'Rule+': {
    'ApplyServerSideEncryptionByDefault?': { SSEAlgorithm: NAME, 'KMSMasterKeyID?': TEXT },
    'BucketKeyEnabled?': TRUTH,
  },
} satisfies Shape

const GRANT = {
  Grantee: {
    '@': /^(CanonicalUser|AmazonCustomerByEmail|Group)$/,
    'ID?': ID,
    'DisplayName?': ID,
    'EmailAddress?': ID,
    'URI?': ID,
  },
  Permission: /^[A-Z_]{1,32}$/,
} as unknown as Shape

export const ACL: Shape = {
  'Owner?': { 'ID?': ID, 'DisplayName?': ID },
  AccessControlList: { 'Grant*': GRANT },
}

export const REPLICATION = {
  Role: TEXT,
  'Rule+': {
    'ID?': ID,
    'Priority?': WHOLE,
    'Prefix?': PREFIX,
    'Filter?': { 'Prefix?': PREFIX, 'Tag?': TAG, 'And?': { 'Prefix?': PREFIX, 'Tag*': TAG } },
    Status: SWITCH,
    'SourceSelectionCriteria?': {
      'SseKmsEncryptedObjects?': { Status: SWITCH },
      'ReplicaModifications?': { Status: SWITCH },
    },
    'ExistingObjectReplication?': { Status: SWITCH },
    Destination: {
      Bucket: ARN,
      'Account?': /^\d{12}$/,
      'StorageClass?': STORAGE_CLASS,
      'AccessControlTranslation?': { Owner: NAME },
      'EncryptionConfiguration?': { 'ReplicaKmsKeyID?': TEXT },
      'ReplicationTime?': { Status: SWITCH, Time: { Minutes: WHOLE } },
      'Metrics?': { Status: SWITCH, 'EventThreshold?': { Minutes: WHOLE } },
    },
    'DeleteMarkerReplication?': { 'Status?': SWITCH },
    'DeleteReplication?': { Status: SWITCH },
  },
} satisfies Shape

const EVENTS = {
  'Id?': ID,
  'Event+': NAME,
  'Filter?': { 'S3Key?': { 'FilterRule*': { Name: NAME, Value: PREFIX } } },
} satisfies Shape

export const NOTIFICATION = {
  'TopicConfiguration*': { Topic: ARN, ...EVENTS },
  'QueueConfiguration*': { Queue: ARN, ...EVENTS },
  'CloudFunctionConfiguration*': { CloudFunction: ARN, ...EVENTS },
  'EventBridgeConfiguration?': {},
} satisfies Shape

const REDIRECT = { HostName: NAME, 'Protocol?': /^https?$/ } satisfies Shape

export const WEBSITE = {
  'RedirectAllRequestsTo?': REDIRECT,
  'IndexDocument?': { Suffix: PREFIX },
  'ErrorDocument?': { Key: PREFIX },
  'RoutingRules?': {
    'RoutingRule+': {
      'Condition?': { 'HttpErrorCodeReturnedEquals?': /^\d{3}$/, 'KeyPrefixEquals?': PREFIX },
      Redirect: {
        'HostName?': NAME,
        'HttpRedirectCode?': /^3\d\d$/,
        'Protocol?': /^https?$/,
        'ReplaceKeyPrefixWith?': PREFIX,
        'ReplaceKeyWith?': PREFIX,
      },
    },
  },
} satisfies Shape

export const LOGGING: Shape = {
  'LoggingEnabled?': {
    TargetBucket: /^[A-Za-z0-9._-]{3,63}$/,
    TargetPrefix: PREFIX,
    'TargetGrants?': { 'Grant*': GRANT },
    'TargetObjectKeyFormat?': { 'SimplePrefix?': {}, 'PartitionedPrefix?': { 'PartitionDateSource?': NAME } },
  },
}

const EXPORT = {
  'AccountId?': /^\d{12}$/,
  Bucket: ARN,
  Format: NAME,
  'Prefix?': PREFIX,
} satisfies Shape

export const INVENTORY = {
  Id: ID,
  IsEnabled: TRUTH,
  Destination: { S3BucketDestination: EXPORT },
  Schedule: { Frequency: NAME },
  IncludedObjectVersions: NAME,
  'Filter?': { Prefix: PREFIX },
  'OptionalFields?': { 'Field*': NAME },
} satisfies Shape

const FILTER = {
  'Prefix?': PREFIX,
  'Tag?': TAG,
  'And?': { 'Prefix?': PREFIX, 'Tag*': TAG },
} satisfies Shape

export const ANALYTICS = {
  Id: ID,
  'Filter?': FILTER,
  StorageClassAnalysis: {
    'DataExport?': { OutputSchemaVersion: NAME, Destination: { S3BucketDestination: EXPORT } },
  },
} satisfies Shape

export const METRICS = {
  Id: ID,
  'Filter?': {
    ...FILTER,
    'AccessPointArn?': ARN,
    'And?': { 'Prefix?': PREFIX, 'Tag*': TAG, 'AccessPointArn?': ARN },
  },
} satisfies Shape

export const INTELLIGENT_TIERING = {
  Id: ID,
  'Filter?': FILTER,
  Status: SWITCH,
  'Tiering+': { AccessTier: NAME, Days: WHOLE },
} satisfies Shape

export const ACCELERATE = { 'Status?': /^(Enabled|Suspended)$/ } satisfies Shape
export const REQUEST_PAYMENT = { Payer: /^(Requester|BucketOwner)$/ } satisfies Shape
export const OWNERSHIP_CONTROLS = { 'Rule+': { ObjectOwnership: NAME } } satisfies Shape
export const POLICY_STATUS = { IsPublic: TRUTH } satisfies Shape
export const PUBLIC_ACCESS_BLOCK = {
  'BlockPublicAcls?': TRUTH,
  'IgnorePublicAcls?': TRUTH,
  'BlockPublicPolicy?': TRUTH,
  'RestrictPublicBuckets?': TRUTH,
} satisfies Shape
