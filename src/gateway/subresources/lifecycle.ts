import { childrenOf, childText, type XmlElement, xmlElement } from '../../base/xml-reader.ts'
import { SealgateError } from '../../errors.ts'

const MOST_ID_LENGTH = 255

const ACTIONS = [
  'Expiration',
  'Transition',
  'NoncurrentVersionTransition',
  'NoncurrentVersionExpiration',
  'AbortIncompleteMultipartUpload',
]

/**
 * What would make a rule another one than its author meant: what narrows it is said twice, or it does nothing. Days and dates are the store's to
 * judge.
 */
export function checkLifecycle(document: XmlElement): XmlElement {
  const ids = new Set<string>()
  for (const rule of childrenOf(document, 'Rule')) {
    const id = childText(rule, 'ID') ?? ''
    if (id.length > MOST_ID_LENGTH)
      throw new SealgateError(
        'InvalidArgument',
        `ID length should not exceed allowed limit of ${MOST_ID_LENGTH}`,
        {
          details: { ArgumentName: 'ID', ArgumentValue: id.slice(0, 256) },
        },
      )
    if (id !== '' && ids.has(id))
      throw new SealgateError(
        'InvalidArgument',
        'Rule ID must be unique. Found same ID for more than one rule',
        {
          details: { ArgumentName: 'ID', ArgumentValue: id },
        },
      )
    ids.add(id)
    if (!rule.children.some(({ name }) => ACTIONS.includes(name)))
      throw new SealgateError('InvalidRequest', 'At least one action needs to be specified in a rule.')
    checkFilter(rule)
  }
  return document
}

function checkFilter(rule: XmlElement): void {
  const [filter] = childrenOf(rule, 'Filter')
  const hasPrefix = childrenOf(rule, 'Prefix').length > 0
  if (filter === undefined ? !hasPrefix : hasPrefix)
    throw malformed('a Rule has either a Filter or a Prefix of its own')
  if (filter === undefined) return
  if (filter.children.length > 1) throw malformed('what a Filter holds besides one condition stands in And')
  const [and] = childrenOf(filter, 'And')
  if (and !== undefined && and.children.length < 2) throw malformed('And joins two conditions or more')
  const [above, below] = ['ObjectSizeGreaterThan', 'ObjectSizeLessThan'].map((name) =>
    Number(childText(and ?? filter, name) ?? Number.NaN),
  )
  if (above !== undefined && below !== undefined && below <= above)
    throw new SealgateError(
      'InvalidRequest',
      "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.",
    )
}

/** As S3 shows it: some stores answer several conditions without the And that joins them. */
export function shownLifecycle(element: XmlElement): XmlElement {
  const { name, children } = element
  if (name === 'Filter' && children.length > 1) return xmlElement('Filter', [xmlElement('And', children)])
  return name === 'And' ? element : { ...element, children: children.map(shownLifecycle) }
}

function malformed(reason: string): SealgateError {
  return new SealgateError('MalformedXML', `The XML that you provided was not accepted: ${reason}.`)
}
