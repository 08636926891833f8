import { BucketNames } from './s3/bucket-names.ts'
import { createBucket, deleteBucket } from './s3/buckets.ts'
import { type S3Capabilities, UNPROBED } from './s3/capabilities.ts'
import { StoreClient } from './s3/client.ts'
import { Connections, type TlsOptions } from './s3/connections.ts'
import { copyObject } from './s3/copy.ts'
import { defaultCredentials, fixedCredentials } from './s3/credentials.ts'
import { type Addressing, parseEndpoint } from './s3/endpoint.ts'
import { listBuckets, listMultipartUploads, listObjects, listParts } from './s3/lists.ts'
import {
  abortMultipartUpload,
  completeMultipartUpload,
  createMultipartUpload,
  uploadPart,
} from './s3/multipart.ts'
import { deleteObject, getObject, headObject, putObject } from './s3/objects.ts'
import { probe } from './s3/probe.ts'
import { probeVersionedConditions } from './s3/probe-versions.ts'
import { removeObjects } from './s3/remove-objects.ts'
import { headBucket, KnownBuckets, type S3Limits, type Store } from './s3/store.ts'
import { subresourcesOf } from './s3/subresources.ts'
import { prepareSystemBucket } from './s3/system-bucket.ts'
import { s3Versioning } from './s3/versions.ts'
import type * as S from './storage.ts'
import type { Subresources } from './subresources.ts'
import type { Versioning } from './versioning.ts'

export interface S3StorageOptions {
  /** `https://host:port` */
  readonly endpoint: string
  /** Null to learn it from the store. */
  readonly region: string | null
  readonly addressing: Addressing
  /** Null for what AWS's own tools would use. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | null
  readonly tls?: TlsOptions
  /** The same name here and there. */
  readonly systemBucket: string
  readonly bucketPrefix?: string
  /** Names of buckets here and at the store, where they differ by more than the prefix. */
  readonly buckets?: ReadonlyMap<string, string>
  readonly maxConnections?: number
  readonly connectTimeoutMs?: number
  readonly idleTimeoutMs?: number
  readonly answerTimeoutMs?: number
  /** Makes nothing and finds out nothing: for commands that only read. Default false. */
  readonly readOnly?: boolean
  readonly warn?: (message: string) => void
  /** Where the server's limits are not those of S3. */
  readonly limits?: Partial<S3Limits>
}

const GIB = 1024 ** 3

/** S3's own limits; they are on what is stored, so clients have a little less. */
const LIMITS: S3Limits = {
  maxPutBytes: 5 * GIB,
  maxPartBytes: 5 * GIB,
  maxObjectBytes: 10_000 * 5 * GIB,
  maxMetadataBytes: UNPROBED.metadataBytes,
  maxCopyBytes: 5 * GIB,
  copyPartBytes: GIB,
}

/** Any S3 server as a store: each operation is one signed call, or the fewest that do it. */
export async function openS3Storage(options: S3StorageOptions): Promise<S.Storage> {
  const connections = new Connections({
    maxConnections: options.maxConnections ?? 256,
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    idleTimeoutMs: options.idleTimeoutMs ?? 60_000,
    tls: options.tls ?? {},
  })
  const client = new StoreClient({
    connections,
    endpoint: parseEndpoint(options.endpoint),
    addressing: options.addressing,
    credentials:
      options.credentials === null ? await defaultCredentials() : fixedCredentials(options.credentials),
    region: options.region,
    answerTimeoutMs: options.answerTimeoutMs ?? 60_000,
  })
  const { systemBucket } = options
  const names = new BucketNames({
    systemBucket,
    prefix: options.bucketPrefix ?? '',
    map: options.buckets ?? new Map(),
  })
  const store: Store = {
    client,
    names,
    capabilities: UNPROBED,
    limits: { ...LIMITS, ...options.limits },
    known: new KnownBuckets(),
  }
  try {
    if (options.readOnly === true) return new S3Storage(store, connections)
    const warn = options.warn ?? (() => undefined)
    await prepareSystemBucket(store, systemBucket, warn)
    const probed = await probe(client, systemBucket)
    client.integrity = probed.integrity
    const versionedConditions = await probeVersionedConditions(client, systemBucket, probed, warn)
    const capabilities = { ...probed, versionedConditions }
    const limits = { ...LIMITS, maxMetadataBytes: capabilities.metadataBytes, ...options.limits }
    return new S3Storage({ ...store, capabilities, limits }, connections)
  } catch (error) {
    await connections.close()
    throw error
  }
}

class S3Storage implements S.Storage {
  readonly limits: S.StorageLimits
  readonly capabilities: S3Capabilities
  readonly subresources: Subresources
  readonly versioning: Versioning | null
  readonly #store: Store
  readonly #connections: Connections
  readonly #writing = new Set<Promise<unknown>>()

  constructor(store: Store, connections: Connections) {
    this.limits = store.limits
    this.capabilities = store.capabilities
    this.subresources = subresourcesOf(store)
    this.versioning = store.capabilities.versions ? s3Versioning(store) : null
    this.#store = store
    this.#connections = connections
  }

  listBuckets(): Promise<readonly S.StoredBucket[]> {
    return listBuckets(this.#store)
  }
  createBucket(bucket: string, options?: { readonly objectLock?: boolean }): Promise<void> {
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
  removeObjects(bucket: string, keys: readonly string[]): Promise<void> {
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
