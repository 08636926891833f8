import { createHash } from 'node:crypto'
import { ByteBudget } from '../base/byte-budget.ts'
import { type Checksum, createChecksum } from '../base/checksum.ts'
import type { ChecksumAlgorithm } from '../base/checksum-algorithm.ts'
import { maxPlainSize } from '../envelope/index.ts'
import { SealgateError } from '../errors.ts'
import { abortMultipartUpload } from './abort-multipart-upload.ts'
import { requireDigest } from './checksum.ts'
import { completeMultipartUpload } from './complete-multipart-upload.ts'
import type { CompletedPart } from './completed-parts.ts'
import { createMultipartUpload } from './create-multipart-upload.ts'
import type { Gateway } from './gateway.ts'
import type { PlainBody } from './plain-body.ts'
import { type PutObjectInput, type PutObjectOutput, putObject } from './put-object.ts'
import { uploadPart } from './upload-part.ts'

export interface PostObjectInput extends Omit<PutObjectInput, 'body' | 'condition'> {
  readonly file: UnsizedFile
}

/** Plaintext whose length only its end tells. */
export interface UnsizedFile {
  readonly bytes: AsyncIterable<Uint8Array>
  /** What is known of the length beforehand: what it is at least, what it most likely is, and what it is at most. */
  readonly length: { readonly least: number; readonly likely: number; readonly most: number }
  /** What the length has to be, both inclusive. */
  readonly range: { readonly min: number; readonly max: number }
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly value: Buffer } | null
  readonly md5: Buffer | null
}

/** A file up to this size is held and stored by one write; of a longer one, so much at a time is a part of an upload. */
const PART_BYTES = 8 * 1024 * 1024

/** For all files that are being held. */
const heldFiles = new ByteBudget(16 * PART_BYTES)

/**
 * The file of a form. What is sealed has to say its length at its beginning, so a file is held until its end is known, or goes the way of an
 * upload by parts, whose parts have a length each; either way there is an object only once all checks have passed (docs/adr/007-forms.md).
 */
export async function postObject(gateway: Gateway, input: PostObjectInput): Promise<PutObjectOutput> {
  const { least, likely, most } = input.file.length
  checkProposed(gateway, input.file, least, likely)
  // One more than there can be, so that the end of a small file is seen.
  const size = Math.min(PART_BYTES, most + 1)
  if (!heldFiles.take(size))
    throw new SealgateError('SlowDown', undefined, { headers: { 'retry-after': '1' } })
  try {
    const file = new HeldFile(input.file, size)
    const first = await file.next()
    checkProposed(gateway, input.file, file.length, file.ended ? file.length : likely)
    return file.ended
      ? await putWhole(gateway, input, file, first)
      : await putByParts(gateway, input, file, first)
  } finally {
    heldFiles.giveBack(size)
  }
}

async function putWhole(
  gateway: Gateway,
  { file, ...input }: PostObjectInput,
  held: HeldFile,
  bytes: Buffer,
): Promise<PutObjectOutput> {
  held.check()
  const checksums = file.checksum === null ? [] : [file.checksum]
  return putObject(gateway, { ...input, body: bodyOf(bytes, checksums, file.md5) })
}

async function putByParts(
  gateway: Gateway,
  { file, ...input }: PostObjectInput,
  held: HeldFile,
  first: Buffer,
): Promise<PutObjectOutput> {
  const { bucket, key, signal } = input
  const algorithm = ofWhole(file.checksum?.algorithm)
  const { uploadId } = await createMultipartUpload(gateway, {
    ...input,
    checksumAlgorithm: algorithm,
    checksumType: algorithm === null ? null : 'FULL_OBJECT',
  })
  const upload = { bucket, key, uploadId }
  const customerKey = input.encryption?.customerKey
  try {
    const parts: CompletedPart[] = []
    for (let bytes = first; bytes.length > 0; bytes = await held.next()) {
      checkProposed(gateway, file, held.length, file.length.likely)
      const partNumber = parts.length + 1
      const body = bodyOf(bytes)
      const { etag } = await uploadPart(gateway, { ...upload, partNumber, body, customerKey, signal })
      parts.push({ partNumber, etag, checksum: undefined })
    }
    held.check()
    return await completeMultipartUpload(gateway, { ...upload, parts, objectSize: held.length })
  } catch (error) {
    await abortMultipartUpload(gateway, upload).catch((cause: unknown) =>
      gateway.warn('the upload of a form that failed is left behind', cause),
    )
    throw error
  }
}

/** Those that parts can be joined to; of another it is checked that the file has it, and no more. */
function ofWhole(algorithm: ChecksumAlgorithm | undefined): ChecksumAlgorithm | null {
  return algorithm === undefined || algorithm.startsWith('SHA') ? null : algorithm
}

function bodyOf(
  bytes: Buffer,
  checksums: ReturnType<PlainBody['checksums']> = [],
  md5: Buffer | null = null,
): PlainBody {
  return {
    size: bytes.length,
    announced: checksums[0]?.algorithm ?? null,
    checksums: () => checksums,
    md5: () => md5 ?? undefined,
    async *[Symbol.asyncIterator]() {
      yield bytes
    },
  }
}

/** Takes the file in, a part at a time into the same memory, with the checks that are of the whole. */
class HeldFile {
  /** Bytes that have come so far. */
  length = 0
  ended = false
  readonly #file: UnsizedFile
  readonly #source: AsyncIterator<Uint8Array>
  readonly #buffer: Buffer
  readonly #checksum: Checksum | null
  readonly #md5: Checksum | null
  #rest: Uint8Array = Buffer.alloc(0)

  constructor(file: UnsizedFile, size: number) {
    this.#file = file
    this.#source = file.bytes[Symbol.asyncIterator]()
    this.#buffer = Buffer.alloc(size)
    this.#checksum = file.checksum === null ? null : createChecksum(file.checksum.algorithm)
    this.#md5 = file.md5 === null ? null : createHash('md5')
  }

  /** What comes next, as much as there is memory for; nothing at the end. It counts until the next call. */
  async next(): Promise<Buffer> {
    let filled = 0
    while (!this.ended && filled < this.#buffer.length) {
      if (this.#rest.length === 0) {
        const next = await this.#source.next()
        this.ended = next.done === true
        this.#rest = next.done === true ? Buffer.alloc(0) : next.value
      }
      const piece = this.#rest.subarray(0, this.#buffer.length - filled)
      this.#buffer.set(piece, filled)
      filled += piece.length
      this.#rest = this.#rest.subarray(piece.length)
    }
    const bytes = this.#buffer.subarray(0, filled)
    this.length += filled
    this.#checksum?.update(bytes)
    this.#md5?.update(bytes)
    return bytes
  }

  /** At the end. */
  check(): void {
    const { range, checksum, md5 } = this.#file
    if (this.length < range.min) throw tooSmall(this.length, range.min)
    if (checksum !== null && this.#checksum !== null)
      requireDigest(checksum.algorithm, checksum.value, this.#checksum.digest())
    if (md5 !== null && this.#md5 !== null) requireDigest('Content-MD5', md5, this.#md5.digest())
  }
}

/** As soon as it is known that the file is too long, and not when all of it has come. */
function checkProposed(gateway: Gateway, { range }: UnsizedFile, least: number, likely: number): void {
  const max = Math.min(range.max, maxPlainSize(gateway.storage.limits.maxPutBytes))
  if (least <= max) return
  throw new SealgateError('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size', {
    details: { ProposedSize: String(Math.max(least, likely)), MaxSizeAllowed: String(max) },
  })
}

function tooSmall(size: number, min: number): SealgateError {
  return new SealgateError(
    'EntityTooSmall',
    'Your proposed upload is smaller than the minimum allowed size',
    {
      details: { ProposedSize: String(size), MinSizeAllowed: String(min) },
    },
  )
}
