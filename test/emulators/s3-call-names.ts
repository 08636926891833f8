import type { RequestHeaders } from '../../src/s3/headers.ts'
import type { Target } from '../../src/s3/target.ts'
import { SUBRESOURCE_NAMES } from './s3-subresources.ts'

/** What S3 calls the operation of a request. */
export function callName(method: string, { bucket, key, query }: Target, headers: RequestHeaders): string {
  if (bucket === null) return 'ListBuckets'
  const copies = headers.get('x-amz-copy-source') !== undefined
  if (subresourceIn(query) !== undefined) return `${SUBRESOURCE[method]}Subresource`
  if (key === null) {
    if (query.has('versioning')) return method === 'PUT' ? 'PutBucketVersioning' : 'GetBucketVersioning'
    if (method === 'POST' && query.has('delete')) return 'DeleteObjects'
    if (method !== 'GET') return `${BUCKET[method]}Bucket`
    if (query.has('uploads')) return 'ListMultipartUploads'
    if (query.has('versions')) return 'ListObjectVersions'
    return query.has('list-type') ? 'ListObjectsV2' : 'GetBucketSetting'
  }
  if (query.has('uploads')) return 'CreateMultipartUpload'
  if (!query.has('uploadId')) return method === 'PUT' && copies ? 'CopyObject' : `${OBJECT[method]}Object`
  if (method === 'PUT') return copies ? 'UploadPartCopy' : 'UploadPart'
  return { GET: 'ListParts', POST: 'CompleteMultipartUpload', DELETE: 'AbortMultipartUpload' }[method] ?? ''
}

const SUBRESOURCE: Readonly<Record<string, string>> = { PUT: 'Put', GET: 'Get', DELETE: 'Delete' }

const BUCKET: Readonly<Record<string, string>> = { PUT: 'Create', HEAD: 'Head', DELETE: 'Delete' }
const OBJECT: Readonly<Record<string, string>> = { PUT: 'Put', GET: 'Get', HEAD: 'Head', DELETE: 'Delete' }

export function subresourceIn(query: Target['query']): string | undefined {
  return SUBRESOURCE_NAMES.find((name) => query.has(name))
}
