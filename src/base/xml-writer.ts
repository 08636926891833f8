import type { XmlElement } from './xml-reader.ts'

export const S3_NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'
const INSTANCE = 'http://www.w3.org/2001/XMLSchema-instance'

/** A whole document in S3's namespace. */
export function writeXml(root: XmlElement): string {
  const text = inner(root)
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root.name} xmlns="${S3_NAMESPACE}">${text}</${root.name}>`
}

function inner({ children, text }: XmlElement): string {
  return children.length === 0 ? escapeXml(text) : children.map(outer).join('')
}

function outer(element: XmlElement): string {
  const { name, type } = element
  const attribute = type === undefined ? '' : ` xmlns:xsi="${INSTANCE}" xsi:type="${escapeXml(type)}"`
  return `<${name}${attribute}>${inner(element)}</${name}>`
}

/** Control characters are not XML 1.0; AWS S3 writes them as references all the same, and offers encoding-type=url. */
export function escapeXml(text: string): string {
  return text.replace(SPECIAL, (char) => ENTITIES[char] ?? `&#x${char.charCodeAt(0).toString(16)};`)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these must be escaped
const SPECIAL = /[&<>"\u0000-\u001f\u007f\ufffe\uffff]/g

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
