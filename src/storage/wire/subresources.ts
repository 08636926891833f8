import { createHash } from 'node:crypto'
import type { XmlElement } from '../../base/xml-reader.ts'
import { readXml } from '../../base/xml-reader.ts'
import { writeXml } from '../../base/xml-writer.ts'
import { isError, SealgateError } from '../../errors.ts'
import type {
  AnswerHeaders,
  SubresourceAnswer,
  SubresourceDocument,
  SubresourceRequest,
  Subresources,
} from '../subresources.ts'
import { taggingDocument } from '../tagging.ts'
import type { StoreCall } from './call.ts'
import { badAnswer } from './errors.ts'
import { type Store, stored } from './store.ts'
import { ofVersion } from './versions.ts'

/** The largest is a thousand rules. */
const MAX_DOCUMENT_BYTES = 1024 * 1024

export function subresourcesOf(store: Store): Subresources {
  return {
    keeps: (on, name) => store.client.dialect.keeps(on, name),
    readSubresource: (request) => readSubresource(store, request),
    writeSubresource: (request, document) => writeSubresource(store, request, document),
    removeSubresource: (request) => removeSubresource(store, request),
    storedBucket: (bucket) => store.names.stored(bucket),
    shownBucket: (stored) => store.names.shown(stored),
  }
}

async function readSubresource(store: Store, request: SubresourceRequest): Promise<SubresourceAnswer> {
  const read = store.client.document({ ...call(store, request), method: 'GET', idempotent: true })
  const answer = await named(request, read).catch((error: unknown) => {
    // Of an object S3 says that by a document without tags.
    if (request.key !== undefined && isError(error, 'NoSuchTagSet')) return null
    throw error
  })
  if (answer === null) return { document: taggingDocument([]), headers: {} }
  const { bytes, headers } = answer
  if (bytes.length > MAX_DOCUMENT_BYTES) throw badAnswer(`a ${request.name} of ${bytes.length} bytes`)
  return { document: parse(request, bytes), headers }
}

function parse({ name }: SubresourceRequest, bytes: Buffer): SubresourceDocument {
  if (bytes.length === 0) return null
  if (name === 'policy') return bytes.toString()
  const root: XmlElement = readXml(bytes, (reason) => {
    throw badAnswer(reason)
  })
  return root
}

/** Many servers want the MD5 of such a document, and some nothing but that. */
async function writeSubresource(
  store: Store,
  request: SubresourceRequest,
  document: SubresourceDocument,
): Promise<AnswerHeaders> {
  const body = Buffer.from(
    document === null ? '' : typeof document === 'string' ? document : writeXml(document),
  )
  const put = call(store, request)
  const headers = {
    ...put.headers,
    'content-md5': createHash('md5').update(body).digest('base64'),
    ...(document === null
      ? {}
      : { 'content-type': typeof document === 'string' ? 'application/json' : 'application/xml' }),
  }
  return named(request, store.client.done({ ...put, method: 'PUT', headers, body, idempotent: true }))
}

async function removeSubresource(store: Store, request: SubresourceRequest): Promise<AnswerHeaders> {
  const isOfTags = request.key !== undefined && request.name === 'tagging'
  if (isOfTags && !store.client.dialect.deletesTags)
    return writeSubresource(store, request, taggingDocument([]))
  return named(request, store.client.done({ ...call(store, request), method: 'DELETE', idempotent: true }))
}

function call(
  store: Store,
  { bucket, key, versionId, name, query, headers, signal }: SubresourceRequest,
): Omit<StoreCall, 'method' | 'idempotent'> {
  const where = key === undefined ? { bucket: store.names.stored(bucket) } : stored(store, { bucket, key })
  return {
    ...where,
    query: { [name]: '', versionId, ...query },
    headers,
    ofClient: true,
    signal,
  }
}

/** A bucket has no key: where a server only says that something is not there, it is the document. */
async function named<T>(request: SubresourceRequest, work: Promise<T>): Promise<T> {
  const { bucket, key, versionId, name } = request
  try {
    return await (key === undefined ? work : ofVersion({ bucket, key, versionId }, work))
  } catch (error) {
    if (isError(error, 'NotImplemented', 'MethodNotAllowed'))
      throw new SealgateError(
        'NotImplemented',
        `The storage behind the gateway does not implement the sub-resource ${name}.`,
        { cause: error, reason: error.reason ?? '' },
      )
    // Some servers have one code for both.
    if (key !== undefined && isError(error, 'ObjectLockConfigurationNotFoundError'))
      throw new SealgateError('NoSuchObjectLockConfiguration', undefined, { cause: error })
    if (!isError(error, 'NoSuchBucket') || key !== undefined) throw error
    throw new SealgateError('NoSuchBucket', undefined, { cause: error, details: { BucketName: bucket } })
  }
}
