import type { ObjectMarks } from '../marks.ts'
import type { ObjectHeaders } from '../storage.ts'
import type { Tag } from '../tagging.ts'

/*
 * Tags lie in the index among the headers that were stored with an object, so that they go wherever these go: from an upload to its object, and
 * with a version.
 */

const NAME = 'x-amz-tagging'

/** The headers as the index keeps them. */
export function withTags(headers: ObjectHeaders, tags: ObjectMarks['tags']): ObjectHeaders {
  const { [NAME]: _, ...others } = headers
  if (tags === undefined || tags.length === 0) return others
  // In the order of their keys, as other servers show them.
  const sorted = [...tags].sort((a, b) => (a.key < b.key ? -1 : 1))
  return { ...others, [NAME]: JSON.stringify(sorted) }
}

/** @param text as it lies in the index */
export function splitTags(text: string): { readonly headers: ObjectHeaders; readonly tags: readonly Tag[] } {
  const { [NAME]: tags, ...headers } = JSON.parse(text) as Record<string, string>
  return { headers, tags: tags === undefined ? [] : (JSON.parse(tags) as Tag[]) }
}
