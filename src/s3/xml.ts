import { SaxesParser } from 'saxes'
import { SealgateError } from '../errors.ts'

/*
 * The XML that S3 speaks: small documents in, small documents out.
 */

/** What an element holds when it is written; undefined leaves the element out, an array repeats it. */
export type XmlValue = string | number | boolean | undefined | XmlTree | readonly (string | XmlTree)[]
export interface XmlTree {
  readonly [name: string]: XmlValue
}

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'

/** A whole document in S3's namespace. */
export function xmlDocument(root: string, content: XmlTree | string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="${NAMESPACE}">${inner(content)}</${root}>`
}

/** Error documents have no namespace (S3 API reference, "REST error responses"). */
export function errorDocument(content: XmlTree): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error>${inner(content)}</Error>`
}

function inner(content: XmlTree | string): string {
  if (typeof content === 'string') return escapeXml(content)
  let text = ''
  for (const [name, value] of Object.entries(content)) {
    if (value === undefined) continue
    for (const item of Array.isArray(value) ? value : [value])
      text += `<${name}>${typeof item === 'object' ? inner(item) : escapeXml(String(item))}</${name}>`
  }
  return text
}

/** Control characters are not XML 1.0; AWS S3 writes them as references all the same, and offers encoding-type=url. */
function escapeXml(text: string): string {
  return text.replace(SPECIAL, (char) => ENTITIES[char] ?? `&#x${char.charCodeAt(0).toString(16)};`)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these must be escaped
const SPECIAL = /[&<>"\u0000-\u001f\u007f\ufffe\uffff]/g

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

/** An element of a request. Namespaces are dropped: clients send S3's or none. */
export interface XmlElement {
  readonly name: string
  readonly children: readonly XmlElement[]
  readonly text: string
}

const MAX_DEPTH = 8
const MAX_ELEMENTS = 100_000

/** Parses strictly; document types (and so entities) are refused, as are depth and number beyond need. */
export function parseXml(bytes: Buffer): XmlElement {
  const parser = new SaxesParser()
  const stack: { name: string; children: XmlElement[]; text: string }[] = [
    { name: '', children: [], text: '' },
  ]
  let elements = 0
  parser.on('doctype', () => fail('a document type is not accepted'))
  parser.on('error', () => fail('it is not well formed'))
  parser.on('opentag', (tag) => {
    if (stack.length > MAX_DEPTH || ++elements > MAX_ELEMENTS)
      fail('it is nested too deeply or has too many elements')
    stack.push({ name: tag.name.slice(tag.name.indexOf(':') + 1), children: [], text: '' })
  })
  const addText = (text: string) => {
    const top = stack.at(-1)
    if (top !== undefined) top.text += text
  }
  parser.on('text', addText)
  parser.on('cdata', addText)
  parser.on('closetag', () => {
    const element = stack.pop()
    if (element !== undefined) stack.at(-1)?.children.push(element)
  })
  parser.write(decodeUtf8(bytes)).close()
  const root = stack[0]?.children[0]
  if (root === undefined) return fail('it is empty')
  return root
}

/** @throws SealgateError MalformedXML if the element is there twice: which one counts would be a guess */
export function childText(element: XmlElement, name: string): string | undefined {
  const found = childrenOf(element, name)
  if (found.length > 1) fail(`there may be only one ${name}`)
  return found[0]?.text
}

export function childrenOf(element: XmlElement, name: string): readonly XmlElement[] {
  return element.children.filter((child) => child.name === name)
}

function decodeUtf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return fail('it is not UTF-8')
  }
}

function fail(reason: string): never {
  throw new SealgateError('MalformedXML', `The XML that you provided was not accepted: ${reason}.`)
}
