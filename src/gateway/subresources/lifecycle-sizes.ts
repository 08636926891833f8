import { childrenOf, type XmlElement, xmlElement } from '../../base/xml-reader.ts'
import { maxPlainSize, storedSize } from '../../envelope/index.ts'
import { SealgateError } from '../../errors.ts'

/*
 * Sizes in lifecycle rules mean plaintext to clients, and a store knows sealed objects. The stored length is a strictly increasing function L of the
 * plaintext length (FORMAT.md section 3), so each bound has one at the store that lets through exactly the same objects.
 */

const GREATER = 'ObjectSizeGreaterThan'
const LESS = 'ObjectSizeLessThan'
/** S3's own largest object, with room above: rules name sizes that no object has. */
const MAX_BOUND = 2 ** 51
const SMALLEST = storedSize(0)

export function hasSizes(lifecycle: XmlElement): boolean {
  return bounds(lifecycle).length > 0
}

/** For the store: P > g exactly if L(P) > L(g), and P < l exactly if L(P) < L(l). */
export function storedSizes(lifecycle: XmlElement): XmlElement {
  return mapSizes(lifecycle, (name, bytes) => {
    if (bytes > MAX_BOUND)
      throw new SealgateError('InvalidArgument', `${name} is larger than any object can be.`, {
        details: { ArgumentName: name, ArgumentValue: String(bytes) },
      })
    return storedSize(bytes)
  })
}

/**
 * For clients, also of rules that did not come through the gateway: the plaintext bound that lets through the same sealed objects. A lower bound that
 * every sealed object is above says nothing, and is left out.
 */
export function plainSizes(lifecycle: XmlElement): XmlElement {
  return mapSizes(lifecycle, (name, bytes) => {
    const bound = Math.min(bytes, storedSize(MAX_BOUND))
    if (name === GREATER) return bound < SMALLEST ? null : maxPlainSize(bound)
    return bound <= SMALLEST ? 0 : maxPlainSize(bound - 1) + 1
  })
}

type Bound = typeof GREATER | typeof LESS

function mapSizes(element: XmlElement, map: (name: Bound, bytes: number) => number | null): XmlElement {
  const { name, text, children } = element
  if (name === GREATER || name === LESS) return xmlElement(name, String(map(name, Number(text)) ?? ''))
  if (children.length === 0) return element
  const mapped = children.map((child) => mapSizes(child, map))
  return { ...element, children: mapped.filter((child) => child.name !== GREATER || child.text !== '') }
}

/** Whether the store gave back every bound that it was given: a rule that loses one acts on more than it should. */
export function keepsSizes(given: XmlElement, kept: XmlElement): boolean {
  return boundsByRule(given).join('; ') === boundsByRule(kept).join('; ')
}

function boundsByRule(lifecycle: XmlElement): readonly string[] {
  return childrenOf(lifecycle, 'Rule')
    .map((rule) =>
      bounds(rule)
        .map(({ name, text }) => `${name} ${Number(text)}`)
        .sort()
        .join(),
    )
    .sort()
}

function bounds({ name, text, children }: XmlElement): readonly XmlElement[] {
  if (name === GREATER || name === LESS) return [xmlElement(name, text)]
  return children.flatMap(bounds)
}
