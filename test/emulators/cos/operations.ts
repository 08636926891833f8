/** Which operation a request is: method, parameters and the header of a copy. */
import {
  deleteBucket,
  getBucketLocation,
  getBucketVersioning,
  headBucket,
  listBuckets,
  putBucket,
  putBucketVersioning,
} from './buckets.ts'
import type { Operation } from './call.ts'
import { copyObject, uploadPartCopy } from './copies.ts'
import { listObjects, listObjectsV2, listUploads, listVersions } from './lists.ts'
import { deleteObject, deleteObjects, getObject, headObject, putObject } from './objects.ts'
import { deleteObjectTagging, getObjectTagging, putObjectTagging } from './tags.ts'
import type { Target } from './target.ts'
import { abortUpload, completeUpload, initiateUpload, listParts, uploadPart } from './uploads.ts'

/** S3's names, by which calls are counted whatever the face. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  ListBuckets: listBuckets,
  CreateBucket: putBucket,
  HeadBucket: headBucket,
  DeleteBucket: deleteBucket,
  GetBucketLocation: getBucketLocation,
  GetBucketVersioning: getBucketVersioning,
  PutBucketVersioning: putBucketVersioning,
  ListObjects: listObjects,
  ListObjectsV2: listObjectsV2,
  ListObjectVersions: listVersions,
  ListMultipartUploads: listUploads,
  DeleteObjects: deleteObjects,
  PutObject: putObject,
  GetObject: getObject,
  HeadObject: headObject,
  DeleteObject: deleteObject,
  CopyObject: copyObject,
  GetObjectTagging: getObjectTagging,
  PutObjectTagging: putObjectTagging,
  DeleteObjectTagging: deleteObjectTagging,
  CreateMultipartUpload: initiateUpload,
  UploadPart: uploadPart,
  UploadPartCopy: uploadPartCopy,
  CompleteMultipartUpload: completeUpload,
  AbortMultipartUpload: abortUpload,
  ListParts: listParts,
}

const VERB: Readonly<Record<string, string>> = { PUT: 'Put', GET: 'Get', HEAD: 'Head', DELETE: 'Delete' }

/** Sub-resources that are not emulated. */
const OTHERS =
  /^(acl|cors|lifecycle|policy|website|logging|inventory|replication|encryption|restore|append|select|object-lock|retention|legal-hold)$/

/** An empty name is that of no operation. */
export function nameOf(
  method: string,
  { bucket, key, query }: Target,
  face: 'cos' | 's3',
  isCopy: boolean,
): string {
  if (bucket === null) return method === 'GET' ? 'ListBuckets' : ''
  if ([...query.keys()].some((name) => OTHERS.test(name))) return ''
  if (key === '') return bucketOperation(method, query, face)
  if (query.has('tagging')) return `${VERB[method]}ObjectTagging`
  if (query.has('uploads')) return method === 'POST' ? 'CreateMultipartUpload' : ''
  if (!query.has('uploadId')) return isCopy ? 'CopyObject' : `${VERB[method]}Object`
  if (method === 'PUT') return isCopy ? 'UploadPartCopy' : 'UploadPart'
  return { GET: 'ListParts', POST: 'CompleteMultipartUpload', DELETE: 'AbortMultipartUpload' }[method] ?? ''
}

function bucketOperation(method: string, query: Target['query'], face: 'cos' | 's3'): string {
  if (query.has('tagging')) return ''
  if (query.has('versioning')) return `${VERB[method]}BucketVersioning`
  if (method === 'POST') return query.has('delete') ? 'DeleteObjects' : ''
  if (method === 'PUT') return 'CreateBucket'
  if (method !== 'GET') return `${VERB[method]}Bucket`
  if (query.has('location')) return 'GetBucketLocation'
  if (query.has('uploads')) return 'ListMultipartUploads'
  if (query.has('versions')) return 'ListObjectVersions'
  return face === 's3' && query.has('list-type') ? 'ListObjectsV2' : 'ListObjects'
}
