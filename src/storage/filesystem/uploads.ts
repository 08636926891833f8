import { randomBytes } from 'node:crypto'
import { SealgateError } from '../../errors.ts'
import type {
  CreateMultipartUploadRequest,
  ListMultipartUploadsRequest,
  ListMultipartUploadsResult,
  ListPartsRequest,
  ListPartsResult,
  StoredUpload,
  UploadPartRequest,
  UploadReference,
} from '../storage.ts'
import type { IndexDatabase } from './index-database.ts'
import { commonPrefix, isCommonPrefix, successor } from './listing.ts'

export interface UploadRow {
  readonly class: string
  readonly headers: string
  readonly metadata: string
}

/** Begins with the time, so that the order of ids is the order of initiation. */
export function newUploadId(now: number): string {
  return `${now.toString(36).padStart(9, '0')}${randomBytes(17).toString('base64url')}`
}

export function insertUpload(
  index: IndexDatabase,
  request: CreateMultipartUploadRequest,
  id: string,
  now: number,
): void {
  const { bucket, key, storageClass, headers, metadata } = request
  index.run(
    'INSERT INTO upload VALUES (?, ?, ?, ?, ?, ?, ?)',
    bucket,
    Buffer.from(key),
    id,
    now,
    storageClass,
    JSON.stringify(headers),
    JSON.stringify(metadata),
  )
}

/** NoSuchUpload unless this upload of this key is under way. */
export function findUpload(index: IndexDatabase, { bucket, key, uploadId }: UploadReference): UploadRow {
  const row = index.get<UploadRow>(
    'SELECT class, headers, metadata FROM upload WHERE bucket = ? AND key = ? AND id = ?',
    bucket,
    Buffer.from(key),
    uploadId,
  )
  if (row === undefined)
    throw new SealgateError('NoSuchUpload', undefined, { details: { UploadId: uploadId } })
  return row
}

export function deleteUpload(index: IndexDatabase, { bucket, key, uploadId }: UploadReference): void {
  index.run('DELETE FROM upload WHERE bucket = ? AND key = ? AND id = ?', bucket, Buffer.from(key), uploadId)
}

/** Stands for no bytes, in the place of a blob's id. */
export const NO_BLOB = 0

type PartName = Pick<UploadPartRequest, 'uploadId' | 'partNumber'>

export function findPart(index: IndexDatabase, { uploadId, partNumber }: PartName) {
  return index.get<{ blob: number; size: number; etag: string }>(
    'SELECT blob, size, etag FROM part WHERE upload = ? AND number = ?',
    uploadId,
    partNumber,
  )
}

export function insertPart(
  index: IndexDatabase,
  { uploadId, partNumber, size }: PartName & Pick<UploadPartRequest, 'size'>,
  { blob, etag, modified }: { blob: number; etag: string; modified: number },
): void {
  index.run(
    'INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, ?, ?)',
    uploadId,
    partNumber,
    blob,
    size,
    etag,
    modified,
  )
}

export function blobsOfParts(index: IndexDatabase, uploadId: string): readonly number[] {
  return index
    .all<{ blob: number }>('SELECT blob FROM part WHERE upload = ?', uploadId)
    .map(({ blob }) => blob)
}

export function deleteParts(index: IndexDatabase, uploadId: string): void {
  index.run('DELETE FROM part WHERE upload = ?', uploadId)
}

interface PartRow {
  readonly number: number
  readonly size: number
  readonly etag: string
  readonly modified: number
}

export function listPartsPage(index: IndexDatabase, request: ListPartsRequest): ListPartsResult {
  const upload = findUpload(index, request)
  const rows = index.all<PartRow>(
    'SELECT number, size, etag, modified FROM part WHERE upload = ? AND number > ? ORDER BY number LIMIT ?',
    request.uploadId,
    request.partNumberMarker,
    request.maxParts + 1,
  )
  const parts = rows
    .slice(0, request.maxParts)
    .map(({ number, size, etag, modified }) => ({ partNumber: number, size, etag, lastModified: modified }))
  return { parts, isTruncated: rows.length > request.maxParts, storageClass: upload.class }
}

export function listUploadsPage(
  index: IndexDatabase,
  request: ListMultipartUploadsRequest,
): ListMultipartUploadsResult {
  const prefix = Buffer.from(request.prefix)
  const delimiter = Buffer.from(request.delimiter)
  const end = successor(prefix)
  const uploads: StoredUpload[] = []
  const commonPrefixes: string[] = []
  let [key, id]: [Buffer, string] = [
    Buffer.from(request.keyMarker),
    request.keyMarker === '' || request.uploadIdMarker !== '' ? request.uploadIdMarker : '\uffff',
  ]
  // A marker that is a common prefix stands for everything that it folds; no id is empty.
  if (isCommonPrefix(key, prefix, delimiter)) [key, id] = [successor(key) ?? key, '']
  let [nextKeyMarker, nextUploadIdMarker] = ['', '']
  for (;;) {
    const row = index.get<{ key: Uint8Array; id: string; initiated: number; class: string }>(
      'SELECT key, id, initiated, class FROM upload WHERE bucket = ? AND (key, id) > (?, ?) AND key >= ? ORDER BY key, id LIMIT 1',
      request.bucket,
      key,
      id,
      prefix,
    )
    const found = row === undefined ? null : Buffer.from(row.key)
    if (row === undefined || found === null || (end !== null && Buffer.compare(found, end) >= 0)) {
      return { uploads, commonPrefixes, isTruncated: false, nextKeyMarker: '', nextUploadIdMarker: '' }
    }
    if (uploads.length + commonPrefixes.length >= request.maxUploads) {
      return {
        uploads,
        commonPrefixes,
        isTruncated: request.maxUploads > 0,
        nextKeyMarker,
        nextUploadIdMarker,
      }
    }
    const common = commonPrefix(found, prefix, delimiter)
    if (common === null) {
      uploads.push({
        key: found.toString(),
        uploadId: row.id,
        initiatedAt: row.initiated,
        storageClass: row.class,
      })
      ;[key, id] = [found, row.id]
      ;[nextKeyMarker, nextUploadIdMarker] = [found.toString(), row.id]
    } else {
      commonPrefixes.push(common.toString())
      const behind = successor(common)
      if (behind === null)
        return { uploads, commonPrefixes, isTruncated: false, nextKeyMarker: '', nextUploadIdMarker: '' }
      ;[key, id] = [behind, '']
      ;[nextKeyMarker, nextUploadIdMarker] = [common.toString(), '']
    }
  }
}
