import {
  type Envelope,
  isCustomerKeyOf,
  type ObjectKey,
  type ObjectKind,
  openEnvelope,
  sealEnvelope,
} from '../envelope/index.ts'
import { SealgateError } from '../errors.ts'
import type { ObjectAttributes } from '../storage/storage.ts'
import { type ClientAttributes, hashOf, withEnvelope } from './attributes.ts'
import type { CustomerKey, EncryptionAnswer } from './encryption.ts'
import type { Gateway } from './gateway.ts'

export interface SealedAttributes {
  /** What the store is to keep: the client's attributes and the envelope among them. */
  readonly stored: ObjectAttributes
  readonly envelope: string
  readonly encryption: EncryptionAnswer
}

export interface SealAttributesInput {
  readonly bucket: string
  readonly key: string
  readonly objectKey: ObjectKey
  readonly kind: ObjectKind
  /** Plaintext bytes; null for multipart, where the footer has it. */
  readonly plainSize: number | null
  readonly attributes: ClientAttributes
  /** Seals in the place of the bucket's data key. */
  readonly customerKey: CustomerKey | undefined
  /** Bytes that are written under the data key by this operation; 0 where they come later or were there before. */
  readonly bytes: number
}

/** Seals an object's key and attributes under its bucket's current data key, or the customer's own key. */
export async function sealAttributes(
  gateway: Gateway,
  input: SealAttributesInput,
): Promise<SealedAttributes> {
  const { bucket, key, objectKey, kind, plainSize, attributes, customerKey } = input
  const fields = { bucket, key, objectKey, kind, plainSize, metadataHash: hashOf(attributes) }
  const { envelope, encryption } =
    customerKey === undefined
      ? await sealUnderDataKey(gateway, fields, input.bytes)
      : sealUnderCustomerKey(gateway, fields, customerKey)
  return { stored: withEnvelope(attributes, envelope, gateway.storage.limits), envelope, encryption }
}

type SealedFields = Pick<SealAttributesInput, 'bucket' | 'key' | 'objectKey' | 'kind' | 'plainSize'> & {
  readonly metadataHash: Buffer
}

/** In the envelopes of upload records, which have no metadata of a client's. */
export const NO_METADATA = Buffer.alloc(32)

/** The data key is wiped at once. */
export async function sealUnderDataKey(
  gateway: Gateway,
  { bucket, key, ...fields }: SealedFields,
  bytes: number,
): Promise<{ envelope: string; encryption: { cmkId: string }; dekId: Buffer }> {
  const dek = await gateway.keys.encrypting(bucket, bytes)
  try {
    const binding = { realm: gateway.realm, bucket, key }
    const envelope = sealEnvelope({ dek, ...fields, binding })
    return { envelope, encryption: { cmkId: dek.cmkId }, dekId: dek.dekId }
  } finally {
    dek.plaintext.fill(0)
  }
}

function sealUnderCustomerKey(
  gateway: Gateway,
  { bucket, key, ...fields }: SealedFields,
  customerKey: CustomerKey,
): { envelope: string; encryption: EncryptionAnswer } {
  const binding = { realm: gateway.realm, bucket, key }
  const envelope = sealEnvelope({ customerKey: customerKey.key, ...fields, binding })
  return { envelope, encryption: { customerKeyMd5: customerKey.md5 } }
}

export interface OpenedKey {
  readonly objectKey: ObjectKey
  readonly encryption: EncryptionAnswer
}

/**
 * Opens the object's key, with the data key, which is wiped at once, or with the key that the customer sent. A key where none belongs, or
 * none where one does, is refused as S3 does it.
 */
export async function openObjectKey(
  gateway: Gateway,
  name: { readonly bucket: string; readonly key: string },
  envelope: Envelope,
  customerKey: CustomerKey | undefined,
): Promise<OpenedKey> {
  const binding = { realm: gateway.realm, bucket: name.bucket, key: name.key }
  if (envelope.keySource === 'customer') {
    if (customerKey === undefined)
      throw new SealgateError(
        'InvalidRequest',
        'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.',
      )
    if (!isCustomerKeyOf(envelope, customerKey.key))
      throw new SealgateError('AccessDenied', undefined, { reason: 'another customer key' })
    return {
      objectKey: openEnvelope(envelope, customerKey.key, binding),
      encryption: { customerKeyMd5: customerKey.md5 },
    }
  }
  if (customerKey !== undefined)
    throw new SealgateError('InvalidRequest', 'The encryption parameters are not applicable to this object.')
  const dek = await gateway.keys.decrypting(name.bucket, envelope)
  try {
    return { objectKey: openEnvelope(envelope, dek, binding), encryption: { cmkId: envelope.cmkId } }
  } finally {
    dek.fill(0)
  }
}
