import { childrenOf, childText, type XmlElement } from '../../base/xml-reader.ts'
import { SealgateError } from '../../errors.ts'
import type {
  ListMultipartUploadsRequest,
  ListMultipartUploadsResult,
  ListObjectsRequest,
  ListObjectsResult,
  ListPartsRequest,
  ListPartsResult,
  StoredBucket,
} from '../storage.ts'
import { nameDecoder, readResult } from './documents.ts'
import { badAnswer } from './errors.ts'
import { readEtag, readSize, readTime } from './headers.ts'
import { headBucket, ofUpload, type Store, stored } from './store.ts'
import { shownUploadId, storedUploadId } from './upload-id.ts'

/** A token of the store, in characters that need no encoding anywhere. */
const TOKEN = 't1.'

export async function listObjects(store: Store, request: ListObjectsRequest): Promise<ListObjectsResult> {
  const token = storedToken(request.continuationToken)
  if (request.maxKeys === 0) {
    await headBucket(store, request.bucket)
    return { objects: [], commonPrefixes: [] }
  }
  const { bytes } = await store.client.document({
    method: 'GET',
    bucket: store.names.stored(request.bucket),
    query: {
      'list-type': 2,
      'encoding-type': 'url',
      'max-keys': request.maxKeys,
      prefix: request.prefix || undefined,
      delimiter: request.delimiter || undefined,
      ...(token === undefined
        ? { 'start-after': request.startAfter || undefined }
        : { 'continuation-token': token }),
    },
    idempotent: true,
    signal: request.signal,
  })
  const result = readResult(bytes, 'ListBucketResult')
  const name = nameDecoder(result)
  const objects = childrenOf(result, 'Contents').map((element) => ({
    key: name(childText(element, 'Key')),
    size: readSize(childText(element, 'Size')),
    etag: readEtag(childText(element, 'ETag')),
    lastModified: readTime(childText(element, 'LastModified')),
    storageClass: childText(element, 'StorageClass') || 'STANDARD',
  }))
  const commonPrefixes = prefixes(result, name)
  if (!isTruncated(result)) return { objects, commonPrefixes }
  const next = childText(result, 'NextContinuationToken') ?? ''
  const nextMarker = later(objects.at(-1)?.key, commonPrefixes.at(-1))
  if (next === '' || nextMarker === undefined) throw badAnswer('a list that goes on, and not where')
  return { objects, commonPrefixes, next: TOKEN + Buffer.from(next).toString('base64url'), nextMarker }
}

function storedToken(token: string | undefined): string | undefined {
  if (token === undefined) return undefined
  const encoded = token.slice(TOKEN.length)
  const bytes = Buffer.from(encoded, 'base64url')
  if (token.startsWith(TOKEN) && bytes.length > 0 && bytes.toString('base64url') === encoded)
    return bytes.toString()
  throw new SealgateError('InvalidArgument', 'The continuation token provided is incorrect', {
    details: { ArgumentName: 'continuation-token' },
  })
}

function later(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) > 0 ? a : b
}

export async function listParts(store: Store, request: ListPartsRequest): Promise<ListPartsResult> {
  const answer = store.client.document({
    method: 'GET',
    ...stored(store, request),
    query: {
      uploadId: storedUploadId(request.uploadId),
      'max-parts': request.maxParts,
      'part-number-marker': request.partNumberMarker || undefined,
    },
    idempotent: true,
    signal: request.signal,
  })
  const { bytes } = await ofUpload(request.uploadId, answer)
  const result = readResult(bytes, 'ListPartsResult')
  return {
    parts: childrenOf(result, 'Part').map((element) => ({
      partNumber: readSize(childText(element, 'PartNumber')),
      size: readSize(childText(element, 'Size')),
      etag: readEtag(childText(element, 'ETag')),
      lastModified: readTime(childText(element, 'LastModified')),
    })),
    isTruncated: isTruncated(result),
    storageClass: childText(result, 'StorageClass') || 'STANDARD',
  }
}

export async function listMultipartUploads(
  store: Store,
  request: ListMultipartUploadsRequest,
): Promise<ListMultipartUploadsResult> {
  const { bytes } = await store.client.document({
    method: 'GET',
    bucket: store.names.stored(request.bucket),
    query: {
      uploads: '',
      'encoding-type': 'url',
      'max-uploads': request.maxUploads,
      prefix: request.prefix || undefined,
      delimiter: request.delimiter || undefined,
      'key-marker': request.keyMarker || undefined,
      'upload-id-marker': storedUploadId(request.uploadIdMarker) || undefined,
    },
    idempotent: true,
    signal: request.signal,
  })
  const result = readResult(bytes, 'ListMultipartUploadsResult')
  const name = nameDecoder(result, { always: store.capabilities.encodesUploads })
  const more = isTruncated(result)
  return {
    uploads: childrenOf(result, 'Upload').map((element) => ({
      key: name(childText(element, 'Key')),
      uploadId: shownUploadId(childText(element, 'UploadId') ?? ''),
      initiatedAt: readTime(childText(element, 'Initiated')),
      storageClass: childText(element, 'StorageClass') || 'STANDARD',
    })),
    commonPrefixes: prefixes(result, name),
    isTruncated: more,
    nextKeyMarker: more ? name(childText(result, 'NextKeyMarker')) : '',
    nextUploadIdMarker: more ? shownUploadId(childText(result, 'NextUploadIdMarker') ?? '') : '',
  }
}

/** The buckets of this deployment among those of the account. */
export async function listBuckets(store: Store): Promise<readonly StoredBucket[]> {
  const buckets: StoredBucket[] = []
  let token: string | undefined
  do {
    const { bytes } = await store.client.document({
      method: 'GET',
      query: { 'continuation-token': token },
      idempotent: true,
    })
    const result = readResult(bytes, 'ListAllMyBucketsResult')
    for (const list of childrenOf(result, 'Buckets')) {
      for (const element of childrenOf(list, 'Bucket')) {
        const name = store.names.shown(childText(element, 'Name') ?? '')
        if (name !== null) buckets.push({ name, createdAt: readTime(childText(element, 'CreationDate')) })
      }
    }
    token = childText(result, 'ContinuationToken') || undefined
  } while (token !== undefined)
  return buckets.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function prefixes(result: XmlElement, name: (text: string | undefined) => string): string[] {
  return childrenOf(result, 'CommonPrefixes').map((element) => name(childText(element, 'Prefix')))
}

function isTruncated(result: XmlElement): boolean {
  return childText(result, 'IsTruncated')?.trim() === 'true'
}
