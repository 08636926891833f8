import { StartupError } from '../app.ts'
import { isError } from '../errors.ts'
import { bucketPattern, isRotatable } from '../keys/index.ts'
import type { Storage } from '../storage/storage.ts'

/** What --bucket names, in a sentence. */
export function bucketsInWords(pattern: string): string {
  if (pattern === '*') return 'all buckets'
  return pattern.includes('*') ? `buckets ${pattern}` : `bucket ${pattern}`
}

export function checkBucketOption(pattern: string): void {
  if (!isRotatable(pattern))
    throw new StartupError(
      `--bucket ${pattern}: must be the name of a bucket, or a pattern of names with * in it (in quotes, or the shell replaces it).`,
    )
}

/** A mistyped name must not look as if something had been done. */
export async function requireBucket(storage: Storage, pattern: string): Promise<void> {
  if (pattern === '*' || (await hasBucket(storage, pattern))) return
  throw new StartupError(
    `--bucket ${pattern}: the store has no such bucket, so nothing was done. Check the name; a pattern has * in it.`,
  )
}

async function hasBucket(storage: Storage, pattern: string): Promise<boolean> {
  try {
    if (pattern.includes('*'))
      return (await storage.listBuckets()).map(({ name }) => name).some(bucketPattern(pattern))
    await storage.headBucket(pattern)
    return true
  } catch (error) {
    if (isError(error, 'NoSuchBucket', 'InvalidBucketName')) return false
    // Who may not look cannot be told that there is none.
    if (isError(error, 'AccessDenied')) return true
    throw error
  }
}
