import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm } from '../base/checksum-algorithm.ts'
import { allZero, ByteReader, padded, requireLength, u8, u16, u32, u48, u64 } from './bytes.ts'
import { algorithmById } from './checksum-id.ts'
import {
  CHECKSUM_ID,
  FIXED_COST,
  FOOTER_MAGIC,
  FORMAT_VERSION,
  HASH_SIZE,
  MAX_PARTS,
  MD5_ID,
  MD5_SIZE,
  MIN_STORED_SIZE,
  PART_ENTRY_SIZE,
  SALT_SIZE,
  TAG_SIZE,
  TRAILER_SIZE,
} from './constants.ts'
import { integrityError } from './integrity-error.ts'
import type { ObjectKey } from './object-key.ts'
import { openRecord } from './record.ts'
import { maxPartCount, plainSize as plainSizeOf, segmentsSize, storedSize as storedSizeOf } from './size.ts'

/** One part of a multipart object, in the order of the object. */
export interface FooterPart {
  readonly partNumber: number
  /** Plaintext bytes. */
  readonly size: number
  /** 32 bytes. */
  readonly salt: Buffer
  /** Raw value of the footer's `partAlgorithm`; empty if there is none. */
  readonly checksum: Buffer
}

/** Checksums of the plaintext, raw values. */
export interface FooterChecksums {
  readonly type: 'FULL_OBJECT' | 'COMPOSITE' | null
  readonly values: readonly { readonly algorithm: ChecksumAlgorithm; readonly value: Buffer }[]
  readonly md5?: Buffer
  /** Algorithm of every part's checksum; null where parts have none, and where there are no parts. */
  readonly partAlgorithm: ChecksumAlgorithm | null
}

export interface Footer {
  readonly plainSize: number
  readonly storedSize: number
  /** Empty for a single PUT. */
  readonly parts: readonly FooterPart[]
  readonly checksums: FooterChecksums
}

/** Where a part lies in the object: plaintext and stored offsets from the object's start. */
export interface PartLayout {
  readonly partNumber: number
  readonly plainStart: number
  readonly plainSize: number
  readonly storedStart: number
  readonly storedSize: number
  readonly salt: Buffer
}

/**
 * Opens the footer at the end of an object (FORMAT.md section 6) and checks all that it says against the stored
 * length. Throws ObjectIntegrityError.
 * @param tail the object's last bytes, as many as there are at hand
 * @param storedSize the object's stored length L
 * @returns the footer, or how many last bytes of the object are needed to open it
 */
export function openFooter(
  objectKey: ObjectKey,
  tail: Buffer,
  storedSize: number,
): { footer: Footer } | { need: number } {
  const plainSize = plainSizeOf(storedSize)
  if (plainSize === null) throw integrityError('footer: stored length')
  if (tail.length > storedSize) throw integrityError('footer: more bytes than the object has')
  if (tail.length < TRAILER_SIZE) return { need: MIN_STORED_SIZE }
  const trailer = tail.subarray(tail.length - TRAILER_SIZE)
  if (trailer.toString('latin1', SALT_SIZE + 4) !== FOOTER_MAGIC) throw integrityError('footer: magic')
  const need = sealedFooterSize(tail)
  const length = need - TRAILER_SIZE
  // Before anything is fetched or allocated: no honest footer is larger than its parts allow.
  if (length < FIXED_FIELDS_SIZE + TAG_SIZE || need > maxSealedFooter(plainSize))
    throw integrityError('footer: length')
  if (tail.length < need) return { need }
  const salt = Buffer.from(trailer.subarray(0, SALT_SIZE))
  const key = objectKey.footerKey(salt)
  const sealed = tail.subarray(tail.length - need, tail.length - TRAILER_SIZE)
  const bytes = openRecord(key, sealed, footerAad(length, storedSize))
  key.fill(0)
  if (bytes === null) throw integrityError('footer: tag')
  const footer = decodeFooter(bytes)
  checkFooter(footer, plainSize, storedSize, need)
  return { footer }
}

/** Bytes of the sealed footer and its trailer, as the trailer at the end of `tail` says it: not authentic yet. */
export function sealedFooterSize(tail: Buffer): number {
  return TRAILER_SIZE + tail.readUInt32BE(tail.length - TRAILER_SIZE + SALT_SIZE)
}

/**
 * Whether an object that has no envelope ends as a sealed one of its length does (section 8): then it has lost its envelope, or is a copy of
 * sealed bytes. That proves nothing: who forges plaintext leaves the trailer away.
 * @param tail the last TRAILER_SIZE bytes of the object, or more
 */
export function endsLikeSealed(tail: Buffer, storedSize: number): boolean {
  const plainSize = plainSizeOf(storedSize)
  if (plainSize === null || tail.length < TRAILER_SIZE) return false
  if (tail.toString('latin1', tail.length - FOOTER_MAGIC.length) !== FOOTER_MAGIC) return false
  const need = sealedFooterSize(tail)
  return need >= FIXED_FIELDS_SIZE + TAG_SIZE + TRAILER_SIZE && need <= maxSealedFooter(plainSize)
}

/** Largest sealed footer with trailer (at most 800 256 bytes) of an object of `plainSize` bytes. */
function maxSealedFooter(plainSize: number): number {
  return PART_ENTRY_SIZE * maxPartCount(plainSize) + FIXED_COST
}

function checkFooter(footer: Footer, plainSize: number, storedSize: number, sealedSize: number): void {
  if (footer.plainSize !== plainSize || footer.storedSize !== storedSize)
    throw integrityError('footer: sizes')
  if (footer.parts.length > maxPartCount(plainSize)) throw integrityError('footer: number of parts')
  const parts = layoutParts(footer)
  const last = parts.at(-1)
  if (last === undefined || last.plainStart + last.plainSize !== plainSize)
    throw integrityError('footer: sum of sizes')
  if (last.storedStart + last.storedSize + sealedSize > storedSize)
    throw integrityError('footer: sum of stored sizes')
}

/** The parts of an object with their offsets; a single PUT (no parts) is one, number 0 with an empty salt, known without a footer. */
export function layoutParts(footer: Pick<Footer, 'plainSize' | 'parts'>): readonly PartLayout[] {
  const whole = { partNumber: 0, size: footer.plainSize, salt: Buffer.alloc(0) }
  let plainStart = 0
  let storedStart = 0
  return (footer.parts.length === 0 ? [whole] : footer.parts).map(({ partNumber, size, salt }) => {
    const part = {
      partNumber,
      plainStart,
      plainSize: size,
      storedStart,
      storedSize: segmentsSize(size),
      salt,
    }
    plainStart += part.plainSize
    storedStart += part.storedSize
    return part
  })
}

export function footerAad(length: number, storedSize: number): Buffer {
  return Buffer.concat([u32(length), Buffer.from(FOOTER_MAGIC, 'latin1'), u64(storedSize)])
}

/** Bytes of a footer without parts and checksums. */
const FIXED_FIELDS_SIZE = 23
const TYPES = [null, 'FULL_OBJECT', 'COMPOSITE'] as const

/** The plaintext of a footer. Its mirror image is `decodeFooter`. */
export function encodeFooter(footer: Footer): Buffer {
  const { parts, checksums } = footer
  if (parts.length > maxPartCount(footer.plainSize))
    throw new RangeError(
      `expected at most ${maxPartCount(footer.plainSize)} parts of 5 MiB, got ${parts.length}`,
    )
  if (footer.storedSize !== storedSizeOf(footer.plainSize))
    throw new RangeError(`expected stored size ${storedSizeOf(footer.plainSize)}, got ${footer.storedSize}`)
  const algorithm = checksums.partAlgorithm
  const values = [...checksums.values].sort((a, b) => CHECKSUM_ID[a.algorithm] - CHECKSUM_ID[b.algorithm])
  const md5 = checksums.md5
  return Buffer.concat([
    u8(FORMAT_VERSION),
    u8(0),
    u64(footer.plainSize),
    u64(footer.storedSize),
    u16(parts.length),
    u8(TYPES.indexOf(checksums.type)),
    u8(algorithm === null ? 0 : CHECKSUM_ID[algorithm]),
    u8(values.length + (md5 === undefined ? 0 : 1)),
    ...values.map(({ algorithm: name, value }, index) => {
      if (values[index - 1]?.algorithm === name) throw new TypeError(`expected one ${name} checksum, got two`)
      return encodeChecksum(CHECKSUM_ID[name], CHECKSUM_ALGORITHMS[name].bytes, value)
    }),
    ...(md5 === undefined ? [] : [encodeChecksum(MD5_ID, MD5_SIZE, md5)]),
    ...parts.map((part, index) => encodePart(part, parts[index - 1]?.partNumber ?? 0, algorithm)),
  ])
}

function encodeChecksum(id: number, size: number, value: Buffer): Buffer {
  requireLength('checksum', value, size)
  return Buffer.concat([u8(id), u8(size), value])
}

function encodePart(part: FooterPart, previous: number, algorithm: ChecksumAlgorithm | null): Buffer {
  if (part.partNumber <= previous || part.partNumber > MAX_PARTS)
    throw new RangeError(`expected ascending part numbers, got ${part.partNumber} after ${previous}`)
  requireLength('part salt', part.salt, SALT_SIZE)
  requireLength('part checksum', part.checksum, algorithm === null ? 0 : CHECKSUM_ALGORITHMS[algorithm].bytes)
  const checksum = padded(part.checksum, HASH_SIZE)
  return Buffer.concat([u16(part.partNumber), u48(part.size), part.salt, checksum, Buffer.alloc(8)])
}

function decodeFooter(bytes: Buffer): Footer {
  const reader = new ByteReader(bytes, 'footer')
  if (reader.uint(1) !== FORMAT_VERSION || reader.uint(1) !== 0) throw integrityError('footer: version')
  const plainSize = reader.u64()
  const storedSize = reader.u64()
  const count = reader.uint(2)
  const type = TYPES[reader.uint(1)]
  const partAlgorithm = algorithmById(reader.uint(1))
  if (plainSize === null || storedSize === null || type === undefined || partAlgorithm === undefined)
    throw integrityError('footer: fields')
  const checksums = decodeChecksums(reader)
  if (count > MAX_PARTS) throw integrityError('footer: number of parts')
  const parts: FooterPart[] = []
  for (let index = 0; index < count; index++)
    parts.push(decodePart(reader, parts.at(-1)?.partNumber ?? 0, partAlgorithm))
  reader.end()
  return { plainSize, storedSize, parts, checksums: { type, partAlgorithm, ...checksums } }
}

function decodeChecksums(reader: ByteReader): Pick<FooterChecksums, 'values' | 'md5'> {
  const values: { algorithm: ChecksumAlgorithm; value: Buffer }[] = []
  let md5: Buffer | undefined
  let previous = 0
  for (let count = reader.uint(1); count > 0; count--) {
    const id = reader.uint(1)
    const algorithm = id === MD5_ID ? null : algorithmById(id)
    if (id <= previous || algorithm === undefined) throw integrityError('footer: checksum tag')
    const size = algorithm === null ? MD5_SIZE : CHECKSUM_ALGORITHMS[algorithm].bytes
    if (reader.uint(1) !== size) throw integrityError('footer: checksum length')
    if (algorithm === null) md5 = reader.take(size)
    else values.push({ algorithm, value: reader.take(size) })
    previous = id
  }
  return md5 === undefined ? { values } : { values, md5 }
}

function decodePart(reader: ByteReader, previous: number, algorithm: ChecksumAlgorithm | null): FooterPart {
  const partNumber = reader.uint(2)
  const size = reader.uint(6)
  const salt = reader.take(SALT_SIZE)
  const field = reader.take(HASH_SIZE)
  const used = algorithm === null ? 0 : CHECKSUM_ALGORITHMS[algorithm].bytes
  if (partNumber <= previous || partNumber > MAX_PARTS) throw integrityError('footer: part number')
  if (!allZero(field.subarray(used)) || !allZero(reader.take(8)))
    throw integrityError('footer: reserved bytes')
  return { partNumber, size, salt, checksum: field.subarray(0, used) }
}
