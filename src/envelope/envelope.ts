import { randomBytes, timingSafeEqual } from 'node:crypto'
import { ByteReader, fromBase64url, prefixed, requireLength, u8, u16, u64 } from './bytes.ts'
import {
  DEK_ID_SIZE,
  FORMAT_VERSION,
  HASH_SIZE,
  KEY_SIZE,
  KEY_SOURCE,
  KIND,
  LABEL,
  MAX_PLAIN_SIZE,
  MAX_WRAPPED_DEK_SIZE,
  SALT_SIZE,
  SEALED_OEK_SIZE,
  SUITE,
} from './constants.ts'
import { integrityError } from './integrity-error.ts'
import { ObjectKey } from './object-key.ts'
import { deriveKey, openRecord } from './record.ts'

/** Where an object lives; part of what its envelope authenticates. `bucket` is the logical name. */
export interface Binding {
  readonly realm: string
  readonly bucket: string
  readonly key: string
}

/** A DEK as the KMS returned it. */
export interface WrappedDek {
  /** 16 bytes. */
  readonly dekId: Buffer
  /** 1 to 255 bytes of UTF-8. */
  readonly cmkId: string
  /** 1 to 6144 bytes. */
  readonly wrapped: Buffer
}

export type ObjectKind = 'single' | 'multipart'

/** A parsed envelope. Nothing in it is to be believed before `openEnvelope` returned. */
export type Envelope = DekEnvelope | CustomerEnvelope

/** Opens with a DEK, which the key service unwraps. */
export interface DekEnvelope extends EnvelopeFields, WrappedDek {
  readonly keySource: 'dek'
}

/** Opens with the customer's own key, which comes with each request and is kept nowhere. */
export interface CustomerEnvelope extends EnvelopeFields {
  readonly keySource: 'customer'
  /** Tells the right key from another; nothing can be learnt from it. */
  readonly customerCheck: Buffer
}

interface EnvelopeFields {
  readonly kind: ObjectKind
  readonly objectSalt: Buffer
  readonly commitment: Buffer
  /** Plaintext bytes; null for multipart, where the footer has it. */
  readonly plainSize: number | null
  readonly metadataHash: Buffer
  readonly sealedKey: Buffer
  /** All bytes before the sealed key. */
  readonly aadPrefix: Buffer
}

export type SealingKey =
  | { readonly dek: WrappedDek & { readonly plaintext: Uint8Array } }
  | { readonly customerKey: Uint8Array }

export type SealEnvelopeInput = SealingKey & {
  readonly objectKey: ObjectKey
  readonly kind: ObjectKind
  readonly plainSize: number | null
  readonly metadataHash: Buffer
  readonly binding: Binding
}

/**
 * Seals an object's key into the text of its metadata entry `sealgate`, with a fresh salt at every call, also
 * for a key that was sealed before. FORMAT.md section 5 has the fields in this order.
 * @returns canonical base64url, ASCII
 */
export function sealEnvelope(o: SealEnvelopeInput): string {
  const objectSalt = randomBytes(SALT_SIZE)
  const prefix = encodePrefix(o, objectSalt)
  const key =
    'dek' in o
      ? deriveKey(keyOf('DEK', o.dek.plaintext), objectSalt, LABEL.objectKey)
      : deriveKey(keyOf('customer key', o.customerKey), objectSalt, LABEL.customerObjectKey)
  const sealedKey = o.objectKey.sealUnder(key, envelopeAad(prefix, o.binding))
  key.fill(0)
  return Buffer.concat([prefix, sealedKey]).toString('base64url')
}

function keyOf(name: string, key: Uint8Array): Uint8Array {
  requireLength(name, key, KEY_SIZE)
  return key
}

function encodePrefix(o: SealEnvelopeInput, objectSalt: Buffer): Buffer {
  requireLength('metadata hash', o.metadataHash, HASH_SIZE)
  return Buffer.concat([
    u8(FORMAT_VERSION),
    u8(SUITE),
    u8(KIND[o.kind]),
    ...('dek' in o
      ? [u8(KEY_SOURCE.dek), ...encodeDek(o.dek)]
      : [u8(KEY_SOURCE.customer), deriveKey(o.customerKey, objectSalt, LABEL.customerCheck)]),
    objectSalt,
    o.objectKey.commitment(),
    encodePlainSize(o.kind, o.plainSize),
    o.metadataHash,
  ])
}

function encodeDek({ dekId, cmkId, wrapped }: WrappedDek): Buffer[] {
  const cmk = Buffer.from(cmkId, 'utf8')
  requireLength('DEK id', dekId, DEK_ID_SIZE)
  if (!cmkId.isWellFormed() || cmk.length < 1 || cmk.length > 255)
    throw new RangeError('expected a CMK id of 1 to 255 bytes')
  if (wrapped.length < 1 || wrapped.length > MAX_WRAPPED_DEK_SIZE)
    throw new RangeError(
      `expected a wrapped DEK of 1 to ${MAX_WRAPPED_DEK_SIZE} bytes, got ${wrapped.length}`,
    )
  return [dekId, u8(cmk.length), cmk, u16(wrapped.length), wrapped]
}

function encodePlainSize(kind: ObjectKind, plainSize: number | null): Buffer {
  if ((kind === 'single') !== (plainSize !== null))
    throw new TypeError('expected a plaintext size for a single object only')
  if (plainSize === null) return Buffer.alloc(8, 0xff)
  if (plainSize > MAX_PLAIN_SIZE)
    throw new RangeError(`expected at most ${MAX_PLAIN_SIZE} bytes, got ${plainSize}`)
  return u64(plainSize)
}

/**
 * Takes the text of the metadata entry apart, strictly: one encoding per envelope, no trailing bytes, unknown
 * versions refused. Throws ObjectIntegrityError. The result is not authenticated yet.
 */
export function parseEnvelope(text: string): Envelope {
  const bytes = text.length > MAX_TEXT_LENGTH ? null : fromBase64url(text)
  if (bytes === null) throw integrityError('envelope: not canonical base64url')
  const reader = new ByteReader(bytes, 'envelope')
  if (reader.uint(1) !== FORMAT_VERSION) throw integrityError('envelope: unknown version')
  if (reader.uint(1) !== SUITE) throw integrityError('envelope: unknown suite')
  const kind = parseKind(reader.uint(1))
  const source = parseKeySource(reader)
  const objectSalt = reader.take(SALT_SIZE)
  const commitment = reader.take(HASH_SIZE)
  const plainSize = reader.u64()
  if ((kind === 'single') !== (plainSize !== null) || (plainSize ?? 0) > MAX_PLAIN_SIZE)
    throw integrityError('envelope: plaintext size')
  const metadataHash = reader.take(HASH_SIZE)
  const aadPrefix = Buffer.from(bytes.subarray(0, reader.offset))
  const sealedKey = reader.take(SEALED_OEK_SIZE)
  reader.end()
  return { ...source, kind, objectSalt, commitment, plainSize, metadataHash, sealedKey, aadPrefix }
}

function parseKeySource(
  reader: ByteReader,
): Pick<DekEnvelope, 'keySource' | keyof WrappedDek> | Pick<CustomerEnvelope, 'keySource' | 'customerCheck'> {
  const byte = reader.uint(1)
  if (byte === KEY_SOURCE.customer) return { keySource: 'customer', customerCheck: reader.take(HASH_SIZE) }
  if (byte !== KEY_SOURCE.dek) throw integrityError('envelope: unknown key source')
  const dekId = reader.take(DEK_ID_SIZE)
  const cmkId = reader.utf8(reader.uint(1))
  const wrapped = reader.take(reader.uint(2))
  if (cmkId === '' || wrapped.length === 0 || wrapped.length > MAX_WRAPPED_DEK_SIZE)
    throw integrityError('envelope: length of the key fields')
  return { keySource: 'dek', dekId, cmkId, wrapped }
}

/** 430 bytes of other fields at most, and the wrapped DEK. */
const MAX_TEXT_LENGTH = Math.ceil(((430 + MAX_WRAPPED_DEK_SIZE) * 4) / 3)

function parseKind(byte: number): ObjectKind {
  if (byte === KIND.single) return 'single'
  if (byte === KIND.multipart) return 'multipart'
  throw integrityError('envelope: unknown kind')
}

/**
 * Opens an envelope: after it returned, every field of it is authentic for this name. The caller has taken care
 * that a DEK was unwrapped by an allowed CMK, and that a customer's key is the one of the envelope
 * (`isCustomerKeyOf`). Throws ObjectIntegrityError.
 */
export function openEnvelope(envelope: Envelope, sourceKey: Uint8Array, binding: Binding): ObjectKey {
  requireLength(envelope.keySource === 'dek' ? 'DEK' : 'customer key', sourceKey, KEY_SIZE)
  const label = envelope.keySource === 'dek' ? LABEL.objectKey : LABEL.customerObjectKey
  const key = deriveKey(sourceKey, envelope.objectSalt, label)
  const bytes = openRecord(key, envelope.sealedKey, envelopeAad(envelope.aadPrefix, binding))
  key.fill(0)
  if (bytes === null) throw integrityError('envelope: tag')
  const objectKey = ObjectKey.from(bytes)
  bytes.fill(0)
  if (!timingSafeEqual(objectKey.commitment(), envelope.commitment)) {
    objectKey.destroy()
    throw integrityError('envelope: commitment')
  }
  return objectKey
}

function envelopeAad(prefix: Buffer, binding: Binding): Buffer {
  return Buffer.concat([prefix, prefixed(binding.realm, binding.bucket, binding.key)])
}

/** True if this is the key that the object was stored with, as far as the envelope, not opened yet, can tell. */
export function isCustomerKeyOf(envelope: CustomerEnvelope, customerKey: Uint8Array): boolean {
  requireLength('customer key', customerKey, KEY_SIZE)
  const check = deriveKey(customerKey, envelope.objectSalt, LABEL.customerCheck)
  return timingSafeEqual(check, envelope.customerCheck)
}
