import type { XmlElement } from '../../base/xml-reader.ts'
import { isError, SealgateError } from '../../errors.ts'
import type {
  AnswerHeaders,
  SubresourceAnswer,
  SubresourceRequest,
  Subresources,
} from '../../storage/subresources.ts'
import type { Gateway } from '../gateway.ts'
import { checkBucket } from '../names.ts'
import { storedVersion } from '../object-version.ts'
import { bucketsIn } from './bucket-references.ts'
import { shownLifecycle } from './lifecycle.ts'
import { hasSizes, plainSizes, storedSizes } from './lifecycle-sizes.ts'
import { readPolicy, writePolicy } from './policy.ts'
import { putSized } from './put-sized-lifecycle.ts'
import { fit, type Shape } from './shape.ts'
import type { Subresource } from './table.ts'

export interface SubresourceInput {
  readonly resource: Subresource
  readonly bucket: string
  /** Of the sub-resources of objects. */
  readonly key?: string | undefined
  readonly versionId?: string | undefined
  /** Of the listed ones. */
  readonly id?: string | undefined
  readonly continuationToken?: string | undefined
  /** Already those that the table names. */
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
}

/** XML, or the text of a policy. */
export type ClientDocument = XmlElement | string

export interface SubresourceOutput {
  readonly document: ClientDocument
  readonly headers: Readonly<Record<string, string>>
}

/** What the store answers, built anew from what the sub-resource may hold: nothing else of it reaches a client. */
export async function getSubresource(gateway: Gateway, input: SubresourceInput): Promise<SubresourceOutput> {
  const { resource, bucket } = input
  const store = storeOf(gateway, input)
  const answer = await namedMissing(resource, store.readSubresource(requestOf(gateway, input)))
  if (resource.shape === null) {
    if (typeof answer.document !== 'string') throw new SealgateError(resource.missing)
    return { document: readPolicy(store, bucket, answer.document), headers: {} }
  }
  const { root, listed } = resource
  const isList = listed !== undefined && input.id === undefined
  const document = isList
    ? listOf(listed, root, resource.shape, answer)
    : fitAnswer(resource, resource.shape, answer)
  return {
    document: bucketsIn(
      resource,
      resource.name === 'lifecycle' ? shownLifecycle(plainSizes(document)) : document,
      (name) => store.shownBucket(name),
    ),
    headers: shownHeaders(resource, answer.headers),
  }
}

/** A client's document, checked, and built anew for the store. */
export async function putSubresource(
  gateway: Gateway,
  input: SubresourceInput,
  document: ClientDocument | null,
): Promise<SubresourceOutput['headers']> {
  const headers = await write(gateway, input, document)
  if (input.resource.name === 'cors') gateway.cors.forget(input.bucket)
  return shownHeaders(input.resource, headers)
}

async function write(
  gateway: Gateway,
  input: SubresourceInput,
  document: ClientDocument | null,
): Promise<AnswerHeaders> {
  const { resource, bucket } = input
  const store = storeOf(gateway, input)
  const request = requestOf(gateway, input)
  if (typeof document === 'string')
    return namedMissing(resource, store.writeSubresource(request, writePolicy(store, bucket, document)))
  if (document === null || resource.shape === null)
    return namedMissing(resource, store.writeSubresource(request, null))
  if (document.name !== resource.root)
    throw new SealgateError('MalformedXML', `The root of this document is ${resource.root}.`)
  const fitted = fit(document, resource.shape, 'client')
  const checked = resource.check?.(fitted) ?? fitted
  const stored = bucketsIn(resource, checked, (name) => {
    checkBucket(gateway, name)
    return store.storedBucket(name)
  })
  const isSized = resource.name === 'lifecycle' && hasSizes(stored)
  if (isSized && gateway.plaintext.reads(bucket)) throw mixedSizes()
  if (isSized) return namedMissing(resource, putSized(store, request, storedSizes(stored)))
  return namedMissing(resource, store.writeSubresource(request, stored))
}

/** Succeeds also if nothing is there. */
export async function deleteSubresource(
  gateway: Gateway,
  input: SubresourceInput,
): Promise<SubresourceOutput['headers']> {
  const { resource } = input
  const store = storeOf(gateway, input)
  let headers: AnswerHeaders = {}
  try {
    headers = await namedMissing(resource, store.removeSubresource(requestOf(gateway, input)))
  } catch (error) {
    const isThere = resource.missing === 'NoSuchKey' || resource.missing === 'NoSuchBucket'
    if (isThere || !isError(error, resource.missing)) throw error
  }
  if (resource.name === 'cors') gateway.cors.forget(input.bucket)
  return shownHeaders(resource, headers)
}

/** Throws NotImplemented for what the store does not keep: before a document is read. */
export function requireSubresource(gateway: Gateway, input: SubresourceInput): void {
  storeOf(gateway, input)
}

/** The store's power, if it has it, for a bucket that clients may name. */
function storeOf(gateway: Gateway, { resource, bucket }: SubresourceInput): Subresources {
  checkBucket(gateway, bucket)
  const { subresources } = gateway.storage
  if (subresources?.keeps(resource.on, resource.name) === true) return subresources
  throw new SealgateError(
    'NotImplemented',
    `The storage behind the gateway does not implement the sub-resource ${resource.name}.`,
  )
}

function requestOf(gateway: Gateway, input: SubresourceInput): SubresourceRequest {
  const { resource, bucket, key, id, continuationToken, headers, signal } = input
  const versionId = storedVersion(gateway, input.versionId)
  return {
    ...{ bucket, key, versionId, name: resource.name, headers, signal },
    query: {
      ...(id === undefined ? {} : { id }),
      ...(continuationToken === undefined ? {} : { 'continuation-token': continuationToken }),
    },
  }
}

function fitAnswer(
  { root, otherRoot = root }: Subresource,
  shape: Shape,
  { document }: SubresourceAnswer,
): XmlElement {
  if (document === null || typeof document === 'string') throw senseless(root)
  if (document.name !== root && document.name !== otherRoot) throw senseless(root)
  return fit({ ...document, name: root }, shape, 'store')
}

/** A page of documents. */
function listOf(listed: string, root: string, shape: Shape, { document }: SubresourceAnswer): XmlElement {
  if (document === null || typeof document === 'string') throw senseless(listed)
  const page: Shape = {
    [`${root}*`]: shape,
    'IsTruncated?': /^(true|false)$/,
    'ContinuationToken?': /^[!-~]{0,1024}$/,
    'NextContinuationToken?': /^[!-~]{0,1024}$/,
  }
  return fit({ ...document, name: listed }, page, 'store')
}

function mixedSizes(): SealgateError {
  return new SealgateError(
    'NotImplemented',
    'This bucket may hold objects that are not sealed (plaintext: read), whose stored length is another function of their size: ObjectSizeGreaterThan and ObjectSizeLessThan would act on the wrong ones.',
  )
}

function senseless(root: string): SealgateError {
  return new SealgateError('ServiceUnavailable', undefined, {
    reason: `the store's answer is no document ${root}`,
    headers: { 'retry-after': '1' },
  })
}

const OF_OBJECTS = { 'x-amz-version-id': /^[!-~]{1,1024}$/ }

function shownHeaders({ on, shown = {} }: Subresource, headers: AnswerHeaders): Record<string, string> {
  const known = on === 'object' ? OF_OBJECTS : shown
  return Object.fromEntries(
    Object.entries(known).flatMap(([name, pattern]) => {
      const value = headers[name]
      return value !== undefined && pattern.test(value) ? [[name, value]] : []
    }),
  )
}

/** S3 has a code of its own for each document that is not there, and not every store knows it. */
async function namedMissing<T>({ on, missing }: Subresource, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (on === 'object' || !isError(error, 'NoSuchKey')) throw error
    throw new SealgateError(missing, undefined, { cause: error, reason: error.reason ?? '' })
  }
}
