import type { StorageClass } from './storage.ts'

/*
 * What a store can do beyond the least: keep the versions of objects (S3 User Guide, "Retaining multiple versions of objects with S3
 * Versioning").
 *
 * In a bucket whose versioning is Enabled every write of a key adds a version, and a deletion that names none adds a delete marker, which
 * hides the key. Where it is Suspended, both put the version `null` in the place of the one that was `null` before. A bucket that never had
 * versioning has only `null` versions, and its answers do not speak of versions.
 */

/** The id of the version that was written while the bucket kept no versions; every other id is the store's own. */
export const NULL_VERSION = 'null'

/** The longest id that S3 gives; it has printable ASCII characters only. */
export const MAX_VERSION_ID_LENGTH = 1024

export type VersioningStatus = 'Enabled' | 'Suspended'

export interface Versioning {
  /** Null if it was never set. */
  getBucketVersioning(bucket: string): Promise<VersioningStatus | null>
  /** NotImplemented where the bucket cannot have it. */
  putBucketVersioning(bucket: string, status: VersioningStatus): Promise<void>
  listObjectVersions(request: ListObjectVersionsRequest): Promise<ListObjectVersionsResult>
}

export interface ListObjectVersionsRequest {
  readonly bucket: string
  readonly prefix: string
  /** Empty for none. Any string, not only `/`. */
  readonly delimiter: string
  /** Only what lies behind all versions of this key, or, with a version, behind that. Empty for the start. */
  readonly keyMarker: string
  readonly versionIdMarker: string
  /** 0 to 1000: versions, delete markers and common prefixes together. */
  readonly maxKeys: number
  readonly signal?: AbortSignal | undefined
}

interface ListedEntry {
  readonly key: string
  readonly versionId: string
  readonly isLatest: boolean
  readonly lastModified: number
}

export interface ListedVersion extends ListedEntry {
  readonly isDeleteMarker: false
  readonly size: number
  readonly etag: string
  readonly storageClass: StorageClass
}

export interface ListedDeleteMarker extends ListedEntry {
  readonly isDeleteMarker: true
}

export interface ListObjectVersionsResult {
  /** By key, and those of one key from the newest to the oldest. */
  readonly versions: readonly (ListedVersion | ListedDeleteMarker)[]
  readonly commonPrefixes: readonly string[]
  readonly isTruncated: boolean
  /** Where the next page begins; empty exactly when there is none. */
  readonly nextKeyMarker: string
  /** Empty also where the page ends with a common prefix. */
  readonly nextVersionIdMarker: string
}
