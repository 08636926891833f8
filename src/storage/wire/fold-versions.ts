import { commonPrefixOf, isCommonPrefix } from '../../base/common-prefix.ts'
import { ListMarkers } from '../list-markers.ts'
import type { ListObjectVersionsRequest, ListObjectVersionsResult } from '../versioning.ts'
import { badAnswer } from './errors.ts'
import { LAST } from './list-pages.ts'

/**
 * A page of versions with common prefixes, made of pages without: some stores know no delimiter of that kind. Behind a common prefix the list goes
 * on behind all that it holds.
 */
export async function foldVersions(
  request: ListObjectVersionsRequest,
  page: (request: ListObjectVersionsRequest) => Promise<ListObjectVersionsResult>,
): Promise<ListObjectVersionsResult> {
  const { keyMarker, maxKeys } = request
  const versions: ListObjectVersionsResult['versions'][number][] = []
  const commonPrefixes: string[] = []
  let last = { nextKeyMarker: '', nextVersionIdMarker: '' }
  let from = { keyMarker, versionIdMarker: request.versionIdMarker }
  if (isCommonPrefix(keyMarker, request)) from = { keyMarker: keyMarker + LAST, versionIdMarker: '' }
  const markers = new ListMarkers(from.keyMarker, from.versionIdMarker)
  for (;;) {
    const found = await page({ ...request, ...from, delimiter: '', maxKeys: 1000 })
    for (const version of found.versions) {
      const folded = commonPrefixOf(version.key, request)
      if (folded !== null && (folded === keyMarker || folded === commonPrefixes.at(-1))) continue
      if (versions.length + commonPrefixes.length >= maxKeys)
        return { versions, commonPrefixes, isTruncated: true, ...last }
      if (folded === null) versions.push(version)
      else commonPrefixes.push(folded)
      last = {
        nextKeyMarker: folded ?? version.key,
        nextVersionIdMarker: folded === null ? version.versionId : '',
      }
    }
    if (!found.isTruncated)
      return { versions, commonPrefixes, isTruncated: false, nextKeyMarker: '', nextVersionIdMarker: '' }
    const end = commonPrefixOf(found.nextKeyMarker, request)
    from =
      end === null
        ? { keyMarker: found.nextKeyMarker, versionIdMarker: found.nextVersionIdMarker }
        : { keyMarker: end + LAST, versionIdMarker: '' }
    if (!markers.leadOn(found.versions.length, from.keyMarker, from.versionIdMarker))
      throw badAnswer('a list of versions that does not go on')
  }
}
