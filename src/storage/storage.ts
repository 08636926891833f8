import type { SealgateError } from '../errors.ts'
import type { StorageCapabilities } from './capabilities.ts'
import type { AclHeaders, ObjectMarks, ShownMarks } from './marks.ts'
import type { Subresources } from './subresources.ts'
import type { Versioning } from './versioning.ts'

/**
 * What Sealgate asks of a store: opaque bytes in and out under byte-exact names. A store knows nothing of keys,
 * plaintext or clients; whatever it holds may be public. Every implementation passes test/conformance/storage.ts.
 *
 * Conventions, for every method:
 * - Failures are SealgateErrors whose kinds are S3's (NoSuchBucket, NoSuchKey, NoSuchUpload, PreconditionFailed, …).
 * - `etag` is raw: no quotes, 32 lower-case hex digits, or 32 hex digits, a hyphen and a part count.
 * - Header values and metadata values are latin1 ("binary") strings, byte for byte as they came on the wire.
 * - Keys are JavaScript strings without lone surrogates; their identity and order is that of their UTF-8 bytes.
 *   No normalisation of any kind: `a`, `a/`, `a/../b`, `//`, NFC and NFD are all different names.
 * - Times are milliseconds since the epoch.
 */
export interface Storage {
  readonly limits: StorageLimits
  readonly capabilities: StorageCapabilities
  /** A power that a store may have. */
  readonly subresources?: Subresources
  /** Null where no bucket can have versions, which is what `capabilities.versions` says. */
  readonly versioning: Versioning | null
  /** A power that a store may have: many objects of a bucket without versions removed by few calls. Those that are still there, and why; absent ones count as removed. */
  removeObjects?(bucket: string, keys: readonly string[]): Promise<ReadonlyMap<string, SealgateError>>

  listBuckets(): Promise<readonly StoredBucket[]>
  /** BucketAlreadyOwnedByYou if it is there. Object Lock is for ever, and turns versions on. */
  createBucket(bucket: string, options?: NewBucket): Promise<void>
  /** NoSuchBucket if it is not there. */
  headBucket(bucket: string): Promise<StoredBucket>
  /** BucketNotEmpty while an object, a version or a delete marker is in it; open multipart uploads are discarded with the bucket. */
  deleteBucket(bucket: string): Promise<void>

  /**
   * Stores exactly `size` bytes. Nothing is visible, and nothing stays behind, unless `body` ends normally after exactly
   * `size` bytes: an error thrown by the body, or a body too short or too long, aborts the write (the body's
   * own error is rethrown as it is). Once the promise resolves the object survives a crash of the machine.
   * The condition is enforced atomically with the commit, across processes: PreconditionFailed; If-Match on an absent
   * key is NoSuchKey. ConditionalRequestConflict if another write came in between, so that the store cannot say. What the store cannot enforce so (`capabilities`) is NotImplemented before the body is read.
   */
  putObject(request: PutObjectRequest): Promise<PutObjectResult>
  /**
   * Without a version the newest is meant; if that is a delete marker, the key is NoSuchKey, with the headers by which S3 tells the two
   * apart. A version that is not there is NoSuchVersion, an id that the store cannot have given InvalidArgument; a version that is a delete
   * marker is MethodNotAllowed.
   */
  headObject(request: HeadObjectRequest): Promise<StoredObject>
  /**
   * A range that starts at or behind the end is InvalidRange; an end behind the end is clipped. `ifMatch` pins what an
   * earlier answer named: PreconditionFailed with the reason OVERWRITTEN if the key holds something else by now.
   * The caller must consume or destroy the body.
   */
  getObject(request: GetObjectRequest): Promise<GetObjectResult>
  /**
   * Deleting an absent key succeeds, unless `ifMatch` is given: an ETag, or `*` for any (then NoSuchKey or PreconditionFailed). With a version
   * it is that which goes for ever, be it an object or a delete marker; without one the key is hidden if the bucket has versions.
   */
  deleteObject(request: DeleteObjectRequest): Promise<DeleteObjectResult>
  /**
   * Copies the stored bytes without moving them through this process, replacing headers and metadata, atomically pinned
   * to `sourceEtag` (PreconditionFailed with the reason OVERWRITTEN if the source is something else by now, NoSuchKey if
   * it is gone).
   * Source and destination may be the same key.
   */
  copyObject(request: CopyObjectRequest): Promise<PutObjectResult>
  listObjects(request: ListObjectsRequest): Promise<ListObjectsResult>

  createMultipartUpload(request: CreateMultipartUploadRequest): Promise<{ readonly uploadId: string }>
  /** Same commit rule as putObject. A part number uploaded again replaces the earlier one (the last to commit wins). */
  uploadPart(request: UploadPartRequest): Promise<{ readonly etag: string }>
  /**
   * Joins the named parts, in the order given, into one object and forgets the upload, in one atomic step. InvalidPart if
   * a (number, etag) pair is not what was last uploaded. Parts that are not named are discarded.
   */
  completeMultipartUpload(request: CompleteMultipartUploadRequest): Promise<PutObjectResult>
  abortMultipartUpload(request: UploadReference): Promise<void>
  listParts(request: ListPartsRequest): Promise<ListPartsResult>
  listMultipartUploads(request: ListMultipartUploadsRequest): Promise<ListMultipartUploadsResult>

  /** Finishes what is under way and releases files, locks and connections. */
  close(): Promise<void>
}

/**
 * The reason of a PreconditionFailed that means: what an earlier answer named is not there any more. It tells the caller to
 * begin again, while a condition that fails by itself is the client's answer.
 */
export const OVERWRITTEN = 'overwritten'

/** Where a store tries out, in the system bucket, what it can do. What lies there may go at any time. */
export const SCRATCH_PREFIX = 'v1/probe/'

/** Limits of the store, in bytes of what is stored (ciphertext). */
export interface StorageLimits {
  readonly maxPutBytes: number
  readonly maxPartBytes: number
  readonly maxObjectBytes: number
  /** Sum of the lengths of names and values of user metadata. */
  readonly maxMetadataBytes: number
}

/** Headers that S3 stores with an object, lower-case names: content-type, content-encoding, content-language,
 * content-disposition, cache-control, expires, x-amz-website-redirect-location. */
export type ObjectHeaders = Readonly<Record<string, string>>

/** User metadata: names lower-case and without the `x-amz-meta-` prefix. */
export type UserMetadata = Readonly<Record<string, string>>

/** S3's storage class names; `STANDARD` if nothing was asked for. */
export type StorageClass = string

export type WriteCondition = { readonly ifNoneMatch: '*' } | { readonly ifMatch: string }

export interface ObjectAttributes {
  readonly headers: ObjectHeaders
  readonly metadata: UserMetadata
  readonly storageClass: StorageClass
}

export interface NewBucket {
  readonly objectLock?: boolean
  /** Only for stores that keep lists of access. */
  readonly acl?: AclHeaders | undefined
}

export interface StoredBucket {
  readonly name: string
  readonly createdAt: number
}

export interface StoredObject extends ObjectAttributes, ShownMarks {
  readonly size: number
  readonly etag: string
  readonly lastModified: number
  /** There only if the bucket has or had versions; a store may leave out `null`. */
  readonly versionId?: string | undefined
}

export interface ObjectName {
  readonly bucket: string
  readonly key: string
}

export interface ObjectVersionName extends ObjectName {
  readonly versionId?: string | undefined
}

/**
 * Bytes on their way in. A chunk is the store's to keep: the body does not touch it again, unless the store gives it back.
 */
export interface IncomingBody extends AsyncIterable<Uint8Array> {
  /**
   * Called at most once with a chunk of this body that the store will not look at again, so that its memory is free at once
   * and not when the garbage collector comes by. A store may leave it out.
   */
  release?(chunk: Uint8Array): void
}

export interface PutObjectRequest extends ObjectName, ObjectAttributes {
  readonly marks?: ObjectMarks | undefined
  readonly size: number
  readonly body: IncomingBody
  readonly condition?: WriteCondition | undefined
  readonly signal?: AbortSignal | undefined
}

export interface PutObjectResult {
  readonly etag: string
  readonly lastModified: number
  /** There if the bucket has versions; not where what was written is the version `null`. */
  readonly versionId?: string | undefined
}

export interface HeadObjectRequest extends ObjectVersionName {
  readonly signal?: AbortSignal | undefined
}

/** Either a closed range of offsets (both inclusive), or the last `suffix` bytes (clipped to the whole object). */
export type ByteRange = { readonly start: number; readonly end: number } | { readonly suffix: number }

export interface GetObjectRequest extends ObjectVersionName {
  readonly range?: ByteRange | undefined
  readonly ifMatch?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Bytes on their way out; whoever holds it consumes it to the end or destroys it. A Node Readable is one. A chunk is the
 * reader's to keep, unless the reader gives it back.
 */
export interface ObjectBody extends AsyncIterable<Uint8Array> {
  /** Called at most once with a whole chunk as it came, that the reader will not look at again: the store may fill it anew. */
  release?(chunk: Uint8Array): void
  destroy(error?: Error): unknown
}

export interface GetObjectResult {
  readonly object: StoredObject
  /** The offsets that the body holds (inclusive); for a whole object 0 and size - 1, also when it is empty (0, -1). */
  readonly start: number
  readonly end: number
  readonly body: ObjectBody
}

export interface DeleteObjectRequest extends ObjectVersionName {
  /** Of the newest version; not together with a version. */
  readonly ifMatch?: string | undefined
  /** Also a version that is retained in the mode GOVERNANCE. */
  readonly bypassGovernance?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

export interface DeleteObjectResult {
  /** Of the version that is gone, or of the delete marker that came; there as in StoredObject. */
  readonly versionId?: string | undefined
  /** Whether that is a delete marker. */
  readonly isDeleteMarker: boolean
}

export interface CopyObjectRequest extends ObjectName, ObjectAttributes {
  /** Without tags the copy has the source's. */
  readonly marks?: ObjectMarks | undefined
  readonly source: ObjectVersionName
  readonly sourceEtag: string
  readonly sourceSize: number
  readonly condition?: WriteCondition | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ListObjectsRequest {
  readonly bucket: string
  readonly prefix: string
  /** Empty for none. Any string, not only `/`. */
  readonly delimiter: string
  /** Only names behind this one (exclusive); a common prefix that equals it is skipped whole. Empty for the start. */
  readonly startAfter: string
  /** `next` of the page before; wins over startAfter. Opaque, checked: a made-up one is InvalidArgument. */
  readonly continuationToken?: string | undefined
  /** 0 to 1000: objects and common prefixes together. */
  readonly maxKeys: number
  readonly signal?: AbortSignal | undefined
}

export interface ListedObject {
  readonly key: string
  readonly size: number
  readonly etag: string
  readonly lastModified: number
  readonly storageClass: StorageClass
}

export interface ListObjectsResult {
  readonly objects: readonly ListedObject[]
  readonly commonPrefixes: readonly string[]
  /** Present exactly when there is more. URL-safe characters only. */
  readonly next?: string | undefined
  /** The last name (key or common prefix) of a page that has more: S3's NextMarker. */
  readonly nextMarker?: string | undefined
}

export interface CreateMultipartUploadRequest extends ObjectName, ObjectAttributes {
  readonly marks?: ObjectMarks | undefined
  readonly signal?: AbortSignal | undefined
}

export interface UploadReference extends ObjectName {
  readonly uploadId: string
  readonly signal?: AbortSignal | undefined
}

export interface UploadPartRequest extends UploadReference {
  readonly partNumber: number
  readonly size: number
  readonly body: IncomingBody
}

export interface CompleteMultipartUploadRequest extends UploadReference {
  /** Ascending by number. */
  readonly parts: readonly { readonly partNumber: number; readonly etag: string }[]
  readonly condition?: WriteCondition | undefined
}

export interface ListPartsRequest extends UploadReference {
  readonly partNumberMarker: number
  readonly maxParts: number
}

export interface StoredPart {
  readonly partNumber: number
  readonly size: number
  readonly etag: string
  readonly lastModified: number
}

export interface ListPartsResult {
  readonly parts: readonly StoredPart[]
  readonly isTruncated: boolean
  readonly storageClass: StorageClass
}

export interface ListMultipartUploadsRequest {
  readonly bucket: string
  readonly prefix: string
  readonly delimiter: string
  readonly keyMarker: string
  /** Only together with keyMarker: uploads of that key behind this id. */
  readonly uploadIdMarker: string
  readonly maxUploads: number
  readonly signal?: AbortSignal | undefined
}

export interface StoredUpload {
  readonly key: string
  readonly uploadId: string
  readonly initiatedAt: number
  readonly storageClass: StorageClass
}

export interface ListMultipartUploadsResult {
  /** By key, then by time of initiation. */
  readonly uploads: readonly StoredUpload[]
  readonly commonPrefixes: readonly string[]
  readonly isTruncated: boolean
  readonly nextKeyMarker: string
  readonly nextUploadIdMarker: string
}
