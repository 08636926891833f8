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
  return tags === undefined || tags.length === 0 ? others : { ...others, [NAME]: JSON.stringify(tags) }
}

/** @param text as it lies in the index */
export function splitTags(text: string): { readonly headers: ObjectHeaders; readonly tags: readonly Tag[] } {
  const { [NAME]: tags, ...headers } = JSON.parse(text) as Record<string, string>
  return { headers, tags: tags === undefined ? [] : (JSON.parse(tags) as Tag[]) }
}
