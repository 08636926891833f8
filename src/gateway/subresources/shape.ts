import { childrenOf, type XmlElement, xmlElement } from '../../base/xml-reader.ts'
import { SealgateError } from '../../errors.ts'

/**
 * What a document may hold, as its table in the S3 API reference has it: the text of an element, or its children by name, each followed by
 * `?` (may be missing), `*` (any number) or `+` (one or more), as in a DTD. `@` is its xsi:type.
 */
export type Shape = RegExp | { readonly [child: string]: Shape }

/** Whose document it is: a client's must fit; of a store's, whatever has no place here is left out. */
export type Origin = 'client' | 'store'

const MAX_REPEATED = 1000

/**
 * The document, built anew from nothing but what the shape names, in its order.
 * @throws SealgateError MalformedXML for a client's, ServiceUnavailable for a store's that makes no sense
 */
export function fit(element: XmlElement, shape: Shape, from: Origin): XmlElement {
  const { name } = element
  if (shape instanceof RegExp) return xmlElement(name, fitText(element, shape, from))
  const { '@': type, ...elements } = shape
  const children: XmlElement[] = []
  for (const [key, inner] of Object.entries(elements)) {
    const child = nameOf(key)
    const found = childrenOf(element, child)
    checkNumber(`${name}/${child}`, found.length, key.slice(child.length), from)
    children.push(...found.map((one) => fit(one, inner, from)))
  }
  if (from === 'client') refuseOthers(element, Object.keys(elements).map(nameOf))
  const fitted = xmlElement(name, children)
  return type === undefined ? fitted : { ...fitted, type: fitType(element, type as RegExp, from) }
}

function nameOf(key: string): string {
  return key.replace(/[?*+]$/, '')
}

/** People indent their documents; blanks that belong to a text fit as they are. */
function fitText({ name, text, children }: XmlElement, shape: RegExp, from: Origin): string {
  if (children.length === 0) {
    if (shape.test(text)) return text
    const trimmed = text.trim()
    if (shape.test(trimmed)) return trimmed
  }
  throw unfit(from, `${name} has a value that is not allowed there`)
}

function fitType({ name, type }: XmlElement, shape: RegExp, from: Origin): string {
  if (type === undefined || !shape.test(type)) throw unfit(from, `${name} has no xsi:type that is known`)
  return type
}

/** A store may leave out what it holds to be understood. */
function checkNumber(what: string, count: number, mark: string, from: Origin): void {
  const most = mark === '*' || mark === '+' ? MAX_REPEATED : 1
  if (count > most) throw unfit(from, `${what} is there more than ${most === 1 ? 'once' : `${most} times`}`)
  const least = from === 'client' && (mark === '' || mark === '+') ? 1 : 0
  if (count < least) throw unfit(from, `${what} is missing`)
}

function refuseOthers({ name, children }: XmlElement, known: readonly string[]): void {
  const other = children.find((child) => !known.includes(child.name))
  if (other !== undefined) throw unfit('client', `${name} has no element ${other.name} here`)
}

function unfit(from: Origin, reason: string): SealgateError {
  if (from === 'client')
    return new SealgateError('MalformedXML', `The XML that you provided was not accepted: ${reason}.`)
  return new SealgateError('ServiceUnavailable', undefined, {
    reason: `the store's document makes no sense: ${reason}`,
    headers: { 'retry-after': '1' },
  })
}
