import { randomBytes } from 'node:crypto'
import { ByteReader, u8, u16 } from './bytes.ts'
import { FORMAT_VERSION, SALT_SIZE, STATE_TYPE } from './constants.ts'
import { integrityError } from './integrity-error.ts'
import type { ObjectKey } from './object-key.ts'
import { openRecord, sealRecord } from './record.ts'
import { refAad, type UploadRef } from './upload-ref.ts'

/**
 * Seals the record of a whole upload, `init` when it begins and `done` when it is complete, under a fresh salt.
 * The envelope lies in front in clear, as it is what the OEK comes from (FORMAT.md section 9.2).
 */
export function sealUploadState(
  objectKey: ObjectKey,
  ref: UploadRef,
  type: 'init' | 'done',
  payload: Buffer,
  envelope: string,
): Buffer {
  const text = Buffer.from(envelope, 'latin1')
  const head = Buffer.concat([u8(FORMAT_VERSION), u8(STATE_TYPE[type]), u16(text.length), text])
  const salt = randomBytes(SALT_SIZE)
  const key = objectKey.stateKey(type, salt)
  const sealed = sealRecord(key, payload, Buffer.concat([head, refAad(ref)]))
  key.fill(0)
  return Buffer.concat([head, salt, sealed])
}

/** The envelope's text in an upload's record, not authenticated yet. Throws ObjectIntegrityError. */
export function readUploadStateEnvelope(bytes: Buffer): string {
  return readHead(new ByteReader(bytes, 'upload state')).envelope
}

/** The payload of an upload's record of the given type. Throws ObjectIntegrityError. */
export function openUploadState(
  objectKey: ObjectKey,
  ref: UploadRef,
  type: 'init' | 'done',
  bytes: Buffer,
): Buffer {
  const reader = new ByteReader(bytes, 'upload state')
  if (readHead(reader).type !== STATE_TYPE[type]) throw integrityError('upload state: type')
  const head = bytes.subarray(0, reader.offset)
  const salt = reader.take(SALT_SIZE)
  const key = objectKey.stateKey(type, salt)
  const payload = openRecord(key, bytes.subarray(reader.offset), Buffer.concat([head, refAad(ref)]))
  key.fill(0)
  if (payload === null) throw integrityError('upload state: tag')
  return payload
}

function readHead(reader: ByteReader): { type: number; envelope: string } {
  if (reader.uint(1) !== FORMAT_VERSION) throw integrityError('upload state: unknown version')
  const type = reader.uint(1)
  const envelope = reader.take(reader.uint(2)).toString('latin1')
  return { type, envelope }
}
