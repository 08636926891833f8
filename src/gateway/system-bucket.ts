import { isError } from '../errors.ts'
import type { ListedObject } from '../storage/storage.ts'
import type { Gateway } from './gateway.ts'
import { readWhole } from './open-object.ts'

/* The deployment's own small objects, in the one bucket that no client reaches. */

export async function putSystemObject(gateway: Gateway, key: string, bytes: Buffer): Promise<void> {
  await gateway.storage.putObject({
    bucket: gateway.systemBucket,
    key,
    headers: { 'content-type': 'application/octet-stream' },
    metadata: {},
    storageClass: 'STANDARD',
    size: bytes.length,
    body: once(bytes),
  })
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  if (bytes.length > 0) yield bytes
}

/** Reads one of the deployment's own small objects; null if it is not there. */
export async function readSystemObject(gateway: Gateway, key: string, limit: number): Promise<Buffer | null> {
  try {
    const { body } = await gateway.storage.getObject({ bucket: gateway.systemBucket, key })
    return await readWhole(body, limit)
  } catch (error) {
    if (isError(error, 'NoSuchKey')) return null
    throw error
  }
}

export async function deleteSystemObjects(gateway: Gateway, keys: readonly string[]): Promise<void> {
  const remaining = keys.values()
  const worker = async () => {
    for (const key of remaining) await gateway.storage.deleteObject({ bucket: gateway.systemBucket, key })
  }
  await Promise.all(Array.from({ length: 32 }, worker))
}

/** The deployment's own objects in the order of their names, one call to the store for 1000. */
export async function* systemObjects(
  gateway: Gateway,
  prefix: string,
  startAfter = '',
): AsyncGenerator<ListedObject> {
  let continuationToken: string | undefined
  do {
    const page = await gateway.storage.listObjects({
      bucket: gateway.systemBucket,
      prefix,
      delimiter: '',
      startAfter,
      continuationToken,
      maxKeys: 1000,
    })
    yield* page.objects
    continuationToken = page.next
  } while (continuationToken !== undefined)
}
