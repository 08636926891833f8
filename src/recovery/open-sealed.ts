import { timingSafeEqual } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type CustomerEnvelope,
  type DekEnvelope,
  type Envelope,
  isCustomerKeyOf,
  metadataHash,
  type ObjectKey,
  openEnvelope,
  parseEnvelope,
  plainSize,
  storedSize,
} from '../envelope/index.ts'
import { isError, type SealgateError } from '../errors.ts'
import { RecoveryError } from './recovery-error.ts'
import type { Attributes, SealedObject } from './sealed-object.ts'

/** The keys of a deployment, as this room needs them. */
export interface RecoveryKeys {
  readonly realm: string
  /** False: the configuration does not let this CMK open objects of the bucket. */
  allows(bucket: string, cmkId: string): boolean
  /** As `DataKeys.decrypting`: ObjectIntegrityError if it does not open, another SealgateError if it could not be tried. */
  decrypting(bucket: string, wrapped: DekEnvelope): Promise<Uint8Array>
  /** What else may help where the key service gives no key for this CMK. */
  advice?(bucket: string, cmkId: string): string
  /** The 32 bytes that a client stored objects with (SSE-C), if they were given. */
  readonly customerKey?: Uint8Array | undefined
}

/** The names under which the object was written: its envelope is bound to them. */
export interface LogicalName {
  readonly bucket: string
  readonly key: string
}

/** An object whose envelope is authentic. */
export interface OpenedObject {
  readonly sealed: Pick<SealedObject, 'name'>
  readonly envelope: Envelope
  readonly objectKey: ObjectKey
  readonly metadata: MetadataVerdict
  /** Those that were sealed; null if none were given, or others. */
  readonly attributes: Attributes | null
}

export type MetadataVerdict = 'authentic' | 'changed' | 'not given'

/** Decodes an envelope; nothing in it is authentic yet. */
export function decodeEnvelope(sealed: Pick<SealedObject, 'name' | 'envelope'>): Envelope {
  try {
    return parseEnvelope(sealed.envelope)
  } catch (error) {
    if (!isError(error, 'ObjectIntegrityError')) throw error
    throw new RecoveryError(
      'envelope',
      `${sealed.name}: its envelope does not decode (${error.reason}): it was cut or altered, or a newer Sealgate wrote it. Fetch its metadata from the store again.`,
      { cause: error },
    )
  }
}

/**
 * Opens the envelope, and says which of the things it is bound to does not fit. Metadata that differ are a RecoveryError unless
 * `ignoreMetadata`: the object's bytes do not depend on them.
 */
export async function openSealed(
  keys: RecoveryKeys,
  name: LogicalName,
  sealed: Pick<SealedObject, 'name' | 'envelope' | 'attributes'>,
  { ignoreMetadata = false } = {},
): Promise<OpenedObject> {
  const envelope = decodeEnvelope(sealed)
  const objectKey = await openObjectKey(keys, name, sealed.name, envelope)
  const attributes = sealed.attributes.find((given) => isBound(envelope, given)) ?? null
  const verdict = sealed.attributes.length === 0 ? 'not given' : attributes === null ? 'changed' : 'authentic'
  if (verdict === 'changed' && !ignoreMetadata) {
    objectKey.destroy()
    throw new RecoveryError('metadata', metadataDiffers(sealed.name))
  }
  return { sealed, envelope, objectKey, metadata: verdict, attributes }
}

/** The plaintext size that a stored length stands for. A single object's envelope says what it must be. */
export function sizeOf(object: OpenedObject, stored: number): number {
  const { name } = object.sealed
  const sealed = object.envelope.plainSize
  if (sealed !== null) {
    const expected = storedSize(sealed)
    if (stored === expected) return sealed
    const difference = Math.abs(stored - expected)
    throw new RecoveryError(
      'length',
      `${name}: has ${stored} stored bytes, and ${expected} were sealed: ${difference} ${stored < expected ? 'are missing. Download it again' : 'are too many'}.`,
    )
  }
  const size = plainSize(stored)
  if (size !== null) return size
  throw new RecoveryError(
    'length',
    `${name}: no sealed object has ${stored} stored bytes: it was cut or extended. Download it again.`,
  )
}

async function openObjectKey(
  keys: RecoveryKeys,
  at: LogicalName,
  name: string,
  envelope: Envelope,
): Promise<ObjectKey> {
  return envelope.keySource === 'dek'
    ? openWithDataKey(keys, at, name, envelope)
    : openWithCustomerKey(keys, at, name, envelope)
}

function openWithCustomerKey(
  { realm, customerKey }: RecoveryKeys,
  { bucket, key }: LogicalName,
  name: string,
  envelope: CustomerEnvelope,
): ObjectKey {
  if (customerKey === undefined)
    throw new RecoveryError(
      'customer-key',
      `${name}: was stored with a key of the customer's own (SSE-C), which Sealgate does not keep: give it by --customer-key FILE.`,
    )
  if (!isCustomerKeyOf(envelope, customerKey))
    throw new RecoveryError(
      'customer-key',
      `${name}: was stored with another customer key than the one given, or its envelope was altered.`,
    )
  try {
    return openEnvelope(envelope, customerKey, { realm, bucket, key })
  } catch (error) {
    if (!isError(error, 'ObjectIntegrityError')) throw error
    throw new RecoveryError(
      'name',
      `${name}: the customer key is the right one; but it was not sealed as ${JSON.stringify(key)} in the bucket ${bucket} and the realm ${realm}, or its envelope was altered.`,
      { cause: error },
    )
  }
}

async function openWithDataKey(
  keys: RecoveryKeys,
  { bucket, key }: LogicalName,
  name: string,
  envelope: DekEnvelope,
): Promise<ObjectKey> {
  const { cmkId } = envelope
  if (!keys.allows(bucket, cmkId))
    throw new RecoveryError(
      'cmk',
      `${name}: was sealed under the CMK ${cmkId}, which the configuration does not allow for the bucket ${bucket}. If it is one of yours, name it in a rule (buckets / SEALGATE_BUCKETS) as cmk or under retired, or take the keyring that holds it.`,
    )
  const dek = await dataKey(keys, bucket, name, envelope)
  try {
    return openEnvelope(envelope, dek, { realm: keys.realm, bucket, key })
  } catch (error) {
    if (!isError(error, 'ObjectIntegrityError')) throw error
    throw new RecoveryError(
      'name',
      `${name}: its data key opens, so CMK, realm and the bucket ${bucket} are right; but it was not sealed under the key ${JSON.stringify(key)}, or its envelope was altered. An object that was renamed in the store opens only under the name that it was written under.`,
      { cause: error },
    )
  } finally {
    dek.fill(0)
  }
}

async function dataKey(
  keys: RecoveryKeys,
  bucket: string,
  name: string,
  envelope: DekEnvelope,
): Promise<Uint8Array> {
  for (;;) {
    try {
      return await keys.decrypting(bucket, envelope)
    } catch (error) {
      if (!isError(error)) throw error
      if (error.kind === 'ObjectIntegrityError')
        throw new RecoveryError(
          'data-key',
          `${name}: the key service does not open its data key under the CMK ${envelope.cmkId}, the bucket ${bucket} and the realm ${keys.realm}. Either the bucket or the realm is not the one that the object was written in, or its envelope was altered.`,
          { cause: error },
        )
      // Too many data keys at once, which is for us to wait out; a key service that does not answer was tried several times by now.
      if (error.kind !== 'SlowDown' || error.cause !== undefined)
        throw keyService(keys, bucket, name, envelope, error)
      await sleep(1000)
    }
  }
}

function keyService(
  keys: RecoveryKeys,
  bucket: string,
  name: string,
  envelope: DekEnvelope,
  error: SealgateError,
): RecoveryError {
  const why = error.cause instanceof Error ? error.cause.message : error.message
  return new RecoveryError(
    'key-service',
    `${name}: the key service gives no key for the CMK ${envelope.cmkId} (${why}).${keys.advice?.(bucket, envelope.cmkId) ?? ''}`,
    { cause: error, passing: error.kind === 'SlowDown' || error.kind === 'ServiceUnavailable' },
  )
}

function isBound(envelope: Envelope, { headers, metadata }: Attributes): boolean {
  try {
    return timingSafeEqual(envelope.metadataHash, metadataHash(headers, metadata))
  } catch (error) {
    // Values that no HTTP header can have, or names twice: not what was sealed.
    if (error instanceof TypeError) return false
    throw error
  }
}

function metadataDiffers(name: string): string {
  return `${name}: the metadata are not those that were sealed. They are bound as a whole: content-type, content-encoding, content-language, content-disposition, cache-control, expires, the website redirect and all user metadata, so one that is missing or changed is enough. The object's bytes can be opened without them: --ignore-metadata.`
}
