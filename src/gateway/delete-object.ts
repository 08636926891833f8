import { isError, SealgateError } from '../errors.ts'
import { toStoredEtag } from './etag.ts'
import type { Gateway } from './gateway.ts'
import { checkBucket } from './names.ts'

export interface DeleteObjectInput {
  readonly bucket: string
  readonly key: string
  /** An ETag as clients see it, or `*` for any object. */
  readonly ifMatch?: string | undefined
}

export async function deleteObject(gateway: Gateway, input: DeleteObjectInput): Promise<void> {
  checkBucket(gateway, input.bucket)
  await gateway.storage.deleteObject({
    bucket: input.bucket,
    key: input.key,
    ifMatch: input.ifMatch === undefined ? undefined : toStoredEtag(input.ifMatch),
  })
}

export interface DeleteObjectsInput {
  readonly bucket: string
  readonly objects: readonly { readonly key: string; readonly etag?: string | undefined }[]
}

export interface DeleteObjectsOutput {
  readonly deleted: readonly string[]
  readonly errors: readonly { readonly key: string; readonly error: SealgateError }[]
}

/** How many deletions run at once; the fs store commits those that wait together. */
const CONCURRENCY = 64

/** Each key stands for itself: one failure is reported beside the others' success. Missing keys count as deleted. */
export async function deleteObjects(
  gateway: Gateway,
  input: DeleteObjectsInput,
): Promise<DeleteObjectsOutput> {
  checkBucket(gateway, input.bucket)
  await gateway.storage.headBucket(input.bucket)
  const deleted: string[] = []
  const errors: { key: string; error: SealgateError }[] = []
  const remaining = input.objects.values()
  const worker = async () => {
    for (const { key, etag } of remaining) {
      try {
        await deleteObject(gateway, { bucket: input.bucket, key, ifMatch: etag })
        deleted.push(key)
      } catch (error) {
        errors.push({
          key,
          error: isError(error) ? error : new SealgateError('InternalError', undefined, { cause: error }),
        })
      }
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, worker))
  return { deleted, errors }
}
