import { childrenOf, readXml, type XmlElement } from '../base/xml-reader.ts'
import { escapeXml, S3_NAMESPACE } from '../base/xml-writer.ts'
import { SealgateError } from '../errors.ts'

/*
 * The XML that S3 speaks: small documents in, small documents out.
 */

/**
 * What an element holds when it is written; undefined leaves the element out, an array repeats it. An empty name stands for no element: what
 * it holds comes as it is, so that elements of different names can follow one another in any order.
 */
export type XmlValue = string | number | boolean | undefined | XmlTree | readonly (string | XmlTree)[]
export interface XmlTree {
  readonly [name: string]: XmlValue
}

/** A whole document in S3's namespace. */
export function xmlDocument(root: string, content: XmlTree | string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="${S3_NAMESPACE}">${inner(content)}</${root}>`
}

/** Errors and answers to forms have no namespace (S3 API reference, "REST error responses"). */
export function plainDocument(root: 'Error' | 'PostResponse', content: XmlTree): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}>${inner(content)}</${root}>`
}

function inner(content: XmlTree | string): string {
  if (typeof content === 'string') return escapeXml(content)
  let text = ''
  for (const [name, value] of Object.entries(content)) {
    if (value === undefined) continue
    for (const item of Array.isArray(value) ? value : [value]) {
      const content = typeof item === 'object' ? inner(item) : escapeXml(String(item))
      text += name === '' ? content : `<${name}>${content}</${name}>`
    }
  }
  return text
}

/** Parses the document of a request. */
export function parseXml(bytes: Buffer): XmlElement {
  return readXml(bytes, fail)
}

/** @throws SealgateError MalformedXML if the element is there twice: which one counts would be a guess */
export function childText(element: XmlElement, name: string): string | undefined {
  const found = childrenOf(element, name)
  if (found.length > 1) fail(`there may be only one ${name}`)
  return found[0]?.text
}

export { childrenOf, type XmlElement } from '../base/xml-reader.ts'

function fail(reason: string): never {
  throw new SealgateError('MalformedXML', `The XML that you provided was not accepted: ${reason}.`)
}
