import { isCommonPrefix } from '../../base/common-prefix.ts'
import { childrenOf, childText, type XmlElement } from '../../base/xml-reader.ts'
import type {
  ListMultipartUploadsRequest,
  ListMultipartUploadsResult,
  ListObjectsRequest,
  ListObjectsResult,
  ListPartsRequest,
  ListPartsResult,
  StoredBucket,
} from '../storage.ts'
import { nameDecoder, readResult, withoutRawMarkers } from './documents.ts'
import { badAnswer } from './errors.ts'
import { foldObjects } from './fold-objects.ts'
import { foldUploads } from './fold-uploads.ts'
import { readEtag, readSize, readTime } from './headers.ts'
import { cutPage, LAST, type PageStart, pageStart, storeToken } from './list-pages.ts'
import { listedEtag, withoutLoss } from './lost-entries.ts'
import { headBucket, ofUpload, type Store, stored } from './store.ts'
import { shownUploadId, storedUploadId } from './upload-id.ts'

/**
 * One page, one call. Behind the store's own token, but where it has none and where servers are known to page wrongly: by delimiters other than
 * `/` some go on with the common prefix that a page ended with, for ever, and a page of one name may end the list where that name is the prefix
 * itself. There each page says by name where the next one begins, and asks for one name more than it gives.
 */
export async function listObjects(store: Store, request: ListObjectsRequest): Promise<ListObjectsResult> {
  const { delimiter, maxKeys } = request
  const { pagesByToken, anyDelimiter } = store.capabilities
  const start = pageStart(request)
  if (maxKeys === 0) {
    await headBucket(store, request.bucket)
    return { objects: [], commonPrefixes: [] }
  }
  if (isUnusual(delimiter) && !anyDelimiter)
    return foldObjects(request, start.after, (after) =>
      objectsPage(store, { ...request, delimiter: '' }, { after }, 1000),
    )
  const byName = !pagesByToken || maxKeys === 1 || isUnusual(delimiter)
  const most = byName ? Math.min(maxKeys + 1, 1000) : maxKeys
  let page = await objectsPage(store, request, start, most)
  // What is folded into the start may go on behind the last but one of all characters.
  if (byName && page.next !== null && holdsOnly(page, start.after))
    page = await objectsPage(store, request, start, most, LAST)
  const { objects, next } = page
  const commonPrefixes = page.commonPrefixes.filter((prefix) => prefix !== start.after)
  const nextMarker = later(objects.at(-1)?.key, commonPrefixes.at(-1))
  if (next !== null && nextMarker === undefined) throw badAnswer('a list that goes on, and not where')
  const isTooLong = objects.length + commonPrefixes.length > maxKeys
  if (byName || next === '' || isTooLong) return cutPage({ objects, commonPrefixes }, maxKeys, next !== null)
  return next === null
    ? { objects, commonPrefixes }
    : { objects, commonPrefixes, next: storeToken(next), nextMarker }
}

/** Another than the one that all know. */
export function isUnusual(delimiter: string): boolean {
  return delimiter !== '' && delimiter !== '/'
}

/** Behind a common prefix lies nothing that is folded into it: the list goes on behind the last name that can be. */
function startAfter(request: ListObjectsRequest, after: string, padding: string): string {
  if (!isUnusual(request.delimiter) || !isCommonPrefix(after, request)) return after
  return after + padding.repeat((MAX_KEY_BYTES - Buffer.byteLength(after)) / 4)
}

function holdsOnly(page: { objects: readonly unknown[]; commonPrefixes: readonly string[] }, name: string) {
  return page.objects.length === 0 && page.commonPrefixes.every((prefix) => prefix === name)
}

/** What to stay behind a prefix by where LAST will not do. */
const LAST_BUT_ONE = '\u{10fffe}'

const MAX_KEY_BYTES = 1024

/** `next` is null if the list is over. */
async function objectsPage(
  store: Store,
  request: ListObjectsRequest,
  { token, after }: PageStart,
  maxKeys: number,
  padding = LAST_BUT_ONE,
) {
  const behind = startAfter(request, after, padding) || undefined
  const { bytes } = await store.client.document({
    method: 'GET',
    bucket: store.names.stored(request.bucket),
    query: {
      'encoding-type': 'url',
      'max-keys': maxKeys,
      prefix: request.prefix || undefined,
      delimiter: request.delimiter || undefined,
      ...(store.capabilities.pagesByToken
        ? { 'list-type': 2, 'start-after': behind, 'continuation-token': token }
        : { marker: behind }),
    },
    idempotent: true,
    signal: request.signal,
  })
  const result = readResult(withoutRawMarkers(bytes), 'ListBucketResult')
  const name = nameDecoder(result)
  const listed = childrenOf(result, 'Contents').map((element) => ({
    key: name(childText(element, 'Key')),
    size: readSize(childText(element, 'Size')),
    etag: listedEtag(childText(element, 'ETag')),
    lastModified: readTime(childText(element, 'LastModified')),
    storageClass: childText(element, 'StorageClass') || 'STANDARD',
  }))
  const objects = await withoutLoss(store, request.bucket, listed)
  const next = isTruncated(result) ? (childText(result, 'NextContinuationToken') ?? '') : null
  return { objects, commonPrefixes: prefixes(result, name), next }
}

export function later(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) > 0 ? a : b
}

export async function listParts(store: Store, request: ListPartsRequest): Promise<ListPartsResult> {
  const page = await partsPage(store, request)
  const { partNumberMarker, maxParts } = request
  if (page.parts.length > 0 || partNumberMarker === 0 || store.capabilities.listsBehindNoPart) return page
  // Some stores know of nothing behind a number that no part has: there the list is read from its beginning.
  const behind: ListPartsResult['parts'][number][] = []
  for (let from = 0, more = true; more && behind.length <= maxParts; ) {
    const next = await partsPage(store, { ...request, partNumberMarker: from, maxParts: 1000 })
    const last = next.parts.at(-1)?.partNumber ?? 0
    if (next.isTruncated && last <= from) throw badAnswer('a list of parts that does not go on')
    behind.push(...next.parts.filter(({ partNumber }) => partNumber > partNumberMarker))
    from = last
    more = next.isTruncated
  }
  return { ...page, parts: behind.slice(0, maxParts), isTruncated: behind.length > maxParts }
}

async function partsPage(store: Store, request: ListPartsRequest): Promise<ListPartsResult> {
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
  const { foldsUploads, anyDelimiter } = store.capabilities
  const folds = foldsUploads && (anyDelimiter || !isUnusual(request.delimiter))
  if (request.delimiter === '' || folds) return uploadsPage(store, request)
  return foldUploads(request, (unfolded) => uploadsPage(store, unfolded))
}

async function uploadsPage(
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
  const result = readResult(withoutRawMarkers(bytes), 'ListMultipartUploadsResult')
  const name = nameDecoder(result, { always: store.capabilities.encodesUploads })
  const more = isTruncated(result)
  const uploads = childrenOf(result, 'Upload').map((element) => ({
    key: name(childText(element, 'Key')),
    uploadId: shownUploadId(childText(element, 'UploadId') ?? ''),
    initiatedAt: readTime(childText(element, 'Initiated')),
    storageClass: childText(element, 'StorageClass') || 'STANDARD',
  }))
  const commonPrefixes = prefixes(result, name)
  const { keyMarker, uploadIdMarker } = request
  return {
    // Behind a key without an upload are other keys alone; some stores begin with that one.
    uploads: uploads.filter(({ key }) => uploadIdMarker !== '' || key !== keyMarker),
    commonPrefixes,
    isTruncated: more,
    // The last name of the page: what a store says is encoded here and raw there.
    nextKeyMarker: more ? (later(uploads.at(-1)?.key, commonPrefixes.at(-1)) ?? '') : '',
    nextUploadIdMarker: more ? shownUploadId(childText(result, 'NextUploadIdMarker') ?? '') : '',
  }
}

/** More than an account can have, and pages for all of them. */
const MAX_BUCKETS = 1_000_000
const MAX_BUCKET_PAGES = 200

/** The buckets of this deployment among those of the account. */
export async function listBuckets(store: Store): Promise<readonly StoredBucket[]> {
  const buckets: StoredBucket[] = []
  let token: string | undefined
  let pages = 0
  do {
    pages += 1
    if (pages > MAX_BUCKET_PAGES || buckets.length > MAX_BUCKETS)
      throw badAnswer('a list of buckets without end')
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
    const next = childText(result, 'ContinuationToken') || childText(result, 'NextMarker') || undefined
    if (next !== undefined && next === token) throw badAnswer('a list of buckets that does not go on')
    token = next
  } while (token !== undefined)
  return buckets.sort((a, b) => (a.name < b.name ? -1 : 1))
}

export function prefixes(result: XmlElement, name: (text: string | undefined) => string): string[] {
  return childrenOf(result, 'CommonPrefixes').map((element) => name(childText(element, 'Prefix')))
}

export function isTruncated(result: XmlElement): boolean {
  return childText(result, 'IsTruncated')?.trim() === 'true'
}
