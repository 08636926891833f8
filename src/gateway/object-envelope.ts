import {
  type Envelope,
  type ObjectKey,
  type ObjectKind,
  openEnvelope,
  sealEnvelope,
} from '../envelope/index.ts'
import type { ObjectAttributes } from '../storage/storage.ts'
import { type ClientAttributes, hashOf, withEnvelope } from './attributes.ts'
import type { Gateway } from './gateway.ts'

export interface SealedAttributes {
  /** What the store is to keep: the client's attributes and the envelope among them. */
  readonly stored: ObjectAttributes
  readonly envelope: string
  readonly cmkId: string
  readonly dekId: Buffer
}

export interface SealAttributesInput {
  readonly bucket: string
  readonly key: string
  readonly objectKey: ObjectKey
  readonly kind: ObjectKind
  /** Plaintext bytes; null for multipart, where the footer has it. */
  readonly plainSize: number | null
  readonly attributes: ClientAttributes
  /** Bytes that are written under the data key by this operation; 0 where they come later or were there before. */
  readonly bytes: number
}

/** Seals an object's key and attributes under its bucket's current data key, which is wiped at once. */
export async function sealAttributes(
  gateway: Gateway,
  input: SealAttributesInput,
): Promise<SealedAttributes> {
  const { bucket, key, objectKey, kind, plainSize, attributes } = input
  const dek = await gateway.keys.encrypting(bucket, input.bytes)
  try {
    const binding = { realm: gateway.realm, bucket, key }
    const envelope = sealEnvelope({
      dek,
      objectKey,
      kind,
      plainSize,
      metadataHash: hashOf(attributes),
      binding,
    })
    const { cmkId, dekId } = dek
    return { stored: withEnvelope(attributes, envelope, gateway.storage.limits), envelope, cmkId, dekId }
  } finally {
    dek.plaintext.fill(0)
  }
}

/** Opens the object's key; the data key is wiped at once. */
export async function openObjectKey(
  gateway: Gateway,
  bucket: string,
  key: string,
  envelope: Envelope,
): Promise<ObjectKey> {
  const dek = await gateway.keys.decrypting(bucket, envelope)
  try {
    return openEnvelope(envelope, dek, { realm: gateway.realm, bucket, key })
  } finally {
    dek.fill(0)
  }
}
