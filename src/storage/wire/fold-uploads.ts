import { commonPrefixOf } from '../../base/common-prefix.ts'
import { ListMarkers } from '../list-markers.ts'
import type { ListMultipartUploadsRequest, ListMultipartUploadsResult } from '../storage.ts'
import { badAnswer } from './errors.ts'
import { LAST } from './list-pages.ts'

/**
 * A page of uploads with common prefixes, made of pages without: some stores know no delimiter here, and some leave out what they fold.
 * A page that ends with a common prefix is followed by what lies behind all that it holds.
 */
export async function foldUploads(
  request: ListMultipartUploadsRequest,
  page: (request: ListMultipartUploadsRequest) => Promise<ListMultipartUploadsResult>,
): Promise<ListMultipartUploadsResult> {
  const { keyMarker, maxUploads } = request
  const uploads: ListMultipartUploadsResult['uploads'][number][] = []
  const commonPrefixes = new Set<string>()
  let last = { nextKeyMarker: '', nextUploadIdMarker: '' }
  let from = { keyMarker, uploadIdMarker: request.uploadIdMarker }
  const markers = new ListMarkers(from.keyMarker, from.uploadIdMarker)
  for (;;) {
    const found = await page({ ...request, ...from, delimiter: '', maxUploads: 1000 })
    let folded: string | null = null
    for (const upload of found.uploads) {
      folded = commonPrefixOf(upload.key, request)
      if (folded !== null && (folded === keyMarker || commonPrefixes.has(folded))) continue
      if (uploads.length + commonPrefixes.size >= maxUploads)
        return { uploads, commonPrefixes: [...commonPrefixes], isTruncated: true, ...last }
      if (folded === null) uploads.push(upload)
      else commonPrefixes.add(folded)
      last = {
        nextKeyMarker: folded ?? upload.key,
        nextUploadIdMarker: folded === null ? upload.uploadId : '',
      }
    }
    if (!found.isTruncated) {
      const end = { isTruncated: false, nextKeyMarker: '', nextUploadIdMarker: '' }
      return { uploads, commonPrefixes: [...commonPrefixes], ...end }
    }
    const next = { keyMarker: found.nextKeyMarker, uploadIdMarker: found.nextUploadIdMarker }
    const behind = folded === null ? '' : folded + LAST
    from = isBehind(behind, next.keyMarker) ? { keyMarker: behind, uploadIdMarker: '' } : next
    if (!markers.leadOn(found.uploads.length, from.keyMarker, from.uploadIdMarker))
      throw badAnswer('a list of uploads that does not go on')
  }
}

function isBehind(a: string, b: string): boolean {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) > 0
}
