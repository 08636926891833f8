import { hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'
import type { DekBinding } from './dek-context.ts'
import { lengthPrefixed } from './kms/kms.ts'
import { MAX_WRAPPED_BYTES } from './usable-key.ts'

/* One record of the key ring: FORMAT.md section 13 has the fields in this order. */

/** One generation of a DEK: the DEK wrapped under one CMK, and a commitment to it that all generations share. */
export interface RingRecord extends DekBinding {
  readonly cmkId: string
  readonly wrapped: Buffer
  /** Milliseconds since 1970; for people, nothing is decided by it. */
  readonly created: number
  readonly salt: Buffer
  readonly check: Buffer
}

const VERSION = 1
const LABEL = 'sealgate/1 ring'
const DEK_ID_BYTES = 16
const SALT_BYTES = 32
const CHECK_BYTES = 32
const LIMITS = { realm: 1024, bucket: 255, cmkId: 255, wrapped: MAX_WRAPPED_BYTES } as const
/** No record is longer. */
export const MAX_RECORD_BYTES = 8192

export function encodeRingRecord(record: RingRecord): Buffer {
  const { realm, bucket, dekId, cmkId, wrapped, created, salt, check } = record
  const texts = [Buffer.from(realm), Buffer.from(bucket), Buffer.from(cmkId), wrapped]
  const time = Buffer.alloc(6)
  time.writeUIntBE(created, 0, 6)
  const bytes = Buffer.concat([Buffer.of(VERSION), dekId, lengthPrefixed(texts), time, salt, check])
  // Whatever could not be read back would be a DEK without a record.
  if (parseRingRecord(bytes) === null) throw new RangeError('expected fields that fit a ring record')
  return bytes
}

/** Null for anything that is not the one encoding of a record. */
export function parseRingRecord(bytes: Buffer): RingRecord | null {
  let at = 0
  const take = (size: number): Buffer | null => {
    if (at + size > bytes.length) return null
    at += size
    return Buffer.from(bytes.subarray(at - size, at))
  }
  const prefixed = (limit: number): Buffer | null => {
    const size = take(4)?.readUInt32BE() ?? 0
    return size === 0 || size > limit ? null : take(size)
  }
  if (take(1)?.[0] !== VERSION) return null
  const dekId = take(DEK_ID_BYTES)
  const [realm, bucket, cmkId] = [LIMITS.realm, LIMITS.bucket, LIMITS.cmkId].map((limit) =>
    utf8(prefixed(limit)),
  )
  const wrapped = prefixed(LIMITS.wrapped)
  const created = take(6)?.readUIntBE(0, 6)
  const [salt, check] = [take(SALT_BYTES), take(CHECK_BYTES)]
  if (dekId === null || wrapped === null || salt === null || check === null || created === undefined)
    return null
  if (realm == null || bucket == null || cmkId == null || at !== bytes.length) return null
  return { realm, bucket, dekId, cmkId, wrapped, created, salt, check }
}

/** A fresh commitment to a DEK: who holds the DEK can check it, who does not learns nothing of it. */
export function commitTo(dek: Uint8Array, binding: DekBinding): Pick<RingRecord, 'salt' | 'check'> {
  const salt = randomBytes(SALT_BYTES)
  return { salt, check: commitment(dek, salt, binding) }
}

/** True if this is the DEK that the record was begun for. */
export function isDekOf(record: RingRecord, dek: Uint8Array): boolean {
  return timingSafeEqual(commitment(dek, record.salt, record), record.check)
}

function commitment(dek: Uint8Array, salt: Uint8Array, { realm, bucket, dekId }: DekBinding): Buffer {
  const names = lengthPrefixed([Buffer.from(realm), Buffer.from(bucket)])
  return Buffer.from(
    hkdfSync('sha256', dek, salt, Buffer.concat([Buffer.from(LABEL), names, dekId]), CHECK_BYTES),
  )
}

function utf8(bytes: Buffer | null): string | null {
  const text = bytes?.toString('utf8') ?? null
  return text !== null && Buffer.from(text).equals(bytes ?? Buffer.alloc(0)) ? text : null
}
