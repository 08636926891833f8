import { setTimeout as sleep } from 'node:timers/promises'
import { childText } from '../../base/xml-reader.ts'
import { isError, SealgateError } from '../../errors.ts'
import { checkKept, checkPartNumbers, checkWriteCondition } from '../capabilities.ts'
import type {
  CompleteMultipartUploadRequest,
  CreateMultipartUploadRequest,
  PutObjectResult,
  UploadPartRequest,
  UploadReference,
} from '../storage.ts'
import { completionOf, readResult } from './documents.ts'
import { badAnswer, ConnectionError } from './errors.ts'
import { answeredAt, attributeHeaders, readEtag, versionOf } from './headers.ts'
import { listParts } from './lists.ts'
import { markHeaders } from './mark-headers.ts'
import { conditionHeaders, headObject, whenConditional } from './objects.ts'
import { ofUpload, type Store, stored } from './store.ts'
import { shownUploadId, storedUploadId } from './upload-id.ts'
import { storeFor } from './versioned-conditions.ts'

/** A store may go over all parts before it answers. */
const COMPLETE_TIMEOUT_MS = 10 * 60_000
const COMPLETE_ATTEMPTS = 4

export async function createMultipartUpload(
  store: Store,
  request: CreateMultipartUploadRequest,
): Promise<{ readonly uploadId: string }> {
  checkKept(store.capabilities, request.headers)
  const { bytes } = await store.client.document({
    method: 'POST',
    ...stored(store, request),
    query: { uploads: '' },
    headers: { ...attributeHeaders(store, request), ...markHeaders(request.marks) },
    idempotent: false,
    signal: request.signal,
  })
  const uploadId = childText(readResult(bytes, 'InitiateMultipartUploadResult'), 'UploadId') ?? ''
  if (uploadId === '' || uploadId.length > 1024) throw badAnswer('no upload id')
  store.known.remember(request.bucket)
  return { uploadId: shownUploadId(uploadId) }
}

export async function uploadPart(
  store: Store,
  request: UploadPartRequest,
): Promise<{ readonly etag: string }> {
  const { partNumber, size, body, signal } = request
  const sent = store.client.done({
    method: 'PUT',
    ...stored(store, request),
    query: { partNumber, uploadId: storedUploadId(request.uploadId) },
    body: { size, body },
    idempotent: true,
    signal,
  })
  const headers = await ofUpload(request.uploadId, sent)
  return { etag: readEtag(headers['etag']) }
}

export async function completeMultipartUpload(
  given: Store,
  request: CompleteMultipartUploadRequest,
): Promise<PutObjectResult> {
  const { bucket, key, parts, condition, signal } = request
  const store = await storeFor(given, 'complete', bucket, condition)
  checkWriteCondition(store.capabilities, 'complete', condition)
  checkPartNumbers(store.capabilities, parts)
  const body = completionOf(parts.map(({ partNumber, etag }) => ({ partNumber, etag: `"${etag}"` })))
  const complete = async () => {
    const { bytes, headers } = await store.client.document({
      method: 'POST',
      ...stored(store, request),
      query: { uploadId: storedUploadId(request.uploadId) },
      headers: { 'content-type': 'application/xml', ...conditionHeaders(store, condition) },
      body,
      idempotent: false,
      answerTimeoutMs: COMPLETE_TIMEOUT_MS,
      signal,
    })
    const etag = childText(readResult(bytes, 'CompleteMultipartUploadResult'), 'ETag') ?? ''
    if (etag.replaceAll('"', '') !== '') {
      const joined = { etag: readEtag(etag), lastModified: answeredAt(headers), ...versionOf(headers) }
      if (SAYS_YES_TO_ALL.test(headers['server'] ?? '')) await checkJoined(store, request, joined)
      return joined
    }
    // Some stores leave it out of the answer to a Complete that was sent again.
    const object = await headObject(store, { bucket, key, signal })
    return { etag: object.etag, lastModified: object.lastModified, versionId: object.versionId }
  }
  return whenConditional(store, condition, request, () => besideOthers(store, request, complete))
}

/**
 * By its header Server: one that tells every Complete of an upload that another one is joining, or has joined, that it succeeded, with the ETag of
 * what was asked for. Versity S3 Gateway 1.8.
 */
const SAYS_YES_TO_ALL = /^VERSITYGW\b/i

/** Throws where the object is not there yet, or is another than was told. */
async function checkJoined(
  store: Store,
  { bucket, key, signal }: CompleteMultipartUploadRequest,
  { etag, versionId }: PutObjectResult,
): Promise<void> {
  try {
    if ((await headObject(store, { bucket, key, versionId, signal })).etag === etag) return
  } catch (error) {
    if (!isError(error, 'NoSuchKey', 'NoSuchVersion')) throw error
    throw new SealgateError('SlowDown', undefined, {
      cause: error,
      reason: 'another Complete of this upload is still under way',
      headers: { 'retry-after': '1' },
    })
  }
  throw new SealgateError('NoSuchUpload', undefined, { reason: 'another Complete made the object' })
}

/**
 * Some stores fail as long as another Complete of the same upload is under way, and ever after. So it is asked what became of the
 * upload: NoSuchUpload if it is over. An answer that never came is none of these.
 */
async function besideOthers<T>(
  store: Store,
  { bucket, key, uploadId, condition, signal }: CompleteMultipartUploadRequest,
  complete: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await complete()
    } catch (error) {
      if (!isError(error, 'ServiceUnavailable') || error.cause instanceof ConnectionError) throw error
      await listParts(store, { bucket, key, uploadId, partNumberMarker: 0, maxParts: 1 })
      if (condition !== undefined || attempt === COMPLETE_ATTEMPTS) throw error
      await sleep(100 * 2 ** attempt * (0.5 + Math.random()), undefined, { signal })
    }
  }
}

export async function abortMultipartUpload(store: Store, request: UploadReference): Promise<void> {
  if (store.capabilities.abortsUnknown)
    await listParts(store, { ...request, partNumberMarker: 0, maxParts: 1 })
  const { uploadId, signal } = request
  const abort = store.client.done({
    method: 'DELETE',
    ...stored(store, request),
    query: { uploadId: storedUploadId(uploadId) },
    idempotent: false,
    signal,
  })
  await ofUpload(uploadId, abort)
}
