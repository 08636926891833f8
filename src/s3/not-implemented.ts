import { SealgateError } from '../errors.ts'
import type { Target } from './target.ts'

/**
 * Sub-resources of the S3 API that are not here, or not for every method. Without this list `GET /bucket/key?tagging` would answer the object
 * itself, and `PUT /bucket?abac` make a bucket. The value is the name as it stands in the operation's (`GetObjectTagging`).
 */
const SUBRESOURCES: Readonly<Record<string, string>> = {
  abac: 'Abac',
  accelerate: 'AccelerateConfiguration',
  acl: 'Acl',
  analytics: 'AnalyticsConfiguration',
  annotation: 'Annotation',
  append: 'Append',
  cors: 'Cors',
  encryption: 'Encryption',
  'intelligent-tiering': 'IntelligentTieringConfiguration',
  inventory: 'InventoryConfiguration',
  'legal-hold': 'LegalHold',
  lifecycle: 'LifecycleConfiguration',
  logging: 'Logging',
  metadataAnnotationTable: 'MetadataAnnotationTableConfiguration',
  metadataConfiguration: 'MetadataConfiguration',
  metadataInventoryTable: 'MetadataInventoryTableConfiguration',
  metadataJournalTable: 'MetadataJournalTableConfiguration',
  metadataTable: 'MetadataTableConfiguration',
  metrics: 'MetricsConfiguration',
  notification: 'NotificationConfiguration',
  'object-lock': 'ObjectLockConfiguration',
  ownershipControls: 'OwnershipControls',
  policy: 'Policy',
  policyStatus: 'PolicyStatus',
  publicAccessBlock: 'PublicAccessBlock',
  renameObject: 'Rename',
  replication: 'Replication',
  requestPayment: 'RequestPayment',
  restore: 'Restore',
  retention: 'Retention',
  select: 'SelectContent',
  session: 'Session',
  tagging: 'Tagging',
  torrent: 'Torrent',
  versioning: 'Versioning',
  versions: 'Versions',
  website: 'Website',
}

const VERBS: Readonly<Record<string, string>> = {
  GET: 'Get',
  HEAD: 'Head',
  PUT: 'Put',
  POST: 'Post',
  DELETE: 'Delete',
}

/** Operations whose names are not made of verb, level and sub-resource. */
const NAMES: Readonly<Record<string, string>> = {
  'DELETE bucket lifecycle': 'DeleteBucketLifecycle',
  'DELETE bucket publicAccessBlock': 'DeletePublicAccessBlock',
  'GET bucket object-lock': 'GetObjectLockConfiguration',
  'GET bucket publicAccessBlock': 'GetPublicAccessBlock',
  'GET bucket session': 'CreateSession',
  'POST bucket metadataConfiguration': 'CreateBucketMetadataConfiguration',
  'POST bucket metadataTable': 'CreateBucketMetadataTableConfiguration',
  'POST object append': 'AppendObject',
  'POST object restore': 'RestoreObject',
  'POST object select': 'SelectObjectContent',
  'PUT bucket metadataAnnotationTable': 'UpdateBucketMetadataAnnotationTableConfiguration',
  'PUT bucket metadataInventoryTable': 'UpdateBucketMetadataInventoryTableConfiguration',
  'PUT bucket metadataJournalTable': 'UpdateBucketMetadataJournalTableConfiguration',
  'PUT bucket object-lock': 'PutObjectLockConfiguration',
  'PUT bucket publicAccessBlock': 'PutPublicAccessBlock',
  'PUT object encryption': 'UpdateObjectEncryption',
  'PUT object renameObject': 'RenameObject',
}

/** Read as a list where the parameter that names one of them is missing. */
const LISTED_WITHOUT: Readonly<Record<string, string>> = {
  analytics: 'id',
  annotation: 'annotationName',
  'intelligent-tiering': 'id',
  inventory: 'id',
  metrics: 'id',
}

/** The operation that a request for a sub-resource means, or null if the parameter is none that S3 has. */
export function operationOf(
  method: string,
  on: 'service' | 'bucket' | 'object',
  parameter: string,
  query: Target['query'],
): string | null {
  if (!Object.hasOwn(SUBRESOURCES, parameter)) return null
  return subresourceName(method, on, parameter, (name) => query.has(name))
}

/** The operation's name, as the S3 API reference spells it. */
export function subresourceName(
  method: string,
  on: 'service' | 'bucket' | 'object',
  parameter: string,
  has: (name: string) => boolean,
): string {
  const resource = SUBRESOURCES[parameter] ?? ''
  const name = NAMES[`${method} ${on} ${parameter}`]
  if (name !== undefined) return name
  const level = on === 'object' ? 'Object' : 'Bucket'
  const one = LISTED_WITHOUT[parameter]
  if (method === 'GET' && one !== undefined && !has(one)) return `List${level}${resource}s`
  return `${VERBS[method] ?? method}${level}${resource}`
}

export function notImplemented(name: string): SealgateError {
  return new SealgateError('NotImplemented', `${name} is not implemented.`, { details: { Operation: name } })
}
