import { SealgateError } from '../../errors.ts'
import { createBucket, deleteBucket, headBucket, listBuckets } from '../../gateway/buckets.ts'
import {
  type DeleteObjectResult,
  deleteObjects,
  type ListedForDeletion,
} from '../../gateway/delete-object.ts'
import { readAcl } from '../acl-headers.ts'
import { unquoteEtag } from '../condition-headers.ts'
import type { Answer, Context } from '../context.ts'
import { readBypass } from '../mark-headers.ts'
import { refuseBucketHeaders } from '../refused-headers.ts'
import { readSmallBody } from '../request-body.ts'
import { checkedVersionId } from '../version-id.ts'
import { childrenOf, childText, parseXml, type XmlTree, xmlDocument } from '../xml.ts'
import { owner, queryNumber, xmlAnswer } from './shared.ts'

const MAX_CONFIGURATION_BYTES = 64 * 1024
const MAX_DELETE_BYTES = 2 * 1024 * 1024

export async function ListBuckets(context: Context): Promise<Answer> {
  const { query } = context.target
  const prefix = query.get('prefix')
  const region = query.get('bucket-region') ?? context.region
  const { buckets, next } = await listBuckets(context.gateway, {
    prefix: prefix ?? '',
    startAfter: Buffer.from(query.get('continuation-token') ?? '', 'base64url').toString(),
    maxBuckets: readMaxBuckets(context),
  })
  const here = region === context.region
  return xmlAnswer('ListAllMyBucketsResult', {
    Owner: owner(context),
    Buckets: {
      Bucket: (here ? buckets : []).map(({ name, createdAt }) => ({
        Name: name,
        CreationDate: new Date(createdAt).toISOString(),
        BucketRegion: context.region,
      })),
    },
    ContinuationToken: next === undefined || !here ? undefined : Buffer.from(next).toString('base64url'),
    Prefix: prefix,
  })
}

/** A list that nobody asked to be cut comes whole. */
function readMaxBuckets(context: Context): number {
  const maxBuckets = queryNumber(context, 'max-buckets', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
  const asked = (context.target.query.get('max-buckets') ?? '') !== ''
  if (!asked || (maxBuckets >= 1 && maxBuckets <= 10_000)) return maxBuckets
  throw new SealgateError('InvalidArgument', 'max-buckets must be an integer between 1 and 10000.', {
    details: { ArgumentName: 'max-buckets', ArgumentValue: String(maxBuckets) },
  })
}

export async function CreateBucket(context: Context): Promise<Answer> {
  refuseBucketHeaders(context.headers)
  const acl = readAcl(context.gateway, context.headers)
  const bytes = await readSmallBody(context.body(MAX_CONFIGURATION_BYTES), MAX_CONFIGURATION_BYTES)
  if (bytes.length > 0) {
    const root = parseXml(bytes)
    if (root.name !== 'CreateBucketConfiguration') throw new SealgateError('MalformedXML')
    if (childrenOf(root, 'Tags').some((tags) => tags.children.length > 0))
      throw new SealgateError('NotImplemented', 'CreateBucket with Tags is not implemented.')
    const location = childText(root, 'LocationConstraint')?.trim()
    if (context.strictRegion && location !== undefined && location !== '' && location !== context.region) {
      throw new SealgateError(
        'IllegalLocationConstraintException',
        `The ${location} location constraint is incompatible for the region of this endpoint (${context.region}).`,
      )
    }
  }
  const objectLock = context.headers.get('x-amz-bucket-object-lock-enabled')?.toLowerCase() === 'true'
  await createBucket(context.gateway, context.bucket, { objectLock, acl })
  return { status: 200, headers: { location: `/${context.bucket}`, 'content-length': 0 } }
}

export async function HeadBucket(context: Context): Promise<Answer> {
  await headBucket(context.gateway, context.bucket)
  return {
    status: 200,
    headers: { 'x-amz-bucket-region': context.region, 'content-type': 'application/xml' },
  }
}

export async function DeleteBucket(context: Context): Promise<Answer> {
  await deleteBucket(context.gateway, context.bucket)
  return { status: 204 }
}

/** us-east-1 is the empty constraint. */
export async function GetBucketLocation(context: Context): Promise<Answer> {
  await headBucket(context.gateway, context.bucket)
  return {
    status: 200,
    headers: { 'content-type': 'application/xml' },
    body: xmlDocument('LocationConstraint', context.region === 'us-east-1' ? '' : context.region),
  }
}

export async function DeleteObjects(context: Context): Promise<Answer> {
  const hasDigest =
    context.headers.get('content-md5') !== undefined ||
    context.headers.names().some((name) => name.startsWith('x-amz-checksum-') || name === 'x-amz-trailer')
  if (!hasDigest)
    throw new SealgateError(
      'InvalidRequest',
      'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
    )
  const root = parseXml(await readSmallBody(context.body(MAX_DELETE_BYTES), MAX_DELETE_BYTES))
  const listed = childrenOf(root, 'Object')
  if (root.name !== 'Delete' || listed.length === 0 || listed.length > 1000)
    throw new SealgateError('MalformedXML')
  const objects = listed.map((element) => {
    const key = childText(element, 'Key')
    if (key === undefined || key === '') throw new SealgateError('MalformedXML')
    if (Buffer.byteLength(key) > 1024) throw new SealgateError('KeyTooLongError')
    const versionId = childText(element, 'VersionId') || undefined
    for (const condition of ['LastModifiedTime', 'Size'])
      if (childText(element, condition) !== undefined)
        throw new SealgateError('NotImplemented', `DeleteObjects with ${condition} is not implemented.`)
    const etag = childText(element, 'ETag')
    return {
      key,
      versionId: versionId === undefined ? undefined : checkedVersionId(versionId),
      ifMatch: etag === undefined ? undefined : unquoteEtag(etag),
    }
  })
  const quiet = childText(root, 'Quiet')?.trim().toLowerCase() === 'true'
  const bypassGovernance = readBypass(context.headers)
  const { deleted, errors } = await deleteObjects(context.gateway, {
    bucket: context.bucket,
    objects: objects.map((object) => ({ ...object, bypassGovernance })),
  })
  return xmlAnswer('DeleteResult', {
    Deleted: quiet ? [] : deleted.map(({ object, result }) => deletedElements(object, result)),
    Error: errors.map(({ object, error }) => ({
      Key: object.key,
      VersionId: object.versionId,
      Code: error.kind,
      Message: error.message,
    })),
  })
}

/** VersionId is what was asked for; of a delete marker that came or went, DeleteMarkerVersionId is the id. */
function deletedElements({ key, versionId }: ListedForDeletion, result: DeleteObjectResult): XmlTree {
  const marker = { DeleteMarker: true, DeleteMarkerVersionId: result.versionId }
  return { Key: key, VersionId: versionId, ...(result.isDeleteMarker ? marker : {}) }
}
