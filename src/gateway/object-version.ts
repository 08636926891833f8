import { isError, SealgateError } from '../errors.ts'
import { OVERWRITTEN, type StoredObject } from '../storage/storage.ts'
import { invalidVersionId } from '../storage/version-errors.ts'
import { NULL_VERSION } from '../storage/versioning.ts'
import type { Gateway } from './gateway.ts'

/** The version to ask the store for. A store without versions has the version null of everything, and is not asked by a name that it does not know. */
export function storedVersion({ storage }: Gateway, versionId: string | undefined): string | undefined {
  if (storage.versioning !== null || versionId === undefined) return versionId
  if (versionId === NULL_VERSION) return undefined
  throw invalidVersionId(versionId)
}

/**
 * The version by which later calls to the store ask for what an earlier one answered: then they meet it also when the key has been written
 * again. The version null is not one that stays.
 */
export function pinnedVersion(asked: string | undefined, { versionId }: StoredObject): string | undefined {
  return asked ?? (versionId === NULL_VERSION ? undefined : versionId)
}

/** A version that an earlier answer named, and that is removed by now, is no reason to tell a client of versions: it begins again. */
export async function ofPinned<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!isError(error, 'NoSuchVersion')) throw error
    throw new SealgateError('PreconditionFailed', undefined, { cause: error, reason: OVERWRITTEN })
  }
}
