import { childText } from '../../base/xml-reader.ts'
import { checkKept, checkWriteCondition } from '../capabilities.ts'
import type {
  CompleteMultipartUploadRequest,
  CreateMultipartUploadRequest,
  PutObjectResult,
  UploadPartRequest,
  UploadReference,
} from '../storage.ts'
import { readResult } from './documents.ts'
import { badAnswer } from './errors.ts'
import { answeredAt, attributeHeaders, readEtag, versionOf } from './headers.ts'
import { listParts } from './lists.ts'
import { conditionHeaders, headObject, whenConditional } from './objects.ts'
import { ofUpload, type Store, stored } from './store.ts'
import { shownUploadId, storedUploadId } from './upload-id.ts'

/** A store may go over all parts before it answers. */
const COMPLETE_TIMEOUT_MS = 10 * 60_000

export async function createMultipartUpload(
  store: Store,
  request: CreateMultipartUploadRequest,
): Promise<{ readonly uploadId: string }> {
  checkKept(store.capabilities, request.headers)
  const { bytes } = await store.client.document({
    method: 'POST',
    ...stored(store, request),
    query: { uploads: '' },
    headers: attributeHeaders(request),
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
  store: Store,
  request: CompleteMultipartUploadRequest,
): Promise<PutObjectResult> {
  const { bucket, key, parts, condition, signal } = request
  checkWriteCondition(store.capabilities, 'complete', condition)
  const list = parts
    .map(
      ({ partNumber, etag }) =>
        `<Part><PartNumber>${partNumber}</PartNumber><ETag>"${escapeXml(etag)}"</ETag></Part>`,
    )
    .join('')
  return whenConditional(store, condition, request, async () => {
    const { bytes, headers } = await store.client.document({
      method: 'POST',
      ...stored(store, request),
      query: { uploadId: storedUploadId(request.uploadId) },
      headers: { 'content-type': 'application/xml', ...conditionHeaders(store, condition) },
      body: Buffer.from(`<CompleteMultipartUpload xmlns="${NAMESPACE}">${list}</CompleteMultipartUpload>`),
      idempotent: false,
      answerTimeoutMs: COMPLETE_TIMEOUT_MS,
      signal,
    })
    const etag = childText(readResult(bytes, 'CompleteMultipartUploadResult'), 'ETag') ?? ''
    if (etag.replaceAll('"', '') !== '')
      return { etag: readEtag(etag), lastModified: answeredAt(headers), ...versionOf(headers) }
    // Some stores leave it out of the answer to a Complete that was sent again.
    const object = await headObject(store, { bucket, key, signal })
    return { etag: object.etag, lastModified: object.lastModified, versionId: object.versionId }
  })
}

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'

function escapeXml(etag: string): string {
  return etag.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
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
