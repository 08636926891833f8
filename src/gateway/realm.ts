import { randomUUID } from 'node:crypto'
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
  return (await storedRealm(storage, systemBucket)) === realm
}

/** The realm that the store was claimed for; null if it was not yet. */
export async function storedRealm(storage: Storage, systemBucket: string): Promise<string | null> {
  try {
    const { body } = await storage.getObject({ bucket: systemBucket, key: REALM_KEY })
    const chunks: Uint8Array[] = []
    for await (const chunk of body) chunks.push(chunk)
    const { version, realm } = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>
    if (version === 1 && typeof realm === 'string' && realm !== '') return realm
    throw new Error(`${systemBucket}/${REALM_KEY} is damaged: it names no realm`)
  } catch (error) {
    if (isError(error, 'NoSuchKey', 'NoSuchBucket')) return null
    throw error
  }
}

/** The store's realm, drawn now if there is none: where no keyring holds it. */
export async function ownRealm(storage: Storage, systemBucket: string): Promise<string> {
  const found = await storedRealm(storage, systemBucket)
  if (found !== null) return found
  const realm = randomUUID()
  if (await claimRealm(storage, systemBucket, realm)) return realm
  // Another replica was first.
  return (await storedRealm(storage, systemBucket)) ?? realm
}

async function* one(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}
