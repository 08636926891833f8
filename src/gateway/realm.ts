import { randomUUID } from 'node:crypto'
import { isError } from '../errors.ts'
import type { Storage } from '../storage/storage.ts'
import { createSystemObject, readSystemObject } from './system-bucket.ts'

const REALM_KEY = 'v1/realm'
const REALM_BYTES = 4096

/**
 * Makes sure that the store belongs to this deployment: the system bucket is made if it is missing, and its record of the
 * realm must be the one that the keyring or the configuration names.
 * Returns false if the store belongs to another deployment; the caller refuses to start.
 */
export async function claimRealm(storage: Storage, systemBucket: string, realm: string): Promise<boolean> {
  await storage.createBucket(systemBucket).catch((error: unknown) => {
    if (!isError(error, 'BucketAlreadyOwnedByYou')) throw error
  })
  const record = Buffer.from(JSON.stringify({ version: 1, realm }))
  if (await createSystemObject({ storage, systemBucket }, REALM_KEY, record)) return true
  return (await storedRealm(storage, systemBucket)) === realm
}

/** The realm that the store was claimed for; null if it was not yet. */
export async function storedRealm(storage: Storage, systemBucket: string): Promise<string | null> {
  try {
    const record = await readSystemObject({ storage, systemBucket }, REALM_KEY, REALM_BYTES)
    return record === null ? null : realmOf(record, `${systemBucket}/${REALM_KEY}`)
  } catch (error) {
    if (isError(error, 'NoSuchBucket')) return null
    throw error
  }
}

function realmOf(record: Buffer, name: string): string {
  try {
    const { version, realm } = JSON.parse(record.toString()) as Record<string, unknown>
    if (version === 1 && typeof realm === 'string' && realm !== '') return realm
  } catch {
    // Falls through: what is no JSON names no realm.
  }
  throw new Error(`${name} is damaged: it names no realm`)
}

/** The store's realm, drawn now if there is none: where no keyring holds it. */
export async function ownRealm(storage: Storage, systemBucket: string): Promise<string> {
  const found = await storedRealm(storage, systemBucket)
  if (found !== null) return found
  const drawn = randomUUID()
  if (await claimRealm(storage, systemBucket, drawn)) return drawn
  const others = await storedRealm(storage, systemBucket)
  if (others !== null) return others
  // Nothing may be sealed for a realm that no record holds.
  throw new Error(`${systemBucket}/${REALM_KEY} was there and is gone`)
}
