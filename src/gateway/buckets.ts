import type { StoredBucket } from '../storage/storage.ts'
import type { Gateway } from './gateway.ts'
import { checkBucket, checkNewBucketName } from './names.ts'

export async function listBuckets(gateway: Gateway): Promise<readonly StoredBucket[]> {
  const buckets = await gateway.storage.listBuckets()
  return buckets.filter((bucket) => bucket.name !== gateway.systemBucket)
}

export async function createBucket(gateway: Gateway, bucket: string): Promise<void> {
  checkNewBucketName(gateway, bucket)
  await gateway.storage.createBucket(bucket)
}

export async function headBucket(gateway: Gateway, bucket: string): Promise<void> {
  checkBucket(gateway, bucket)
  await gateway.storage.headBucket(bucket)
}

export async function deleteBucket(gateway: Gateway, bucket: string): Promise<void> {
  checkBucket(gateway, bucket)
  await gateway.storage.deleteBucket(bucket)
}
