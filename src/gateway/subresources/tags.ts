import type { XmlElement } from '../../base/xml-reader.ts'
import { SealgateError } from '../../errors.ts'
import { type Tag, taggingDocument, tagsOf } from '../../storage/tagging.ts'
import { fit } from './shape.ts'
import { TAGGING } from './shapes.ts'

export type { Tag } from '../../storage/tagging.ts'

/*
 * S3's rules for tags (Amazon S3 User Guide, "Categorizing your objects using tags"): they are the same before every store, and most stores have
 * some of them only.
 */

const MOST = { object: 10, bucket: 50 } as const
const MAX_KEY = 128
const MAX_VALUE = 256
const ALLOWED = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u

/** Throws InvalidTag, or BadRequest if there are too many. */
export function checkTags(tags: readonly Tag[], on: 'object' | 'bucket'): readonly Tag[] {
  if (tags.length > MOST[on])
    throw new SealgateError(
      'BadRequest',
      `${on === 'object' ? 'Object tags' : 'Bucket tag count'} cannot be greater than ${MOST[on]}`,
    )
  const keys = new Set<string>()
  for (const { key, value } of tags) {
    if (key === '' || !fits(key, MAX_KEY)) throw invalid('The TagKey you have provided is invalid', key)
    if (!fits(value, MAX_VALUE)) throw invalid('The TagValue you have provided is invalid', key)
    if (/^aws:/i.test(key)) throw invalid('System tags cannot be added/updated by requester', key)
    if (keys.has(key)) throw invalid('Cannot provide multiple Tags with the same key', key)
    keys.add(key)
  }
  return tags
}

/** Lengths are of Unicode characters. */
function fits(text: string, most: number): boolean {
  return text.length <= 2 * most && [...text].length <= most && text.isWellFormed() && ALLOWED.test(text)
}

export function checkTagging(document: XmlElement, on: 'object' | 'bucket'): XmlElement {
  return taggingDocument(checkTags(tagsOf(document), on))
}

/** The tags of a client's document. */
export function readTagging(document: XmlElement): readonly Tag[] {
  if (document.name !== 'Tagging')
    throw new SealgateError('MalformedXML', 'The root of this document is Tagging.')
  return checkTags(tagsOf(fit(document, TAGGING, 'client')), 'object')
}

function invalid(message: string, key: string): SealgateError {
  return new SealgateError('InvalidTag', message, { details: { TagKey: key.slice(0, 256) } })
}
