import { SealgateError } from '../../errors.ts'
import type { Versioning, VersioningStatus } from '../versioning.ts'
import type { IndexDatabase } from './index-database.ts'
import { versioningOf } from './object-versions.ts'
import { listVersionsPage } from './version-listing.ts'

export function filesystemVersioning(index: IndexDatabase): Versioning {
  return {
    async getBucketVersioning(bucket) {
      requireBucket(index, bucket)
      return versioningOf(index, bucket)
    },
    putBucketVersioning(bucket: string, status: VersioningStatus) {
      return index.write(() => {
        requireBucket(index, bucket)
        index.run('INSERT OR REPLACE INTO versioning VALUES (?, ?)', bucket, status)
      })
    },
    async listObjectVersions(request) {
      requireBucket(index, request.bucket)
      return listVersionsPage(index, request)
    },
  }
}

export function requireBucket(index: IndexDatabase, bucket: string): void {
  if (index.get('SELECT 1 FROM bucket WHERE name = ?', bucket) === undefined) throw noSuchBucket(bucket)
}

export function noSuchBucket(bucket: string): SealgateError {
  return new SealgateError('NoSuchBucket', undefined, { details: { BucketName: bucket } })
}
