import { childrenOf, childText, type XmlElement, xmlElement } from '../base/xml-reader.ts'

/** A tag of an object or a bucket. */
export interface Tag {
  readonly key: string
  readonly value: string
}

/** The document of the sub-resource `tagging`. */
export function taggingDocument(tags: readonly Tag[]): XmlElement {
  const set = tags.map(({ key, value }) =>
    xmlElement('Tag', [xmlElement('Key', key), xmlElement('Value', value)]),
  )
  return xmlElement('Tagging', [xmlElement('TagSet', set)])
}

export function tagsOf(document: XmlElement): readonly Tag[] {
  return childrenOf(document, 'TagSet')
    .flatMap((set) => childrenOf(set, 'Tag'))
    .map((tag) => ({ key: childText(tag, 'Key') ?? '', value: childText(tag, 'Value') ?? '' }))
}

/** The value of x-amz-tagging. */
export function taggingHeader(tags: readonly Tag[]): string {
  return tags.map(({ key, value }) => `${encode(key)}=${encode(value)}`).join('&')
}

/** Not every server takes `+` for a blank, and none takes %20 for anything else. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
