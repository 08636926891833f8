import { randomUUID } from 'node:crypto'
import { isError } from '../errors.ts'
import { RING_PREFIX } from '../keys/index.ts'
import type { Storage } from '../storage/storage.ts'
import { createSystemObject, readSystemObject } from './system-bucket.ts'
import { UPLOADS_PREFIX } from './upload-state.ts'

const REALM_KEY = 'v1/realm'
const REALM_BYTES = 4096

/** Where what is sealed for a realm has records; an order to rotate or a scratch key says nothing. */
const SEALED = [RING_PREFIX, UPLOADS_PREFIX]

/**
 * The store's record of its realm is gone, and what is sealed is not. Under another realm none of it would open, and what is written meanwhile would
 * open under no other: so none is drawn or taken from a keyring that may be of another deployment.
 */
export class LostRealmError extends Error {
  override readonly name = 'LostRealmError'

  constructor(systemBucket: string) {
    super(
      `The record ${REALM_KEY} in the system bucket ${systemBucket} is missing, but there are data keys or uploads of a deployment beside it. Restore it from a backup of the bucket; or name the deployment's realm by realm / SEALGATE_REALM: a keyring has it, and the first line of what \`sealgate keys export\` wrote.`,
    )
  }
}

/**
 * Makes sure that the store belongs to this deployment: the system bucket is made if it is missing, and its record of the
 * realm must be the one that the keyring or the configuration names. Returns false if the store belongs to another deployment; the caller refuses to start.
 * @param isNamed somebody says that the store is of this realm, so that a lost record is made again
 * @throws LostRealmError
 */
export async function claimRealm(
  storage: Storage,
  systemBucket: string,
  realm: string,
  { isNamed = false } = {},
): Promise<boolean> {
  // One call at every start but the first.
  const found = await storedRealm(storage, systemBucket)
  if (found !== null) return found === realm
  await storage.createBucket(systemBucket).catch((error: unknown) => {
    if (!isError(error, 'BucketAlreadyOwnedByYou')) throw error
  })
  if (!isNamed && (await hasSealed(storage, systemBucket))) {
    // Of replicas that start at once another one may have come first, and sealed already.
    const others = await storedRealm(storage, systemBucket)
    if (others === null) throw new LostRealmError(systemBucket)
    return others === realm
  }
  const record = Buffer.from(JSON.stringify({ version: 1, realm }))
  if (await createSystemObject({ storage, systemBucket }, REALM_KEY, record)) return true
  return (await storedRealm(storage, systemBucket)) === realm
}

/** Whether the store holds what some deployment sealed. */
export async function isInUse(storage: Storage, systemBucket: string): Promise<boolean> {
  return (await storedRealm(storage, systemBucket)) !== null || (await hasSealed(storage, systemBucket))
}

/** One call: the deployment's records lie under a handful of prefixes. */
async function hasSealed(storage: Storage, systemBucket: string): Promise<boolean> {
  try {
    const { commonPrefixes } = await storage.listObjects({
      bucket: systemBucket,
      prefix: 'v1/',
      delimiter: '/',
      startAfter: '',
      maxKeys: 100,
    })
    return SEALED.some((prefix) => commonPrefixes.includes(prefix))
  } catch (error) {
    if (isError(error, 'NoSuchBucket')) return false
    throw error
  }
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

/** The store's realm, drawn now if there is none: where no keyring holds it. @throws LostRealmError */
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
