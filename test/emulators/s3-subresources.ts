/**
 * The sub-resources of an S3 server: documents that are kept with buckets and objects as they came, under the digest that must come with
 * them, and answered with S3's code for each that is not there.
 */
import { readXml, type XmlElement, xmlElement } from '../../src/base/xml-reader.ts'
import { writeXml } from '../../src/base/xml-writer.ts'
import { type ErrorKind, SealgateError } from '../../src/errors.ts'

const MISSING: Readonly<Record<string, ErrorKind>> = {
  analytics: 'NoSuchConfiguration',
  cors: 'NoSuchCORSConfiguration',
  inventory: 'NoSuchConfiguration',
  'legal-hold': 'NoSuchObjectLockConfiguration',
  lifecycle: 'NoSuchLifecycleConfiguration',
  metrics: 'NoSuchConfiguration',
  'intelligent-tiering': 'NoSuchConfiguration',
  'object-lock': 'ObjectLockConfigurationNotFoundError',
  ownershipControls: 'OwnershipControlsNotFoundError',
  policy: 'NoSuchBucketPolicy',
  publicAccessBlock: 'NoSuchPublicAccessBlockConfiguration',
  replication: 'ReplicationConfigurationNotFoundError',
  retention: 'NoSuchObjectLockConfiguration',
  tagging: 'NoSuchTagSet',
  website: 'NoSuchWebsiteConfiguration',
}

/** What S3 answers where nothing was set. */
const EMPTY: Readonly<Record<string, XmlElement>> = {
  accelerate: xmlElement('AccelerateConfiguration', []),
  logging: xmlElement('BucketLoggingStatus', []),
  notification: xmlElement('NotificationConfiguration', []),
  requestPayment: xmlElement('RequestPaymentConfiguration', [xmlElement('Payer', 'BucketOwner')]),
  acl: xmlElement('AccessControlPolicy', [
    xmlElement('Owner', [xmlElement('ID', 'store-owner')]),
    xmlElement('AccessControlList', []),
  ]),
}

export const SUBRESOURCE_NAMES: readonly string[] = [...Object.keys(MISSING), ...Object.keys(EMPTY)]

export interface SubresourceCall {
  readonly bucket: string
  readonly key: string
  readonly name: string
  /** Of those that a bucket has several of; of an object's, the version. */
  readonly id: string | undefined
}

export interface KeptDocument {
  readonly text: string
  readonly headers: Readonly<Record<string, string>>
}

export class KeptSubresources {
  readonly #kept = new Map<string, KeptDocument>()
  /** Elements that the server does not know, and drops. */
  readonly #unknown: readonly string[]

  constructor(unknown: readonly string[] = []) {
    this.#unknown = unknown
  }

  get(call: SubresourceCall): KeptDocument {
    const { bucket, name, id } = call
    const kept = this.#kept.get(place(call))
    if (kept !== undefined) return kept
    if (LISTED.includes(name) && id === undefined) return { text: this.#list(bucket, name), headers: {} }
    const empty = EMPTY[name]
    if (empty === undefined) throw new SealgateError(MISSING[name] ?? 'NoSuchConfiguration')
    return { text: writeXml(empty), headers: {} }
  }

  put(call: SubresourceCall, bytes: Buffer, headers: Readonly<Record<string, string>> = {}): void {
    const text = call.name === 'policy' || bytes.length === 0 ? bytes.toString() : this.#known(bytes)
    this.#kept.set(place(call), { text, headers })
  }

  remove(call: SubresourceCall): void {
    this.#kept.delete(place(call))
  }

  /** With the bucket. */
  forget(bucket: string): void {
    for (const at of this.#kept.keys()) if (at.startsWith(`${bucket}\0`)) this.#kept.delete(at)
  }

  has(call: SubresourceCall): boolean {
    return this.#kept.has(place(call))
  }

  #known(bytes: Buffer): string {
    return writeXml(this.#without(parse(bytes)))
  }

  #without(element: XmlElement): XmlElement {
    const children = element.children.filter(({ name }) => !this.#unknown.includes(name))
    return { ...element, children: children.map((child) => this.#without(child)) }
  }

  #list(bucket: string, name: string): string {
    const all = [...this.#kept].filter(([at]) => at.startsWith(`${bucket}\0\0${name}\0`))
    const documents = all.map(([, { text }]) => parse(Buffer.from(text)))
    return writeXml(xmlElement('ListResult', [...documents, xmlElement('IsTruncated', 'false')]))
  }
}

const LISTED = ['analytics', 'inventory', 'metrics', 'intelligent-tiering']

function place({ bucket, key, name, id = '' }: SubresourceCall): string {
  return `${bucket}\0${key}\0${name}\0${id}`
}

function parse(bytes: Buffer): XmlElement {
  return readXml(bytes, (reason) => {
    throw new SealgateError('MalformedXML', reason)
  })
}
