import { isError } from '../errors.ts'
import type { Storage } from '../storage/storage.ts'

const REALM_KEY = 'v1/realm'

/**
 * Makes sure that the store belongs to this deployment: the system bucket is made if it is missing, and its record of the
 * realm must be the one that the keyring or the configuration names.
 * Returns false if the store belongs to another deployment; the caller refuses to start.
 */
export async function claimRealm(storage: Storage, systemBucket: string, realm: string): Promise<boolean> {
  await storage.createBucket(systemBucket).catch((error: unknown) => {
    if (!isError(error, 'BucketAlreadyOwnedByYou')) throw error
  })
  const bytes = Buffer.from(JSON.stringify({ version: 1, realm }))
  try {
    await storage.putObject({
      bucket: systemBucket,
      key: REALM_KEY,
      headers: { 'content-type': 'application/json' },
      metadata: {},
      storageClass: 'STANDARD',
      size: bytes.length,
      body: one(bytes),
      condition: { ifNoneMatch: '*' },
    })
    return true
  } catch (error) {
    if (!isError(error, 'PreconditionFailed')) throw error
  }
  const { body } = await storage.getObject({ bucket: systemBucket, key: REALM_KEY })
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks).equals(bytes)
}

async function* one(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}
