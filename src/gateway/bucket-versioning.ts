import { SealgateError } from '../errors.ts'
import type { VersioningStatus } from '../storage/versioning.ts'
import type { Gateway } from './gateway.ts'
import { checkBucket } from './names.ts'

/** Null if it was never set, or cannot be. */
export async function getBucketVersioning(
  gateway: Gateway,
  bucket: string,
): Promise<VersioningStatus | null> {
  checkBucket(gateway, bucket)
  const { storage } = gateway
  if (storage.versioning !== null) return storage.versioning.getBucketVersioning(bucket)
  await storage.headBucket(bucket)
  return null
}

export async function putBucketVersioning(
  gateway: Gateway,
  bucket: string,
  status: VersioningStatus,
): Promise<void> {
  checkBucket(gateway, bucket)
  const { storage } = gateway
  if (storage.versioning !== null) return storage.versioning.putBucketVersioning(bucket, status)
  await storage.headBucket(bucket)
  throw new SealgateError(
    'NotImplemented',
    'The storage behind the gateway keeps no versions of objects, so versioning cannot be set.',
  )
}

export type { VersioningStatus } from '../storage/versioning.ts'
