import { encodePath, uriEncode } from '../../base/uri-encode.ts'
import { childText } from '../../base/xml-reader.ts'
import { isError, SealgateError } from '../../errors.ts'
import { type ConditionSupport, checkKept, checkWriteCondition } from '../capabilities.ts'
import type { CopyObjectRequest, PutObjectResult, WriteCondition } from '../storage.ts'
import type { WireCapabilities } from './capabilities.ts'
import { readResult } from './documents.ts'
import { attributeHeaders, readEtag, readTime, versionOf } from './headers.ts'
import { markHeaders } from './mark-headers.ts'
import { abortMultipartUpload, completeMultipartUpload, createMultipartUpload } from './multipart.ts'
import {
  conditionHeaders,
  getObject,
  headObject,
  overwritten,
  putObject,
  whenConditional,
} from './objects.ts'
import { type Store, stored } from './store.ts'
import { storedUploadId } from './upload-id.ts'
import { storeFor } from './versioned-conditions.ts'

/** Of a long copy. */
const PARTS_AT_ONCE = 4
/** A store may take its time: it moves the bytes. */
const COPY_TIMEOUT_MS = 10 * 60_000

/**
 * A copy of exactly the version that was opened. Where the store checks x-amz-copy-source-if-match that is one call. Elsewhere the
 * bytes are copied into the parts of an upload, the source is looked at again, and only if it is still the same is the upload
 * completed: an ETag of sealed bytes does not come back, so what was copied in between is what was opened. A condition that the store
 * enforces on PutObject alone makes the copy a PutObject.
 */
export async function copyObject(given: Store, request: CopyObjectRequest): Promise<PutObjectResult> {
  const { condition, sourceSize } = request
  const store = await storeFor(given, 'copy', request.bucket, condition)
  const { capabilities, limits } = store
  checkWriteCondition(capabilities, 'copy', condition)
  checkKept(capabilities, request.headers)
  if (sourceSize <= limits.maxCopyBytes && copiesAtOnce(capabilities, condition))
    return copyAtOnce(store, request)
  if (enforces(capabilities.conditions.complete, condition)) return copyByParts(store, request)
  if (sourceSize <= limits.maxPutBytes) return copyThrough(store, request)
  throw new SealgateError(
    'NotImplemented',
    'The storage behind the gateway enforces no condition on a copy of this size, so it is refused instead of ignored.',
  )
}

function copiesAtOnce(
  { copySourceIfMatch, copyObject }: WireCapabilities,
  condition: WriteCondition | undefined,
) {
  if (!copySourceIfMatch) return false
  return enforces(copyObject, condition)
}

function enforces({ ifMatch, ifNoneMatch }: ConditionSupport, condition: WriteCondition | undefined) {
  if (condition === undefined) return true
  return 'ifMatch' in condition ? ifMatch : ifNoneMatch
}

async function copyAtOnce(store: Store, request: CopyObjectRequest): Promise<PutObjectResult> {
  const { condition, signal } = request
  try {
    const { bytes, headers } = await store.client.document({
      method: 'PUT',
      ...stored(store, request),
      headers: {
        ...attributeHeaders(store, request),
        ...markHeaders(request.marks),
        ...(request.marks?.tags === undefined ? {} : { 'x-amz-tagging-directive': 'REPLACE' }),
        ...conditionHeaders(store, condition),
        ...sourceHeaders(store, request),
        'x-amz-metadata-directive': 'REPLACE',
      },
      idempotent: condition === undefined,
      answerTimeoutMs: COPY_TIMEOUT_MS,
      signal,
    })
    const result = readResult(bytes, 'CopyObjectResult')
    return {
      etag: readEtag(childText(result, 'ETag')),
      lastModified: readTime(childText(result, 'LastModified')),
      ...versionOf(headers),
    }
  } catch (error) {
    if (!isError(error, 'PreconditionFailed')) throw error
    // Which of the two conditions it was, the answer does not tell.
    await requireSource(store, request)
    return whenConditional(store, condition, request, () => Promise.reject(error))
  }
}

/** The bytes come here and go back. */
async function copyThrough(store: Store, request: CopyObjectRequest): Promise<PutObjectResult> {
  const { source, sourceEtag, sourceSize, signal } = request
  const { object, body } = await getObject(store, { ...source, ifMatch: sourceEtag, signal })
  try {
    if (object.etag !== sourceEtag || object.size !== sourceSize)
      throw overwritten(new SealgateError('PreconditionFailed'))
    return await putObject(store, { ...request, size: sourceSize, body })
  } finally {
    body.destroy()
  }
}

async function copyByParts(store: Store, request: CopyObjectRequest): Promise<PutObjectResult> {
  const { bucket, key, condition, signal } = request
  await requireSource(store, request)
  const { uploadId } = await createMultipartUpload(store, request)
  const upload = { bucket, key, uploadId, signal }
  try {
    const parts = await copyParts(store, request, uploadId)
    await requireSource(store, request)
    return await completeMultipartUpload(store, { ...upload, parts, condition })
  } catch (error) {
    await abortMultipartUpload(store, { bucket, key, uploadId }).catch(() => undefined)
    throw error
  }
}

async function copyParts(store: Store, request: CopyObjectRequest, uploadId: string) {
  const { sourceSize, signal } = request
  const { maxCopyBytes, copyPartBytes } = store.limits
  const count = sourceSize <= maxCopyBytes ? 1 : Math.ceil(sourceSize / copyPartBytes)
  const numbers = Array.from({ length: count }, (_, index) => index + 1)
  const parts: { partNumber: number; etag: string }[] = []
  const remaining = numbers.values()
  const worker = async () => {
    for (const partNumber of remaining) {
      const first = (partNumber - 1) * copyPartBytes
      const last = Math.min(first + copyPartBytes, sourceSize) - 1
      const { bytes } = await store.client.document({
        method: 'PUT',
        ...stored(store, request),
        query: { partNumber, uploadId: storedUploadId(uploadId) },
        headers: {
          ...sourceHeaders(store, request, store.capabilities.decodesPartSource),
          ...(count === 1 ? {} : { 'x-amz-copy-source-range': `bytes=${first}-${last}` }),
        },
        idempotent: true,
        answerTimeoutMs: COPY_TIMEOUT_MS,
        signal,
      })
      parts.push({ partNumber, etag: readEtag(childText(readResult(bytes, 'CopyPartResult'), 'ETag')) })
    }
  }
  try {
    await Promise.all(Array.from({ length: Math.min(PARTS_AT_ONCE, count) }, worker))
  } catch (error) {
    if (isError(error, 'PreconditionFailed')) throw overwritten(error)
    throw error
  }
  return parts.sort((a, b) => a.partNumber - b.partNumber)
}

function versionQuery({ versionId }: CopyObjectRequest['source']): string {
  return versionId === undefined ? '' : `?versionId=${uriEncode(versionId)}`
}

function sourceHeaders(
  store: Store,
  { source, sourceEtag }: CopyObjectRequest,
  isDecodedTwice = false,
): Record<string, string> {
  const { bucket, key } = stored(store, source)
  const path = encodePath(`/${bucket}/${key}`)
  return {
    'x-amz-copy-source': (isDecodedTwice ? encodePath(path) : path) + versionQuery(source),
    'x-amz-copy-source-if-match': `"${sourceEtag}"`,
  }
}

/** The source is still what was opened. */
async function requireSource(store: Store, request: CopyObjectRequest): Promise<void> {
  const { etag } = await headObject(store, { ...request.source, signal: request.signal })
  if (etag !== request.sourceEtag) throw overwritten(new SealgateError('PreconditionFailed'))
}
