import { ListMarkers } from '../list-markers.ts'
import type { ListedObject, ListObjectsRequest, ListObjectsResult } from '../storage.ts'
import { badAnswer } from './errors.ts'
import { cutPage } from './list-pages.ts'

/** Behind every name that a prefix can have. */
const LAST = '\u{10ffff}'

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
  { prefix, delimiter, maxKeys }: ListObjectsRequest,
  after: string,
  page: (after: string) => Promise<UnfoldedPage>,
): Promise<ListObjectsResult> {
  const objects: ListedObject[] = []
  const commonPrefixes = new Set<string>()
  const foldOf = (key: string) => {
    const at = key.indexOf(delimiter, prefix.length)
    return at < 0 ? null : key.slice(0, at + delimiter.length)
  }
  let from = after.startsWith(prefix) && foldOf(after) === after ? after + LAST : after
  const markers = new ListMarkers(from)
  for (;;) {
    const found = await page(from)
    for (const object of found.objects) {
      const folded = foldOf(object.key)
      if (folded === null) objects.push(object)
      else if (folded !== after) commonPrefixes.add(folded)
    }
    const isFull = objects.length + commonPrefixes.size > maxKeys
    const more = found.next !== null
    if (isFull || !more) return cutPage({ objects, commonPrefixes: [...commonPrefixes] }, maxKeys, more)
    const last = found.objects.at(-1)?.key ?? ''
    const folded = foldOf(last)
    from = folded === null ? last : folded + LAST
    if (!markers.leadOn(found.objects.length, from)) throw badAnswer('a list that goes on, and not where')
  }
}
