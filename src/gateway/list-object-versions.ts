import {
  type ListedDeleteMarker,
  type ListedVersion,
  type ListObjectVersionsRequest,
  type ListObjectVersionsResult,
  NULL_VERSION,
} from '../storage/versioning.ts'
import { toClientEtag } from './etag.ts'
import type { Gateway } from './gateway.ts'
import { listObjects } from './list-objects.ts'
import { listedSizes } from './listed-sizes.ts'
import { checkBucket } from './names.ts'

/** One page, one call to the store; sizes as in lists of objects, and calls for them too. */
export async function listObjectVersions(
  gateway: Gateway,
  request: ListObjectVersionsRequest,
): Promise<ListObjectVersionsResult> {
  checkBucket(gateway, request.bucket)
  const { versioning } = gateway.storage
  if (versioning === null) return listNullVersions(gateway, request)
  const page = await versioning.listObjectVersions(request)
  const objects = page.versions.filter((version) => !version.isDeleteMarker)
  const sized = new Map<string, ListedVersion>()
  for (const version of await listedSizes(gateway, request.bucket, objects, request.signal))
    sized.set(idOf(version), { ...version, etag: toClientEtag(version.etag) })
  const told = (version: ListedVersion | ListedDeleteMarker) =>
    version.isDeleteMarker ? version : (sized.get(idOf(version)) ?? [])
  return { ...page, versions: page.versions.flatMap(told) }
}

function idOf({ key, versionId }: ListedVersion): string {
  return `${versionId} ${key}`
}

/** Where the store keeps no versions each object is its one version. */
async function listNullVersions(
  gateway: Gateway,
  { keyMarker, versionIdMarker: _none, ...request }: ListObjectVersionsRequest,
): Promise<ListObjectVersionsResult> {
  const page = await listObjects(gateway, { ...request, startAfter: keyMarker })
  const nextKeyMarker = page.next === undefined ? '' : (page.nextMarker ?? '')
  return {
    versions: page.objects.map(
      (object): ListedVersion => ({
        ...object,
        versionId: NULL_VERSION,
        isLatest: true,
        isDeleteMarker: false,
      }),
    ),
    commonPrefixes: page.commonPrefixes,
    isTruncated: page.next !== undefined,
    nextKeyMarker,
    nextVersionIdMarker:
      nextKeyMarker === '' || page.commonPrefixes.includes(nextKeyMarker) ? '' : NULL_VERSION,
  }
}

export type {
  ListedDeleteMarker,
  ListedVersion,
  ListObjectVersionsResult,
} from '../storage/versioning.ts'
