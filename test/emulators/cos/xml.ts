/** Documents as COS writes them: without a namespace, quotes escaped. */

import { uriEncode } from '../../../src/base/uri-encode.ts'
import { readXml, type XmlElement } from '../../../src/base/xml-reader.ts'
import { escapeXml } from '../../../src/base/xml-writer.ts'
import type { XmlTree } from '../../../src/s3/xml.ts'
import { CosRefusal } from './refusal.ts'

export function cosDocument(root: string, content: XmlTree): string {
  return `<?xml version="1.0" encoding="utf-8" ?>\n<${root}>${inner(content)}</${root}>`
}

/** Undefined leaves an element out, an array repeats it, an empty name stands for none. */
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

/** `encoding-type=url` leaves slashes as they are. */
export function listName(name: string, encoding: string | undefined): string {
  return encoding === 'url' ? name.split('/').map(uriEncode).join('/') : name
}

export function parseDocument(bytes: Buffer): XmlElement {
  return readXml(bytes, (reason) => {
    throw new CosRefusal('MalformedXML', reason)
  })
}
