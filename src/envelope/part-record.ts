import { randomBytes } from 'node:crypto'
import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm } from '../base/checksum-algorithm.ts'
import { allZero, ByteReader, fromBase64url, padded, prefixed, requireLength, u8, u16, u48 } from './bytes.ts'
import { algorithmById } from './checksum-id.ts'
import { CHECKSUM_ID, FORMAT_VERSION, HASH_SIZE, MAX_PARTS, SALT_SIZE, STATE_TYPE } from './constants.ts'
import type { Binding } from './envelope.ts'
import { integrityError } from './integrity-error.ts'
import type { ObjectKey } from './object-key.ts'
import { openRecord, sealRecord } from './record.ts'

/** The upload that a state record belongs to; part of what the record authenticates. */
export interface UploadRef extends Binding {
  readonly uploadId: string
}

/** One uploaded part of an unfinished upload. */
export interface PartRecord {
  readonly partNumber: number
  /** Milliseconds since 1970. */
  readonly time: number
  /** Plaintext bytes. */
  readonly size: number
  /** Where the ciphertext is: the backend's part, this record's own object, or an object beside it. */
  readonly location: 'part' | 'inline' | 'stash'
  readonly checksumAlgorithm: ChecksumAlgorithm | null
  /** Raw value; empty without an algorithm. */
  readonly checksum: Buffer
  /** At most 89 bytes of UTF-8, so that the record fits into a name. */
  readonly etag: string
  /** The part salt, 32 bytes, which is also the record's: both are drawn once per upload of a part. */
  readonly salt: Buffer
}

/**
 * Seals a part record into the last component of an object name: with the prefix `NNNNN.` at most 255 characters
 * (FORMAT.md section 9.1). One salt seals one record only.
 */
export function sealPartRecord(objectKey: ObjectKey, ref: UploadRef, r: PartRecord): string {
  if (r.partNumber < 1 || r.partNumber > MAX_PARTS)
    throw new RangeError(`expected a part number, got ${r.partNumber}`)
  const etag = Buffer.from(r.etag, 'utf8')
  if (etag.length > MAX_ETAG_SIZE)
    throw new RangeError(`expected an ETag of at most ${MAX_ETAG_SIZE} bytes, got ${etag.length}`)
  const algorithm = r.checksumAlgorithm
  requireLength('part checksum', r.checksum, algorithm === null ? 0 : CHECKSUM_ALGORITHMS[algorithm].bytes)
  const plaintext = Buffer.concat([
    u16(r.partNumber),
    u48(r.time),
    u48(r.size),
    u8(LOCATIONS.indexOf(r.location)),
    u8(algorithm === null ? 0 : CHECKSUM_ID[algorithm]),
    padded(r.checksum, HASH_SIZE),
    u8(etag.length),
    etag,
  ])
  const key = objectKey.stateKey('part', r.salt)
  const sealed = sealRecord(key, plaintext, refAad(ref))
  key.fill(0)
  return Buffer.concat([r.salt, sealed]).toString('base64url')
}

/** Opens a part record; the caller compares its number with the one in the name. Throws ObjectIntegrityError. */
export function openPartRecord(objectKey: ObjectKey, ref: UploadRef, text: string): PartRecord {
  const bytes = text.length > MAX_RECORD_TEXT ? null : fromBase64url(text)
  if (bytes === null || bytes.length < SALT_SIZE) throw integrityError('part record: encoding')
  const salt = Buffer.from(bytes.subarray(0, SALT_SIZE))
  const key = objectKey.stateKey('part', salt)
  const plaintext = openRecord(key, bytes.subarray(SALT_SIZE), refAad(ref))
  key.fill(0)
  if (plaintext === null) throw integrityError('part record: tag')
  const reader = new ByteReader(plaintext, 'part record')
  const partNumber = reader.uint(2)
  const time = reader.uint(6)
  const size = reader.uint(6)
  const location = LOCATIONS[reader.uint(1)]
  const checksumAlgorithm = algorithmById(reader.uint(1))
  const field = reader.take(HASH_SIZE)
  const etag = reader.utf8(reader.uint(1))
  reader.end()
  if (partNumber < 1 || partNumber > MAX_PARTS || location === undefined || checksumAlgorithm === undefined)
    throw integrityError('part record: fields')
  const used = checksumAlgorithm === null ? 0 : CHECKSUM_ALGORITHMS[checksumAlgorithm].bytes
  if (!allZero(field.subarray(used))) throw integrityError('part record: reserved bytes')
  return {
    partNumber,
    time,
    size,
    location,
    checksumAlgorithm,
    checksum: field.subarray(0, used),
    etag,
    salt,
  }
}

const LOCATIONS = ['part', 'inline', 'stash'] as const
/** 255 characters less the prefix `NNNNN.`. */
const MAX_RECORD_TEXT = 249
/** 186 bytes fit into 249 characters; salt, tag and fixed fields take 97. */
const MAX_ETAG_SIZE = 89

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

function refAad(ref: UploadRef): Buffer {
  return prefixed(ref.realm, ref.bucket, ref.key, ref.uploadId)
}
