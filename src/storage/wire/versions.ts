import { childText, type XmlElement, xmlElement } from '../../base/xml-reader.ts'
import { writeXml } from '../../base/xml-writer.ts'
import { isError, SealgateError } from '../../errors.ts'
import type { ObjectVersionName } from '../storage.ts'
import { deleteMarkerNamed, invalidVersionId, noSuchVersion } from '../version-errors.ts'
import {
  type ListedDeleteMarker,
  type ListedVersion,
  type ListObjectVersionsRequest,
  type ListObjectVersionsResult,
  NULL_VERSION,
  type Versioning,
  type VersioningStatus,
} from '../versioning.ts'
import type { StoreClient } from './client.ts'
import { nameDecoder, readResult, withoutRawMarkers } from './documents.ts'
import { badAnswer } from './errors.ts'
import { foldVersions } from './fold-versions.ts'
import { readSize, readTime, readVersionId } from './headers.ts'
import { isTruncated, isUnusual, later, prefixes } from './lists.ts'
import { listedEtag, withoutLoss } from './lost-entries.ts'
import { headBucket, type Store } from './store.ts'

export function wireVersioning(store: Store): Versioning {
  return {
    getBucketVersioning: (bucket) => getBucketVersioning(store, bucket),
    putBucketVersioning: (bucket, status) => putBucketVersioning(store, bucket, status),
    listObjectVersions: (request) => listObjectVersions(store, request),
  }
}

export async function getBucketVersioning(store: Store, bucket: string): Promise<VersioningStatus | null> {
  const { bytes } = await store.client.document({
    method: 'GET',
    bucket: store.names.stored(bucket),
    query: { versioning: '' },
    idempotent: true,
  })
  const status = childText(readResult(bytes, 'VersioningConfiguration'), 'Status')?.trim() ?? ''
  if (status === '') return null
  if (status === 'Enabled' || status === 'Suspended') return status
  throw badAnswer('a status of versioning that S3 does not have')
}

async function putBucketVersioning(store: Store, bucket: string, status: VersioningStatus): Promise<void> {
  // There are servers that take the versioning of a bucket that is not there.
  await headBucket(store, bucket)
  await setVersioning(store.client, store.names.stored(bucket), status)
}

/** By the store's own name of the bucket. */
export async function setVersioning(
  client: StoreClient,
  bucket: string,
  status: VersioningStatus,
): Promise<void> {
  const document = xmlElement('VersioningConfiguration', [xmlElement('Status', status)])
  await client.done({
    method: 'PUT',
    bucket,
    query: { versioning: '' },
    headers: { 'content-type': 'application/xml' },
    body: Buffer.from(writeXml(document)),
    idempotent: true,
  })
}

async function listObjectVersions(
  store: Store,
  request: ListObjectVersionsRequest,
): Promise<ListObjectVersionsResult> {
  const { keyMarker, versionIdMarker } = markersInPrefix(request)
  if (request.maxKeys === 0 || keyMarker === null) {
    await headBucket(store, request.bucket)
    return {
      versions: [],
      commonPrefixes: [],
      isTruncated: false,
      nextKeyMarker: '',
      nextVersionIdMarker: '',
    }
  }
  const inside = { ...request, keyMarker, versionIdMarker }
  if (store.capabilities.anyDelimiter || !isUnusual(request.delimiter))
    return versionsPage(store, inside, request.maxKeys)
  return foldVersions(inside, (unfolded) => versionsPage(store, unfolded, unfolded.maxKeys))
}

/** Behind the version or the common prefix that the markers name; some servers begin with that one, and so never come to an end by pages of one. */
async function versionsPage(
  store: Store,
  request: ListObjectVersionsRequest,
  most: number,
): Promise<ListObjectVersionsResult> {
  const { keyMarker, versionIdMarker, maxKeys } = request
  const answer = store.client.document({
    method: 'GET',
    bucket: store.names.stored(request.bucket),
    query: {
      versions: '',
      'encoding-type': 'url',
      'max-keys': most,
      prefix: request.prefix || undefined,
      delimiter: request.delimiter || undefined,
      'key-marker': keyMarker || undefined,
      'version-id-marker': versionIdMarker || undefined,
    },
    idempotent: true,
    signal: request.signal,
  })
  const { bytes } = await badMarker(versionIdMarker, answer)
  const result = readResult(withoutRawMarkers(bytes), 'ListVersionsResult')
  const name = nameDecoder(result)
  const listed = result.children
    .filter((element) => element.name === 'Version' || element.name === 'DeleteMarker')
    .map((element) => readEntry(element, name))
  const entries = inOrder(await withoutLoss(store, request.bucket, listed))
  // A marker without a version is behind all of its key's, and there are servers that take it to be before them.
  const versions = entries.filter(({ key, versionId }) =>
    versionIdMarker === ''
      ? keyMarker === '' || key !== keyMarker
      : key !== keyMarker || versionId !== versionIdMarker,
  )
  const listedPrefixes = prefixes(result, name)
  const commonPrefixes = listedPrefixes.filter((prefix) => prefix !== keyMarker)
  const more = isTruncated(result)
  const repeats = entries.length + listedPrefixes.length > versions.length + commonPrefixes.length
  if (more && repeats && versions.length + commonPrefixes.length === 0) {
    if (most > maxKeys) throw badAnswer('a list of versions that does not go on')
    return versionsPage(store, request, maxKeys + 1)
  }
  if (versions.length + commonPrefixes.length > maxKeys) return cutPage(versions, commonPrefixes, maxKeys)
  return {
    versions,
    commonPrefixes,
    isTruncated: more,
    ...(more ? markers(result, name, entries, listedPrefixes) : NO_MARKERS),
  }
}

/** The first of more than were asked for: where one was asked for in addition, or a server gives as many as it likes. */
function cutPage(
  versions: ListObjectVersionsResult['versions'],
  commonPrefixes: readonly string[],
  maxKeys: number,
): ListObjectVersionsResult {
  const kept = [
    ...versions.map((version) => ({ name: version.key, version })),
    ...commonPrefixes.map((name) => ({ name, version: null })),
  ]
    .map((entry) => ({ ...entry, bytes: Buffer.from(entry.name) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .slice(0, maxKeys)
  const last = kept.at(-1)
  return {
    versions: kept.flatMap(({ version }) => version ?? []),
    commonPrefixes: kept.flatMap(({ name, version }) => (version === null ? [name] : [])),
    isTruncated: true,
    nextKeyMarker: last?.name ?? '',
    nextVersionIdMarker: last?.version?.versionId ?? '',
  }
}

/** By key: there are servers that list all delete markers of a page behind its versions. Within a key as the server has them, the newest first. */
function inOrder<T extends { readonly key: string; readonly isLatest: boolean }>(
  entries: readonly T[],
): readonly T[] {
  return entries
    .map((entry) => ({ entry, bytes: Buffer.from(entry.key) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes) || Number(b.entry.isLatest) - Number(a.entry.isLatest))
    .map(({ entry }) => entry)
}

const NO_MARKERS = { nextKeyMarker: '', nextVersionIdMarker: '' }

/** Not all servers know what to do with a marker outside of the prefix. A key marker of null means that nothing is behind it. */
function markersInPrefix({ prefix, keyMarker, versionIdMarker }: ListObjectVersionsRequest) {
  if (keyMarker.startsWith(prefix)) return { keyMarker, versionIdMarker }
  const isBefore = Buffer.compare(Buffer.from(keyMarker), Buffer.from(prefix)) < 0
  return { keyMarker: isBefore ? '' : null, versionIdMarker: '' }
}

function readEntry(
  element: XmlElement,
  name: (text: string | undefined) => string,
): ListedVersion | ListedDeleteMarker {
  const entry = {
    key: name(childText(element, 'Key')),
    versionId: readVersionId(childText(element, 'VersionId')?.trim() || NULL_VERSION) ?? NULL_VERSION,
    isLatest: childText(element, 'IsLatest')?.trim() === 'true',
    lastModified: readTime(childText(element, 'LastModified')),
  }
  if (element.name === 'DeleteMarker') return { ...entry, isDeleteMarker: true }
  return {
    ...entry,
    isDeleteMarker: false,
    size: readSize(childText(element, 'Size')),
    etag: listedEtag(childText(element, 'ETag')),
    storageClass: childText(element, 'StorageClass') || 'STANDARD',
  }
}

/** What the page ends with; stores do not agree on what they write of it, and how. */
function markers(
  result: XmlElement,
  name: (text: string | undefined) => string,
  versions: ListObjectVersionsResult['versions'],
  commonPrefixes: readonly string[],
): Pick<ListObjectVersionsResult, 'nextKeyMarker' | 'nextVersionIdMarker'> {
  const last = versions.at(-1)
  const end = later(last?.key, commonPrefixes.at(-1)) ?? name(childText(result, 'NextKeyMarker'))
  if (end === '') throw badAnswer('a list that goes on, and not where')
  if (end === last?.key) {
    const told = childText(result, 'NextVersionIdMarker')?.trim()
    const isThere = versions.some(({ key, versionId }) => key === end && versionId === told)
    return { nextKeyMarker: end, nextVersionIdMarker: isThere && told !== undefined ? told : last.versionId }
  }
  const isEmpty = versions.length + commonPrefixes.length === 0
  return {
    nextKeyMarker: end,
    nextVersionIdMarker: isEmpty ? (childText(result, 'NextVersionIdMarker') ?? '') : '',
  }
}

async function badMarker<T>(versionIdMarker: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (versionIdMarker === '' || !isRefusal(error)) throw error
    throw new SealgateError('InvalidArgument', 'Invalid version id specified', {
      cause: error,
      details: { ArgumentName: 'version-id-marker', ArgumentValue: versionIdMarker },
    })
  }
}

/** What is missing, or wrong, is the version, whatever the store calls it. */
export async function ofVersion<T>({ key, versionId }: ObjectVersionName, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (versionId === undefined) throw error
    if (isError(error, 'MethodNotAllowed'))
      throw deleteMarkerNamed(versionId, Date.parse(error.headers['last-modified'] ?? ''), error)
    if (isError(error, 'NoSuchKey')) throw noSuchVersion(key, versionId, error)
    if (isRefusal(error)) throw invalidVersionId(versionId, error)
    throw error
  }
}

/** Status 400: all but the id is the gateway's own and in order. */
function isRefusal(error: unknown): boolean {
  return isError(error, 'InternalError') && error.reason?.startsWith('the store answered 400') === true
}

/** A server that takes no notice of the version would give the newest in its place. */
export function isVersionAsked(
  asked: string | undefined,
  headers: Readonly<Record<string, string>>,
): boolean {
  return asked === undefined || asked === (readVersionId(headers['x-amz-version-id']) ?? NULL_VERSION)
}
