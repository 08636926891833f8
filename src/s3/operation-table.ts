import { SealgateError } from '../errors.ts'
import { SUBRESOURCES, type Subresource } from '../gateway/subresources/table.ts'
import type { Operation } from './context.ts'
import type { RequestHeaders } from './headers.ts'
import { notImplemented, operationOf, subresourceName } from './not-implemented.ts'
import * as bucket from './operations/bucket.ts'
import * as encryption from './operations/bucket-encryption.ts'
import * as list from './operations/list.ts'
import * as multipart from './operations/multipart.ts'
import * as object from './operations/object.ts'
import { subresourceOperation } from './operations/subresource.ts'
import * as versioning from './operations/versioning.ts'
import type { Target } from './target.ts'

/**
 * An S3 operation is a method, a target, and sometimes a sub-resource in the query or a header; the first row that fits
 * is the operation. `query` parameters must be present (and not only as part of a longer name).
 */
interface Row {
  readonly name: string
  readonly method: string
  readonly on: 'service' | 'bucket' | 'object'
  readonly query?: readonly string[]
  /** May be present; in any other row these choose another operation. */
  readonly optional?: readonly string[]
  readonly header?: string
  /** What it writes gets a version of its own, so it takes none. */
  readonly writesVersion?: boolean
  /** The answer may come late, and is kept alive until then. */
  readonly mayTakeLong?: boolean
  readonly run: Operation
}

const TABLE: readonly Row[] = [
  { name: 'ListBuckets', method: 'GET', on: 'service', run: bucket.ListBuckets },

  ...SUBRESOURCES.flatMap(rowsOf),

  {
    name: 'GetBucketLocation',
    method: 'GET',
    on: 'bucket',
    query: ['location'],
    run: bucket.GetBucketLocation,
  },
  {
    name: 'GetBucketEncryption',
    method: 'GET',
    on: 'bucket',
    query: ['encryption'],
    run: encryption.GetBucketEncryption,
  },
  {
    name: 'PutBucketEncryption',
    method: 'PUT',
    on: 'bucket',
    query: ['encryption'],
    run: encryption.PutBucketEncryption,
  },
  {
    name: 'DeleteBucketEncryption',
    method: 'DELETE',
    on: 'bucket',
    query: ['encryption'],
    run: encryption.DeleteBucketEncryption,
  },
  {
    name: 'ListMultipartUploads',
    method: 'GET',
    on: 'bucket',
    query: ['uploads'],
    run: multipart.ListMultipartUploads,
  },
  {
    name: 'GetBucketVersioning',
    method: 'GET',
    on: 'bucket',
    query: ['versioning'],
    run: versioning.GetBucketVersioning,
  },
  {
    name: 'PutBucketVersioning',
    method: 'PUT',
    on: 'bucket',
    query: ['versioning'],
    run: versioning.PutBucketVersioning,
  },
  {
    name: 'ListObjectVersions',
    method: 'GET',
    on: 'bucket',
    query: ['versions'],
    run: versioning.ListObjectVersions,
  },
  { name: 'ListObjectsV2', method: 'GET', on: 'bucket', query: ['list-type'], run: list.ListObjectsV2 },
  { name: 'DeleteObjects', method: 'POST', on: 'bucket', query: ['delete'], run: bucket.DeleteObjects },
  { name: 'ListObjects', method: 'GET', on: 'bucket', run: list.ListObjects },
  { name: 'CreateBucket', method: 'PUT', on: 'bucket', run: bucket.CreateBucket },
  { name: 'HeadBucket', method: 'HEAD', on: 'bucket', run: bucket.HeadBucket },
  { name: 'DeleteBucket', method: 'DELETE', on: 'bucket', run: bucket.DeleteBucket },

  {
    name: 'UploadPartCopy',
    method: 'PUT',
    on: 'object',
    query: ['partNumber', 'uploadId'],
    header: 'x-amz-copy-source',
    mayTakeLong: true,
    writesVersion: true,
    run: multipart.UploadPartCopy,
  },
  {
    name: 'UploadPart',
    method: 'PUT',
    on: 'object',
    query: ['partNumber', 'uploadId'],
    writesVersion: true,
    run: multipart.UploadPart,
  },
  {
    name: 'CreateMultipartUpload',
    method: 'POST',
    on: 'object',
    query: ['uploads'],
    writesVersion: true,
    run: multipart.CreateMultipartUpload,
  },
  {
    name: 'CompleteMultipartUpload',
    method: 'POST',
    on: 'object',
    query: ['uploadId'],
    mayTakeLong: true,
    writesVersion: true,
    run: multipart.CompleteMultipartUpload,
  },
  {
    name: 'AbortMultipartUpload',
    method: 'DELETE',
    on: 'object',
    query: ['uploadId'],
    run: multipart.AbortMultipartUpload,
  },
  { name: 'ListParts', method: 'GET', on: 'object', query: ['uploadId'], run: multipart.ListParts },
  {
    name: 'GetObjectAttributes',
    method: 'GET',
    on: 'object',
    query: ['attributes'],
    run: object.GetObjectAttributes,
  },
  {
    name: 'CopyObject',
    method: 'PUT',
    on: 'object',
    header: 'x-amz-copy-source',
    mayTakeLong: true,
    writesVersion: true,
    run: object.CopyObject,
  },
  { name: 'PutObject', method: 'PUT', on: 'object', writesVersion: true, run: object.PutObject },
  { name: 'GetObject', method: 'GET', on: 'object', optional: ['partNumber'], run: object.GetObject },
  { name: 'HeadObject', method: 'HEAD', on: 'object', optional: ['partNumber'], run: object.HeadObject },
  { name: 'DeleteObject', method: 'DELETE', on: 'object', run: object.DeleteObject },
]

/** Those of one that is listed have two rows for GET: with an id, and for all of them. */
function rowsOf(resource: Subresource): Row[] {
  const { on, name, methods, listed } = resource
  return methods.flatMap((method) => {
    const row = (query: readonly string[]) => {
      const operation = subresourceName(method, on, name, (parameter) => query.includes(parameter))
      return { name: operation, method, on, query, run: subresourceOperation(resource, method, operation) }
    }
    const ofOne = row(listed === undefined ? [name] : [name, 'id'])
    return listed !== undefined && method === 'GET' ? [ofOne, row([name])] : [ofOne]
  })
}

/** The names of all operations, as the S3 API reference spells them. */
export const OPERATIONS: readonly string[] = [...TABLE.map(({ name }) => name), 'PostObject']

/** Parameters that choose an operation. */
export const SELECTORS = new Set(TABLE.flatMap(({ query = [] }) => query).filter((name) => name !== 'id'))

/**
 * NotImplemented names the operation; a method that S3 does not have is MethodNotAllowed. A parameter that chooses an operation, and not
 * this one, is InvalidArgument: a part whose number got lost must not become the object.
 */
export function findOperation(
  method: string,
  target: Target,
  headers: RequestHeaders,
): Pick<Row, 'name' | 'mayTakeLong' | 'run'> {
  const on = target.bucket === null ? 'service' : target.key === null ? 'bucket' : 'object'
  const row = TABLE.find(
    (candidate) =>
      candidate.method === method &&
      candidate.on === on &&
      (candidate.query ?? []).every((name) => target.query.has(name)) &&
      (candidate.header === undefined || headers.get(candidate.header) !== undefined),
  )
  for (const [name] of target.query.entries()) {
    const operation = operationOf(method, on, name, target.query)
    if (operation !== null && row?.query?.includes(name) !== true) throw notImplemented(operation)
  }
  if (row !== undefined) {
    refuseStraySelectors(row, target)
    return row
  }
  if (isFormPost(method, target))
    throw new SealgateError(
      'InvalidRequest',
      'A form is signed by its own fields. Leave the Authorization header and the signature in the query out.',
    )
  throw new SealgateError('MethodNotAllowed', undefined, {
    details: { Method: method, ResourceType: on.toUpperCase() },
  })
}

/**
 * A POST to a bucket that chooses no operation is PostObject (API reference, "POST Object"). It is not in the table, as it is the one that its
 * own body authenticates.
 */
export function isFormPost(method: string, { bucket, key, query }: Target): boolean {
  if (method !== 'POST' || bucket === null || key !== null) return false
  return query
    .entries()
    .every(([name]) => !SELECTORS.has(name) && operationOf(method, 'bucket', name, query) === null)
}

function refuseStraySelectors(row: Row, target: Target): void {
  const { name, query = [], optional = [] } = row
  if (row.writesVersion === true && target.query.has('versionId'))
    throw new SealgateError('InvalidArgument', 'This operation does not accept a version-id.', {
      details: { ArgumentName: 'versionId', ArgumentValue: target.query.get('versionId') ?? '' },
    })
  for (const [parameter, value] of target.query.entries()) {
    if (!SELECTORS.has(parameter) || query.includes(parameter) || optional.includes(parameter)) continue
    throw new SealgateError('InvalidArgument', `${name} does not accept the query parameter ${parameter}.`, {
      details: { ArgumentName: parameter, ArgumentValue: value },
    })
  }
}
