import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { SealgateError } from '../errors.ts'
import { ALL_CAPABILITIES, type StorageCapabilities } from './capabilities.ts'
import { Ballast } from './filesystem/ballast.ts'
import { Blobs, type NewBlob } from './filesystem/blobs.ts'
import { filesystemVersioning, noSuchBucket, requireBucket } from './filesystem/bucket-versioning.ts'
import { IndexDatabase } from './filesystem/index-database.ts'
import { splitTags, withTags } from './filesystem/kept-tags.ts'
import { listPage } from './filesystem/listing.ts'
import {
  checkCondition,
  findObject,
  noSuchKey,
  type ObjectRow,
  toStoredObject,
} from './filesystem/object-rows.ts'
import {
  hideKey,
  putNewest,
  removeVersion,
  requireVersion,
  versioningOf,
} from './filesystem/object-versions.ts'
import { BlobGone, type Extent, readExtents } from './filesystem/read-extents.ts'
import { filesystemSubresources } from './filesystem/subresources.ts'
import {
  blobsOfParts,
  deleteParts,
  deleteUpload,
  findPart,
  findUpload,
  insertPart,
  insertUpload,
  listPartsPage,
  listUploadsPage,
  NO_BLOB,
  newUploadId,
} from './filesystem/uploads.ts'
import {
  type ByteRange,
  type CompleteMultipartUploadRequest,
  type CopyObjectRequest,
  type CreateMultipartUploadRequest,
  type DeleteObjectRequest,
  type DeleteObjectResult,
  type GetObjectRequest,
  type GetObjectResult,
  type HeadObjectRequest,
  type ListMultipartUploadsRequest,
  type ListMultipartUploadsResult,
  type ListObjectsRequest,
  type ListObjectsResult,
  type ListPartsRequest,
  type ListPartsResult,
  type ObjectAttributes,
  type ObjectName,
  type ObjectVersionName,
  OVERWRITTEN,
  type PutObjectRequest,
  type PutObjectResult,
  type Storage,
  type StorageLimits,
  type StoredBucket,
  type StoredObject,
  type UploadPartRequest,
  type UploadReference,
} from './storage.ts'
import type { Subresources } from './subresources.ts'
import { NULL_VERSION, type Versioning } from './versioning.ts'

export interface FilesystemOptions {
  readonly directory: string
  readonly log?: (message: string) => void
  /** Changes nothing on the disk, also not what a crash left; every write rejects. The store must exist. Default false. */
  readonly readOnly?: boolean
}

const GIB = 1024 ** 3

/**
 * The embedded store: an index in SQLite and one file per larger run of bytes (docs/adr/001-embedded-index.md). Any number of
 * processes of one machine may have it open.
 */
export async function openFilesystemStorage(options: FilesystemOptions): Promise<Storage> {
  const file = join(options.directory, 'index.sqlite')
  const ballast = new Ballast(options.directory)
  if (options.readOnly === true) {
    const index = new IndexDatabase(file, { readOnly: true })
    return new FilesystemStorage(index, Blobs.forReading(options.directory, index), ballast)
  }
  return ballast.withRoom(async () => {
    mkdirSync(join(options.directory, 'instances'), { recursive: true, mode: 0o700 })
    const index = new IndexDatabase(file)
    try {
      return new FilesystemStorage(index, await Blobs.open(options.directory, index), ballast)
    } catch (error) {
      index.close()
      throw error
    }
  })
}

class FilesystemStorage implements Storage {
  // A plaintext of S3's 5 GiB fits with all that sealing adds.
  readonly limits: StorageLimits = {
    maxPutBytes: 5 * GIB + 2 ** 21,
    maxPartBytes: 5 * GIB + 2 ** 21,
    maxObjectBytes: 50 * 1024 * GIB,
    maxMetadataBytes: 8192,
  }
  readonly capabilities: StorageCapabilities = ALL_CAPABILITIES
  readonly versioning: Versioning
  readonly subresources: Subresources
  readonly #index: IndexDatabase
  readonly #blobs: Blobs
  readonly #ballast: Ballast
  readonly #running = new Set<Promise<unknown>>()

  constructor(index: IndexDatabase, blobs: Blobs, ballast: Ballast) {
    this.#index = index
    this.#blobs = blobs
    this.#ballast = ballast
    this.versioning = filesystemVersioning(index)
    this.subresources = filesystemSubresources(index, async (run) => {
      ballast.require()
      return index.write(run)
    })
  }

  async listBuckets(): Promise<readonly StoredBucket[]> {
    return this.#index
      .all<{ name: string; created: number }>('SELECT name, created FROM bucket ORDER BY name')
      .map(({ name, created }) => ({ name, createdAt: created }))
  }

  createBucket(bucket: string): Promise<void> {
    return this.#index.write(() => {
      if (this.#index.get('SELECT 1 FROM bucket WHERE name = ?', bucket) !== undefined)
        throw new SealgateError('BucketAlreadyOwnedByYou')
      this.#ballast.require()
      this.#index.run('INSERT INTO bucket VALUES (?, ?)', bucket, Date.now())
    })
  }

  async headBucket(bucket: string): Promise<StoredBucket> {
    const row = this.#index.get<{ created: number }>('SELECT created FROM bucket WHERE name = ?', bucket)
    if (row === undefined) throw noSuchBucket(bucket)
    return { name: bucket, createdAt: row.created }
  }

  deleteBucket(bucket: string): Promise<void> {
    return this.#free(() => {
      this.#requireBucket(bucket)
      for (const table of ['object', 'version'])
        if (this.#index.get(`SELECT 1 FROM ${table} WHERE bucket = ? LIMIT 1`, bucket) !== undefined)
          throw new SealgateError('BucketNotEmpty')
      for (const { id } of this.#index.all<{ id: string }>('SELECT id FROM upload WHERE bucket = ?', bucket))
        this.#dropParts(id)
      this.#index.run('DELETE FROM upload WHERE bucket = ?', bucket)
      this.#index.run('DELETE FROM versioning WHERE bucket = ?', bucket)
      this.#index.run('DELETE FROM setting WHERE bucket = ?', bucket)
      this.#index.run('DELETE FROM bucket WHERE name = ?', bucket)
    })
  }

  putObject(request: PutObjectRequest): Promise<PutObjectResult> {
    return this.#finished(this.#putObject(request))
  }

  async #putObject(request: PutObjectRequest): Promise<PutObjectResult> {
    this.#requireBucket(request.bucket)
    checkCondition(this.#index, request, request.condition)
    this.#ballast.require()
    const blob = await this.#blobs.write(request.size, request.body, request.signal)
    const extents: Extent[] = blob === null ? [] : [[blob.id, blob.size]]
    return this.#commit(blob, () => {
      checkCondition(this.#index, request, request.condition)
      if (blob !== null) this.#blobs.record(blob)
      const headers = withTags(request.headers, request.marks?.tags)
      const etag = randomBytes(16).toString('hex')
      return this.#putRow({ ...request, headers }, request.size, etag, extents)
    })
  }

  async headObject(request: HeadObjectRequest): Promise<StoredObject> {
    return this.#toStored(request.bucket, this.#requireObject(request))
  }

  async getObject(request: GetObjectRequest): Promise<GetObjectResult> {
    for (let attempt = 0; ; attempt++) {
      const row = this.#requireObject(request)
      if (request.ifMatch !== undefined && request.ifMatch !== row.etag) throw overwritten()
      const [start, end] = cut(request.range, row.size)
      try {
        const body = await readExtents(this.#blobs, JSON.parse(row.extents) as Extent[], start, end)
        return { object: this.#toStored(request.bucket, row), start, end, body }
      } catch (error) {
        if (!(error instanceof BlobGone) || attempt === 5) throw error
      }
    }
  }

  deleteObject({ bucket, key, versionId, ifMatch }: DeleteObjectRequest): Promise<DeleteObjectResult> {
    return this.#free(() => {
      this.#requireBucket(bucket)
      const name = { bucket, key }
      if (versionId !== undefined) {
        const { dropped, isDeleteMarker } = removeVersion(this.#index, name, versionId)
        this.#dropExtents(dropped)
        return { versionId, isDeleteMarker }
      }
      if (ifMatch === '*' && findObject(this.#index, name) === undefined) throw noSuchKey(key)
      if (ifMatch !== undefined && ifMatch !== '*') checkCondition(this.#index, name, { ifMatch })
      const { dropped, ...result } = hideKey(this.#index, name)
      this.#dropExtents(dropped)
      return result
    })
  }

  copyObject(request: CopyObjectRequest): Promise<PutObjectResult> {
    return this.#index.write(() => {
      this.#requireBucket(request.bucket)
      const source = this.#requireObject(request.source)
      if (source.etag !== request.sourceEtag) throw overwritten()
      checkCondition(this.#index, request, request.condition)
      this.#ballast.require()
      const extents = JSON.parse(source.extents) as Extent[]
      for (const [id] of extents) this.#blobs.addReference(id)
      const tags = request.marks?.tags ?? splitTags(source.headers).tags
      const headers = withTags(request.headers, tags)
      return this.#putRow({ ...request, headers }, source.size, source.etag, extents)
    })
  }

  async listObjects(request: ListObjectsRequest): Promise<ListObjectsResult> {
    this.#requireBucket(request.bucket)
    return listPage(this.#index, request)
  }

  async createMultipartUpload(request: CreateMultipartUploadRequest): Promise<{ readonly uploadId: string }> {
    const now = Date.now()
    const uploadId = newUploadId(now)
    await this.#index.write(() => {
      this.#requireBucket(request.bucket)
      this.#ballast.require()
      const headers = withTags(request.headers, request.marks?.tags)
      insertUpload(this.#index, { ...request, headers }, uploadId, now)
    })
    return { uploadId }
  }

  uploadPart(request: UploadPartRequest): Promise<{ readonly etag: string }> {
    return this.#finished(this.#uploadPart(request))
  }

  async #uploadPart(request: UploadPartRequest): Promise<{ readonly etag: string }> {
    this.#requireBucket(request.bucket)
    findUpload(this.#index, request)
    this.#ballast.require()
    const etag = randomBytes(16).toString('hex')
    const blob = await this.#blobs.write(request.size, request.body, request.signal)
    await this.#commit(blob, () => {
      findUpload(this.#index, request)
      if (blob !== null) this.#blobs.record(blob)
      const earlier = findPart(this.#index, request)
      if (earlier !== undefined) this.#blobs.dropReference(earlier.blob)
      insertPart(this.#index, request, { blob: blob?.id ?? NO_BLOB, etag, modified: Date.now() })
    })
    return { etag }
  }

  completeMultipartUpload(request: CompleteMultipartUploadRequest): Promise<PutObjectResult> {
    return this.#index.write(() => {
      this.#requireBucket(request.bucket)
      const upload = findUpload(this.#index, request)
      checkCondition(this.#index, request, request.condition)
      const extents: Extent[] = []
      for (const { partNumber, etag } of request.parts) {
        const part = findPart(this.#index, { uploadId: request.uploadId, partNumber })
        if (part?.etag !== etag)
          throw new SealgateError('InvalidPart', undefined, {
            details: { PartNumber: String(partNumber), ETag: etag },
          })
        if (part.size > 0) extents.push([part.blob, part.size])
        // The object's reference; the part's own goes with the upload.
        if (part.size > 0) this.#blobs.addReference(part.blob)
      }
      const size = extents.reduce((sum, [, bytes]) => sum + bytes, 0)
      const attributes = {
        storageClass: upload.class,
        headers: JSON.parse(upload.headers) as Record<string, string>,
        metadata: JSON.parse(upload.metadata) as Record<string, string>,
      }
      const { bucket, key } = request
      const result = this.#putRow(
        { bucket, key, ...attributes },
        size,
        `${randomBytes(16).toString('hex')}-${request.parts.length}`,
        extents,
      )
      this.#dropUpload(request)
      return result
    })
  }

  abortMultipartUpload(request: UploadReference): Promise<void> {
    return this.#free(() => {
      this.#requireBucket(request.bucket)
      findUpload(this.#index, request)
      this.#dropUpload(request)
    })
  }

  async listParts(request: ListPartsRequest): Promise<ListPartsResult> {
    this.#requireBucket(request.bucket)
    return listPartsPage(this.#index, request)
  }

  async listMultipartUploads(request: ListMultipartUploadsRequest): Promise<ListMultipartUploadsResult> {
    this.#requireBucket(request.bucket)
    return listUploadsPage(this.#index, request)
  }

  async close(): Promise<void> {
    // A file that is being written belongs to a lease, which goes with this process.
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
    await this.#blobs.close()
    this.#index.close()
  }

  /** A write that makes the store smaller, also on a full disk. */
  #free<T>(run: () => T): Promise<T> {
    return this.#ballast.withRoom(() => this.#index.write(run))
  }

  async #finished<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work)
    try {
      return await work
    } finally {
      this.#running.delete(work)
    }
  }

  async #commit<T>(blob: NewBlob | null, run: () => T): Promise<T> {
    try {
      const result = await this.#index.write(run)
      this.#blobs.recorded(blob)
      return result
    } catch (error) {
      await this.#blobs.discard(blob)
      throw error
    }
  }

  #putRow(
    request: ObjectName & ObjectAttributes,
    size: number,
    etag: string,
    extents: readonly Extent[],
  ): PutObjectResult {
    this.#requireBucket(request.bucket)
    const { dropped, ...result } = putNewest(this.#index, { ...request, size, etag, extents })
    this.#dropExtents(dropped)
    return { etag, ...result }
  }

  #dropUpload(upload: UploadReference): void {
    this.#dropParts(upload.uploadId)
    deleteUpload(this.#index, upload)
  }

  #dropParts(uploadId: string): void {
    for (const blob of blobsOfParts(this.#index, uploadId)) this.#blobs.dropReference(blob)
    deleteParts(this.#index, uploadId)
  }

  #dropExtents(dropped: readonly string[]): void {
    for (const extents of dropped)
      for (const [id] of JSON.parse(extents) as Extent[]) this.#blobs.dropReference(id)
  }

  #requireObject(name: ObjectVersionName): ObjectRow {
    try {
      return requireVersion(this.#index, name)
    } catch (error) {
      this.#requireBucket(name.bucket)
      throw error
    }
  }

  #toStored(bucket: string, row: ObjectRow): StoredObject {
    // Only a bucket that has versions has ids other than null.
    const hasVersions = row.version !== NULL_VERSION || versioningOf(this.#index, bucket) !== null
    return toStoredObject(row, hasVersions)
  }

  #requireBucket(bucket: string): void {
    requireBucket(this.#index, bucket)
  }
}

function cut(range: ByteRange | undefined, size: number): [start: number, end: number] {
  if (range === undefined) return [0, size - 1]
  if ('suffix' in range) return [Math.max(0, size - range.suffix), size - 1]
  if (range.start >= size)
    throw new SealgateError('InvalidRange', undefined, { details: { ActualObjectSize: String(size) } })
  return [range.start, Math.min(range.end, size - 1)]
}

function overwritten(): SealgateError {
  return new SealgateError('PreconditionFailed', undefined, { reason: OVERWRITTEN })
}
