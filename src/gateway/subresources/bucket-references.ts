import { type XmlElement, xmlElement } from '../../base/xml-reader.ts'
import { SealgateError } from '../../errors.ts'
import type { Subresource } from './table.ts'

/** Documents that name other buckets, where something of this one is to go. */
const REFERRING = ['replication', 'logging', 'inventory', 'analytics']

/**
 * The document with the names of buckets as the other side knows them. One that has none there stays as it is: it was not set through the
 * gateway.
 */
export function bucketsIn(
  { name }: Subresource,
  document: XmlElement,
  rename: (bucket: string) => string | null,
): XmlElement {
  return REFERRING.includes(name) ? walk(document, rename) : document
}

function walk(element: XmlElement, rename: (bucket: string) => string | null): XmlElement {
  const { name, text, children } = element
  if (name === 'TargetBucket') return xmlElement(name, rename(text) ?? text)
  if (name === 'Bucket') return xmlElement(name, renameArn(text, rename))
  return { ...element, children: children.map((child) => walk(child, rename)) }
}

function renameArn(arn: string, rename: (bucket: string) => string | null): string {
  const [, head = '', bucket = ''] = BUCKET_ARN.exec(arn) ?? []
  if (bucket === '')
    throw new SealgateError('InvalidArgument', 'A bucket is named by arn:aws:s3:::NAME here.', {
      details: { ArgumentName: 'Bucket', ArgumentValue: arn },
    })
  return head + (rename(bucket) ?? bucket)
}

export const BUCKET_ARN = /^(arn:[a-z-]{1,20}:s3:::)([A-Za-z0-9._-]{3,63})$/
