import { SealgateError } from '../errors.ts'
import type { NewBucket, StoredBucket } from '../storage/storage.ts'
import { dropUploads } from './drop-uploads.ts'
import type { Gateway } from './gateway.ts'
import { checkBucket, checkNewBucketName } from './names.ts'

export interface ListBucketsRequest {
  readonly prefix: string
  /** Only names behind this one; empty for the start. */
  readonly startAfter: string
  readonly maxBuckets: number
}

/** By name. `next` is there exactly if there are more: the name to start after. */
export async function listBuckets(
  gateway: Gateway,
  { prefix, startAfter, maxBuckets }: ListBucketsRequest,
): Promise<{ readonly buckets: readonly StoredBucket[]; readonly next?: string | undefined }> {
  const buckets = (await gateway.storage.listBuckets())
    .filter(({ name }) => name !== gateway.systemBucket && name.startsWith(prefix) && name > startAfter)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  const page = buckets.slice(0, maxBuckets)
  return { buckets: page, next: buckets.length > page.length ? page.at(-1)?.name : undefined }
}

export async function createBucket(
  gateway: Gateway,
  bucket: string,
  { objectLock = false, acl }: NewBucket = {},
): Promise<void> {
  checkNewBucketName(gateway, bucket)
  if (objectLock && gateway.storage.subresources?.keeps('bucket', 'object-lock') !== true)
    throw new SealgateError('NotImplemented', 'The storage behind the gateway has no Object Lock.', {
      details: { Header: 'x-amz-bucket-object-lock-enabled' },
    })
  await gateway.storage.createBucket(bucket, { objectLock, acl })
}

export async function headBucket(gateway: Gateway, bucket: string): Promise<void> {
  checkBucket(gateway, bucket)
  await gateway.storage.headBucket(bucket)
}

/** The bucket's records in the key ring stay: a backup of its objects may come back. */
export async function deleteBucket(gateway: Gateway, bucket: string): Promise<void> {
  checkBucket(gateway, bucket)
  await gateway.storage.deleteBucket(bucket)
  await dropUploads(gateway, bucket).catch((error: unknown) =>
    gateway.warn('uploads of a deleted bucket are left behind', error),
  )
}
