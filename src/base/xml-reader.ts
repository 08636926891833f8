import { SaxesParser } from 'saxes'

/** An element of a document. Namespaces are dropped: S3's clients and servers send S3's or none. */
export interface XmlElement {
  readonly name: string
  readonly children: readonly XmlElement[]
  readonly text: string
  /** xsi:type, the one attribute that S3's documents have. */
  readonly type?: string | undefined
}

/** An element with text, or with others in it. */
export function xmlElement(name: string, content: string | readonly XmlElement[]): XmlElement {
  return typeof content === 'string'
    ? { name, children: [], text: content }
    : { name, children: content, text: '' }
}

const MAX_DEPTH = 8
const MAX_ELEMENTS = 100_000

/**
 * Reads a small document strictly; document types (and so entities) are refused, as are depth and number beyond what S3 needs.
 * `refuse` throws the error of what is wrong. The caller has bounded the bytes.
 */
export function readXml(bytes: Buffer, refuse: (reason: string) => never): XmlElement {
  const parser = new SaxesParser()
  const stack: { name: string; children: XmlElement[]; text: string; type?: string | undefined }[] = [
    { name: '', children: [], text: '' },
  ]
  let elements = 0
  parser.on('doctype', () => refuse('a document type is not accepted'))
  parser.on('error', () => refuse('it is not well formed'))
  parser.on('opentag', (tag) => {
    if (stack.length > MAX_DEPTH || ++elements > MAX_ELEMENTS)
      refuse('it is nested too deeply or has too many elements')
    stack.push({
      name: tag.name.slice(tag.name.indexOf(':') + 1),
      children: [],
      text: '',
      type: (tag.attributes as Readonly<Record<string, string>>)['xsi:type'],
    })
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
  parser.write(decodeUtf8(bytes, refuse)).close()
  const root = stack[0]?.children[0]
  if (root === undefined) return refuse('it is empty')
  return root
}

export function childText(element: XmlElement, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text
}

export function childrenOf(element: XmlElement, name: string): readonly XmlElement[] {
  return element.children.filter((child) => child.name === name)
}

function decodeUtf8(bytes: Buffer, refuse: (reason: string) => never): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return refuse('it is not UTF-8')
  }
}
