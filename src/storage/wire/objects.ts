import { isError, SealgateError } from '../../errors.ts'
import { checkKept, checkWriteCondition, conditionFailed } from '../capabilities.ts'
import {
  type ByteRange,
  type DeleteObjectRequest,
  type DeleteObjectResult,
  type GetObjectRequest,
  type GetObjectResult,
  type HeadObjectRequest,
  type ObjectName,
  OVERWRITTEN,
  type PutObjectRequest,
  type PutObjectResult,
  type StoredObject,
  type WriteCondition,
} from '../storage.ts'
import type { WireResponse } from './connections.ts'
import { answeredAt, attributeHeaders, readEtag, readSize, storedObject, versionOf } from './headers.ts'
import { markHeaders } from './mark-headers.ts'
import { missing, type Store, stored } from './store.ts'
import { storeFor } from './versioned-conditions.ts'
import { isVersionAsked, ofVersion } from './versions.ts'

export async function putObject(given: Store, request: PutObjectRequest): Promise<PutObjectResult> {
  const { condition, size, body, signal } = request
  const store = await storeFor(given, 'put', request.bucket, condition)
  checkWriteCondition(store.capabilities, 'put', condition)
  checkKept(store.capabilities, request.headers)
  const headers = await whenConditional(store, condition, request, () =>
    store.client.done({
      method: 'PUT',
      ...stored(store, request),
      headers: {
        ...attributeHeaders(store, request),
        ...markHeaders(request.marks),
        ...conditionHeaders(store, condition),
      },
      body: { size, body },
      idempotent: condition === undefined,
      signal,
    }),
  )
  store.known.remember(request.bucket)
  return { etag: readEtag(headers['etag']), lastModified: answeredAt(headers), ...versionOf(headers) }
}

export async function headObject(store: Store, request: HeadObjectRequest): Promise<StoredObject> {
  const { versionId, signal } = request
  const call = {
    method: 'HEAD',
    ...stored(store, request),
    query: { versionId },
    idempotent: true,
    signal,
  } as const
  try {
    const headers = await store.client.done(call)
    store.known.remember(request.bucket)
    if (!isVersionAsked(versionId, headers)) throw otherVersion()
    return storedObject(headers, readSize(headers['content-length']), versionId)
  } catch (error) {
    if (isError(error, 'NoSuchKey')) throw await missing(store, request, error)
    return ofVersion(request, Promise.reject(error))
  }
}

function otherVersion(): SealgateError {
  return wrongAnswer('another version than the one asked')
}

export async function getObject(store: Store, request: GetObjectRequest): Promise<GetObjectResult> {
  const { range, versionId, ifMatch, signal } = request
  try {
    const response = await store.client.send({
      method: 'GET',
      ...stored(store, request),
      query: { versionId },
      headers: {
        ...(range === undefined ? {} : { range: rangeHeader(range) }),
        ...(ifMatch === undefined ? {} : { 'if-match': `"${ifMatch}"` }),
      },
      idempotent: true,
      signal,
    })
    store.known.remember(request.bucket)
    return readObject(response, request)
  } catch (error) {
    if (ifMatch !== undefined && isError(error, 'PreconditionFailed')) throw overwritten(error)
    // The last bytes of nothing: S3 has no answer for that but the object itself.
    if (range !== undefined && 'suffix' in range && isError(error, 'InvalidRange'))
      return getObject(store, { ...request, range: undefined })
    return ofVersion(request, Promise.reject(error))
  }
}

function rangeHeader(range: ByteRange): string {
  return 'suffix' in range ? `bytes=-${range.suffix}` : `bytes=${range.start}-${range.end}`
}

/** An answer that is not exactly what was asked is none: what follows is arithmetic on these offsets. */
function readObject(response: WireResponse, { range, versionId }: GetObjectRequest): GetObjectResult {
  const { status, headers, body } = response
  try {
    if (!isVersionAsked(versionId, headers)) throw otherVersion()
    const length = readSize(headers['content-length'])
    if (range === undefined) {
      if (status !== 200) throw wrongAnswer(`status ${status} to a GET without a range`)
      return { object: storedObject(headers, length, versionId), start: 0, end: length - 1, body }
    }
    const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(headers['content-range'] ?? '')
    if (status !== 206 || match === null) throw wrongAnswer(`status ${status} to a GET with a range`)
    const [start = 0, end = 0, size = 0] = match.slice(1).map(Number)
    const [first, last] =
      'suffix' in range
        ? [Math.max(0, size - range.suffix), size - 1]
        : [range.start, Math.min(range.end, size - 1)]
    if (start !== first || end !== last || length !== end - start + 1)
      throw wrongAnswer('another range than the one asked')
    return { object: storedObject(headers, size, versionId), start, end, body }
  } catch (error) {
    body.destroy()
    throw error
  }
}

function wrongAnswer(reason: string): SealgateError {
  return new SealgateError('ObjectIntegrityError', undefined, { reason: `the store answered ${reason}` })
}

export async function deleteObject(given: Store, request: DeleteObjectRequest): Promise<DeleteObjectResult> {
  const { versionId, ifMatch, bypassGovernance = false, signal } = request
  const condition = ifMatch === undefined ? undefined : { ifMatch }
  const store = await storeFor(given, 'delete', request.bucket, condition)
  checkWriteCondition(store.capabilities, 'delete', condition)
  try {
    const headers = await whenConditional(store, condition, request, () =>
      store.client.done({
        method: 'DELETE',
        ...stored(store, request),
        query: { versionId },
        headers: {
          ...conditionHeaders(store, condition),
          ...(bypassGovernance ? { 'x-amz-bypass-governance-retention': 'true' } : {}),
        },
        idempotent: condition === undefined,
        signal,
      }),
    )
    return { versionId, ...versionOf(headers), isDeleteMarker: headers['x-amz-delete-marker'] === 'true' }
  } catch (error) {
    // Some stores say so of what was not there.
    if (ifMatch === undefined && isError(error, 'NoSuchKey', 'NoSuchVersion'))
      return { versionId, isDeleteMarker: false }
    return ofVersion(request, Promise.reject(error))
  }
}

export function conditionHeaders(
  { capabilities }: Store,
  condition: WriteCondition | undefined,
): Record<string, string> {
  if (condition === undefined) return {}
  if ('ifNoneMatch' in condition) return { 'if-none-match': '*' }
  if (condition.ifMatch === '*') return { 'if-match': '*' }
  return { 'if-match': capabilities.bareIfMatch ? condition.ifMatch : `"${condition.ifMatch}"` }
}

/** A condition that fails says which; If-Match on a key that is not there is NoSuchKey, and some stores have to be asked. */
export async function whenConditional<T>(
  store: Store,
  condition: WriteCondition | undefined,
  name: ObjectName,
  write: () => Promise<T>,
): Promise<T> {
  try {
    return await write()
  } catch (error) {
    if (condition === undefined || !isError(error, 'PreconditionFailed')) throw error
    if ('ifMatch' in condition) await headObject(store, { bucket: name.bucket, key: name.key })
    throw conditionFailed('ifMatch' in condition ? 'If-Match' : 'If-None-Match', error)
  }
}

export function overwritten(cause: unknown): SealgateError {
  return new SealgateError('PreconditionFailed', undefined, { cause, reason: OVERWRITTEN })
}
