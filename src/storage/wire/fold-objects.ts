import { commonPrefixOf, isCommonPrefix } from '../../base/common-prefix.ts'
import { ListMarkers } from '../list-markers.ts'
import type { ListedObject, ListObjectsRequest, ListObjectsResult } from '../storage.ts'
import { badAnswer } from './errors.ts'
import { cutPage, LAST } from './list-pages.ts'

interface UnfoldedPage {
  readonly objects: readonly ListedObject[]
  /** Null if the list is over. */
  readonly next: string | null
}

/**
 * A page of objects with common prefixes, made of pages without: some stores know no delimiter of that kind. Behind a page that ends within a
 * common prefix the list goes on behind all that the prefix holds.
 *
 * @param after where the page begins: behind a name, or, of a common prefix, behind all of it
 * @param page of all names behind one
 */
export async function foldObjects(
  request: ListObjectsRequest,
  after: string,
  page: (after: string) => Promise<UnfoldedPage>,
): Promise<ListObjectsResult> {
  const objects: ListedObject[] = []
  const commonPrefixes = new Set<string>()
  let from = isCommonPrefix(after, request) ? after + LAST : after
  const markers = new ListMarkers(from)
  for (;;) {
    const found = await page(from)
    for (const object of found.objects) {
      const folded = commonPrefixOf(object.key, request)
      if (folded === null) objects.push(object)
      else if (folded !== after) commonPrefixes.add(folded)
    }
    const isFull = objects.length + commonPrefixes.size > request.maxKeys
    const more = found.next !== null
    if (isFull || !more)
      return cutPage({ objects, commonPrefixes: [...commonPrefixes] }, request.maxKeys, more)
    const last = found.objects.at(-1)?.key ?? ''
    const folded = commonPrefixOf(last, request)
    from = folded === null ? last : folded + LAST
    if (!markers.leadOn(found.objects.length, from)) throw badAnswer('a list that goes on, and not where')
  }
}
