import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm } from '../base/checksum-algorithm.ts'
import { allZero, ByteReader, fromBase64url, padded, requireLength, u8, u16, u48 } from './bytes.ts'
import { algorithmById } from './checksum-id.ts'
import { CHECKSUM_ID, HASH_SIZE, MAX_PARTS, SALT_SIZE } from './constants.ts'
import { integrityError } from './integrity-error.ts'
import type { ObjectKey } from './object-key.ts'
import { openRecord, sealRecord } from './record.ts'
import { refAad, type UploadRef } from './upload-ref.ts'

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
 * Seals a part record into the last component of an object name: with the prefix `NNNNN.` at most 254 characters
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
/** Names of files have at most 255 bytes, and 6 are the prefix `NNNNN.`: 186 bytes fit, of which salt, tag and fixed fields take 97. */
const MAX_RECORD_TEXT = 248
const MAX_ETAG_SIZE = 89
