import { SealgateError } from '../errors.ts'
import type { SystemBucket } from './system-bucket.ts'

/**
 * Amazon S3 User Guide, "Bucket naming rules": 3 to 63 characters, lower-case letters, digits, dots and hyphens, beginning
 * and ending with a letter or digit, and so every label of a name with dots, as names are host names; not an IPv4 address. The system bucket does not exist for clients.
 */
export function checkNewBucketName(gateway: Pick<SystemBucket, 'systemBucket'>, bucket: string): void {
  const labels = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/
  const wellFormed = bucket.length >= 3 && bucket.length <= 63 && labels.test(bucket)
  if (!wellFormed || /^\d+\.\d+\.\d+\.\d+$/.test(bucket)) throw invalidName(bucket)
  if (bucket === gateway.systemBucket) throw new SealgateError('BucketAlreadyExists')
}

/** Every operation on a bucket begins here: the system bucket is answered as if it were not there. */
export function checkBucket(gateway: Pick<SystemBucket, 'systemBucket'>, bucket: string): void {
  if (bucket === gateway.systemBucket) throw noSuchBucket(bucket)
  // Of dots alone, a name would be a step in the path of another bucket.
  if (bucket.length > 63 || !/^(?!\.+$)[A-Za-z0-9._-]+$/.test(bucket)) throw invalidName(bucket)
}

export function noSuchBucket(bucket: string): SealgateError {
  return new SealgateError('NoSuchBucket', undefined, { details: { BucketName: bucket } })
}

function invalidName(bucket: string): SealgateError {
  return new SealgateError('InvalidBucketName', undefined, { details: { BucketName: bucket } })
}
