import { setTimeout as sleep, setImmediate as turnOfOthers } from 'node:timers/promises'
import { integrityError } from '../envelope/index.ts'
import { isError, SealgateError } from '../errors.ts'
import type {
  ListedObject,
  ListObjectsRequest,
  ListObjectsResult,
  Storage,
  UserMetadata,
  WriteCondition,
} from '../storage/storage.ts'
import { readWhole } from './open-object.ts'

/* The deployment's own small objects, in the one bucket that no client reaches. */

export interface SystemBucket {
  readonly storage: Storage
  readonly systemBucket: string
}

export async function putSystemObject(
  { storage, systemBucket }: SystemBucket,
  key: string,
  bytes: Buffer,
  condition?: WriteCondition,
  metadata: UserMetadata = {},
): Promise<void> {
  await storage.putObject({
    bucket: systemBucket,
    key,
    headers: { 'content-type': 'application/octet-stream' },
    metadata,
    storageClass: 'STANDARD',
    size: bytes.length,
    body: once(bytes),
    condition,
  })
}

/** How long a store that does not enforce the condition is given to show another's record. */
const SETTLE_MS = 500

/**
 * Puts a record that must not be there yet; false if it is. Few stores do not enforce that: there it is looked for before and, once
 * others have had time, after, so that of two who are at it at once at most one goes on.
 */
export async function createSystemObject(bucket: SystemBucket, key: string, bytes: Buffer): Promise<boolean> {
  if (!bucket.storage.capabilities.conditions.put.ifNoneMatch) {
    const limit = 64 * 1024
    if ((await readSystemObject(bucket, key, limit)) !== null) return false
    await putSystemObject(bucket, key, bytes)
    await sleep(SETTLE_MS)
    return (await readSystemObject(bucket, key, limit))?.equals(bytes) === true
  }
  for (let attempt = 1; ; attempt++) {
    try {
      await putSystemObject(bucket, key, bytes, { ifNoneMatch: '*' })
      return true
    } catch (error) {
      if (isError(error, 'PreconditionFailed')) return false
      if (!isError(error, 'ConditionalRequestConflict')) throw error
      // No word to a client, who asked for no condition.
      if (attempt === 3) throw new SealgateError('SlowDown', undefined, { cause: error })
      await sleep(100 * attempt)
    }
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  if (bytes.length > 0) yield bytes
}

/** Reads one of the deployment's own small objects; null if it is not there. */
export async function readSystemObject(
  { storage, systemBucket }: SystemBucket,
  key: string,
  limit: number,
): Promise<Buffer | null> {
  try {
    const { body } = await storage.getObject({ bucket: systemBucket, key })
    return await readWhole(body, limit)
  } catch (error) {
    if (isError(error, 'NoSuchKey')) return null
    throw error
  }
}

export async function deleteSystemObjects(
  { storage, systemBucket }: SystemBucket,
  keys: readonly string[],
): Promise<void> {
  if (storage.removeObjects !== undefined) {
    const [failed] = (await storage.removeObjects(systemBucket, keys)).values()
    if (failed !== undefined) throw failed
    return
  }
  const remaining = keys.values()
  const worker = async () => {
    for (const key of remaining) await storage.deleteObject({ bucket: systemBucket, key })
  }
  await Promise.all(Array.from({ length: 32 }, worker))
}

/** Pages without a name, one after the other, that a list may have. */
const MAX_EMPTY_PAGES = 100

/**
 * The deployment's own objects in the order of their names, one call to the store for 1000. A list that comes back to a name, or goes on without
 * any, is refused: it would never end; so is one with names that were not asked for, as what it has may be removed. Between its pages others have
 * their turn.
 */
export function systemObjects(
  bucket: SystemBucket,
  prefix: string,
  startAfter = '',
): AsyncGenerator<ListedObject> {
  return listed(bucket, { prefix, delimiter: '', startAfter }, ({ objects }) =>
    objects.map((object) => [object.key, object]),
  )
}

/** The directories of the deployment's own objects, in the same way. */
export function systemDirectories(bucket: SystemBucket, prefix: string): AsyncGenerator<string> {
  return listed(bucket, { prefix, delimiter: '/', startAfter: '' }, ({ commonPrefixes }) =>
    commonPrefixes.map((directory) => [directory, directory]),
  )
}

async function* listed<T>(
  { storage, systemBucket }: SystemBucket,
  asked: Pick<ListObjectsRequest, 'prefix' | 'delimiter' | 'startAfter'>,
  entriesOf: (page: ListObjectsResult) => readonly (readonly [name: string, entry: T])[],
): AsyncGenerator<T> {
  let continuationToken: string | undefined
  let last = Buffer.from(asked.startAfter)
  let emptyPages = 0
  do {
    const page = await storage.listObjects({
      bucket: systemBucket,
      ...asked,
      continuationToken,
      maxKeys: 1000,
    })
    const entries = entriesOf(page)
    for (const [name, entry] of entries) {
      if (!name.startsWith(asked.prefix))
        throw integrityError('a list of the system bucket has a name that was not asked for')
      // By their bytes, as stores have them: there may be names that nobody here made.
      const bytes = Buffer.from(name)
      if (Buffer.compare(bytes, last) <= 0)
        throw integrityError('a list of the system bucket comes back to a name')
      last = bytes
      yield entry
    }
    emptyPages = entries.length === 0 ? emptyPages + 1 : 0
    if (emptyPages > MAX_EMPTY_PAGES)
      throw integrityError('a list of the system bucket goes on without names')
    continuationToken = page.next
    await turnOfOthers()
  } while (continuationToken !== undefined)
}
