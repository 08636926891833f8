import { childrenOf, childText, type XmlElement } from '../../base/xml-reader.ts'
import { SealgateError } from '../../errors.ts'

const MOST_DAYS = 36_500

/** PutObjectLockConfiguration: a default retention has a mode, and days or years. */
export function checkObjectLock(document: XmlElement): XmlElement {
  if (childText(document, 'ObjectLockEnabled') === undefined)
    throw malformed('ObjectLockConfiguration/ObjectLockEnabled is missing')
  const [rule] = childrenOf(document, 'Rule')
  if (rule === undefined) return document
  const [retention] = childrenOf(rule, 'DefaultRetention')
  const mode = retention === undefined ? undefined : childText(retention, 'Mode')
  const periods = ['Days', 'Years'].flatMap((name) => {
    const text = retention === undefined ? undefined : childText(retention, name)
    return text === undefined ? [] : [{ name, count: Number(text) }]
  })
  const [period] = periods
  if (mode === undefined || period === undefined || periods.length > 1)
    throw malformed('DefaultRetention has a Mode, and either Days or Years')
  const days = period.name === 'Days' ? period.count : period.count * 365
  if (days < 1)
    throw new SealgateError('InvalidArgument', 'Default retention period must be a positive integer value.', {
      details: { ArgumentName: period.name, ArgumentValue: String(period.count) },
    })
  if (days > MOST_DAYS)
    throw new SealgateError(
      'InvalidArgument',
      `Default retention period is too large (at most ${MOST_DAYS} days).`,
    )
  return document
}

/** PutObjectRetention: mode and date, or neither, which takes a governance retention away. */
export function checkRetention(document: XmlElement): XmlElement {
  const [mode, until] = [childText(document, 'Mode'), childText(document, 'RetainUntilDate')]
  if ((mode === undefined) !== (until === undefined))
    throw malformed('Retention has Mode and RetainUntilDate, or neither')
  if (until !== undefined && !(Date.parse(until) > Date.now()))
    throw new SealgateError('InvalidArgument', 'The retain until date must be in the future!', {
      details: { ArgumentName: 'RetainUntilDate', ArgumentValue: until },
    })
  return document
}

function malformed(reason: string): SealgateError {
  return new SealgateError('MalformedXML', `The XML that you provided was not accepted: ${reason}.`)
}
