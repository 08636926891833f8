import { isError, SealgateError } from '../errors.ts'
import type { DeleteObjectResult } from '../storage/storage.ts'
import { toStoredEtag } from './etag.ts'
import type { Gateway } from './gateway.ts'
import { checkBucket } from './names.ts'
import { storedVersion } from './object-version.ts'

export interface DeleteObjectInput {
  readonly bucket: string
  readonly key: string
  readonly versionId?: string | undefined
  /** An ETag as clients see it, or `*` for any object. */
  readonly ifMatch?: string | undefined
  /** Also a version that is retained in the mode GOVERNANCE. */
  readonly bypassGovernance?: boolean | undefined
}

/** What is gone, or which delete marker hides it. */
export async function deleteObject(gateway: Gateway, input: DeleteObjectInput): Promise<DeleteObjectResult> {
  const { bucket, key, versionId, ifMatch } = input
  checkBucket(gateway, bucket)
  if (versionId !== undefined && ifMatch !== undefined)
    throw new SealgateError('NotImplemented', 'If-Match together with a version id is not implemented.')
  return gateway.storage.deleteObject({
    bucket,
    key,
    versionId: storedVersion(gateway, versionId),
    ifMatch: ifMatch === undefined ? undefined : toStoredEtag(ifMatch),
    bypassGovernance: input.bypassGovernance,
  })
}

/** One of the objects that are to be deleted. */
export type ListedForDeletion = Omit<DeleteObjectInput, 'bucket'>

export interface DeleteObjectsInput {
  readonly bucket: string
  readonly objects: readonly ListedForDeletion[]
}

export interface DeleteObjectsOutput {
  readonly deleted: readonly { readonly object: ListedForDeletion; readonly result: DeleteObjectResult }[]
  readonly errors: readonly { readonly object: ListedForDeletion; readonly error: SealgateError }[]
}

/** How many deletions run at once; the fs store commits those that wait together. */
const CONCURRENCY = 64

/** Each key stands for itself: one failure is reported beside the others' success. Missing keys count as deleted. */
export async function deleteObjects(
  gateway: Gateway,
  input: DeleteObjectsInput,
): Promise<DeleteObjectsOutput> {
  const { bucket, objects } = input
  checkBucket(gateway, bucket)
  const together = await removableTogether(gateway, input)
  const failures =
    (await gateway.storage.removeObjects?.(bucket, [...together])) ?? new Map<string, SealgateError>()
  const deleted: { object: ListedForDeletion; result: DeleteObjectResult }[] = []
  const errors: { object: ListedForDeletion; error: SealgateError }[] = []
  const remaining = objects.values()
  const worker = async () => {
    for (const object of remaining) {
      try {
        const failure = failures.get(object.key)
        if (failure !== undefined) throw failure
        const result = together.has(object.key)
          ? { isDeleteMarker: false }
          : await deleteObject(gateway, { ...object, bucket })
        deleted.push({ object, result })
      } catch (error) {
        errors.push({
          object,
          error: isError(error) ? error : new SealgateError('InternalError', undefined, { cause: error }),
        })
      }
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, worker))
  return { deleted, errors }
}

/**
 * Keys that the store may remove by few calls: where the bucket has no versions, so that nothing is to be told of one, and neither a version nor
 * a condition is asked for. Throws NoSuchBucket if the bucket is not there.
 */
async function removableTogether(
  { storage }: Gateway,
  { bucket, objects }: DeleteObjectsInput,
): Promise<ReadonlySet<string>> {
  const isPlain = ({ versionId, ifMatch }: ListedForDeletion) =>
    versionId === undefined && ifMatch === undefined
  const isWorthIt = storage.removeObjects !== undefined && objects.length > 1 && objects.every(isPlain)
  if (!isWorthIt || storage.versioning === null) await storage.headBucket(bucket)
  if (!isWorthIt) return new Set()
  const status = (await storage.versioning?.getBucketVersioning(bucket)) ?? null
  return new Set(status === null ? objects.map(({ key }) => key) : [])
}

export type { DeleteObjectResult } from '../storage/storage.ts'
