import { childrenOf, type XmlElement } from '../../base/xml-reader.ts'
import { SealgateError } from '../../errors.ts'

const MOST_RULES = 100

/** S3's own limits on CORS rules (Amazon S3 User Guide, "Elements of a CORS configuration"). */
export function checkCors(document: XmlElement): XmlElement {
  const rules = childrenOf(document, 'CORSRule')
  if (rules.length > MOST_RULES)
    throw new SealgateError('InvalidRequest', `The number of CORS rules should not exceed ${MOST_RULES}.`)
  for (const rule of rules) {
    for (const [name, shown] of [
      ['AllowedOrigin', 'AllowedOrigin'],
      ['AllowedHeader', 'AllowedHeader'],
    ] as const)
      for (const { text } of childrenOf(rule, name))
        if (text.split('*').length > 2)
          throw new SealgateError('InvalidRequest', `${shown} "${text}" can not have more than one wildcard.`)
  }
  return document
}
