import type { SealgateError } from '../../errors.ts'
import type * as S from '../storage.ts'
import type { Subresources } from '../subresources.ts'
import type { Versioning } from '../versioning.ts'
import { createBucket, deleteBucket } from './buckets.ts'
import type { WireCapabilities } from './capabilities.ts'
import type { Connections } from './connections.ts'
import { copyObject } from './copy.ts'
import { listBuckets, listMultipartUploads, listObjects, listParts } from './lists.ts'
import {
  abortMultipartUpload,
  completeMultipartUpload,
  createMultipartUpload,
  uploadPart,
} from './multipart.ts'
import { deleteObject, getObject, headObject, putObject } from './objects.ts'
import { removeObjects } from './remove-objects.ts'
import { headBucket, type Store } from './store.ts'
import { subresourcesOf } from './subresources.ts'
import { wireVersioning } from './versions.ts'

/** A server that speaks S3, or a dialect of it, as a store: each operation is one signed call, or the fewest that do it. */
export class WireStorage implements S.Storage {
  readonly limits: S.StorageLimits
  readonly capabilities: WireCapabilities
  readonly subresources: Subresources
  readonly versioning: Versioning | null
  readonly #store: Store
  readonly #connections: Connections
  readonly #writing = new Set<Promise<unknown>>()

  constructor(store: Store, connections: Connections) {
    this.limits = store.limits
    this.capabilities = store.capabilities
    this.subresources = subresourcesOf(store)
    this.versioning = store.capabilities.versions ? wireVersioning(store) : null
    this.#store = store
    this.#connections = connections
  }

  listBuckets(): Promise<readonly S.StoredBucket[]> {
    return listBuckets(this.#store)
  }
  createBucket(bucket: string, options?: S.NewBucket): Promise<void> {
    return createBucket(this.#store, bucket, options)
  }
  async headBucket(bucket: string): Promise<S.StoredBucket> {
    return headBucket(this.#store, bucket)
  }
  async deleteBucket(bucket: string): Promise<void> {
    return deleteBucket(this.#store, bucket)
  }

  putObject(request: S.PutObjectRequest): Promise<S.PutObjectResult> {
    return this.#finished(putObject(this.#store, request))
  }
  headObject(request: S.HeadObjectRequest): Promise<S.StoredObject> {
    return headObject(this.#store, request)
  }
  getObject(request: S.GetObjectRequest): Promise<S.GetObjectResult> {
    return getObject(this.#store, request)
  }
  deleteObject(request: S.DeleteObjectRequest): Promise<S.DeleteObjectResult> {
    return this.#finished(deleteObject(this.#store, request))
  }
  removeObjects(bucket: string, keys: readonly string[]): Promise<ReadonlyMap<string, SealgateError>> {
    return this.#finished(removeObjects(this.#store, bucket, keys))
  }
  async copyObject(request: S.CopyObjectRequest): Promise<S.PutObjectResult> {
    return this.#finished(copyObject(this.#store, request))
  }
  listObjects(request: S.ListObjectsRequest): Promise<S.ListObjectsResult> {
    return listObjects(this.#store, request)
  }

  createMultipartUpload(request: S.CreateMultipartUploadRequest): Promise<{ readonly uploadId: string }> {
    return this.#finished(createMultipartUpload(this.#store, request))
  }
  uploadPart(request: S.UploadPartRequest): Promise<{ readonly etag: string }> {
    return this.#finished(uploadPart(this.#store, request))
  }
  completeMultipartUpload(request: S.CompleteMultipartUploadRequest): Promise<S.PutObjectResult> {
    return this.#finished(completeMultipartUpload(this.#store, request))
  }
  abortMultipartUpload(request: S.UploadReference): Promise<void> {
    return this.#finished(abortMultipartUpload(this.#store, request))
  }
  listParts(request: S.ListPartsRequest): Promise<S.ListPartsResult> {
    return listParts(this.#store, request)
  }
  listMultipartUploads(request: S.ListMultipartUploadsRequest): Promise<S.ListMultipartUploadsResult> {
    return listMultipartUploads(this.#store, request)
  }

  async close(): Promise<void> {
    while (this.#writing.size > 0) await Promise.allSettled(this.#writing)
    await this.#connections.close()
  }

  async #finished<T>(work: Promise<T>): Promise<T> {
    this.#writing.add(work)
    try {
      return await work
    } finally {
      this.#writing.delete(work)
    }
  }
}
