import type { XmlElement } from '../../base/xml-reader.ts'
import { SealgateError } from '../../errors.ts'
import type { Gateway } from '../gateway.ts'
import { getSubresource } from './subresource.ts'
import { SUBRESOURCES } from './table.ts'

/** The document of a bucket's CORS rules. */
export async function readCors(gateway: Gateway, bucket: string): Promise<XmlElement> {
  const resource = SUBRESOURCES.find(({ name }) => name === 'cors')
  const document = resource && (await getSubresource(gateway, { resource, bucket })).document
  if (document === undefined || typeof document === 'string')
    throw new SealgateError('NoSuchCORSConfiguration')
  return document
}
