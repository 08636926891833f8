import { randomBytes } from 'node:crypto'
import { SealgateError } from '../errors.ts'
import { u32 } from './bytes.ts'
import { FOOTER_MAGIC, SALT_SIZE, SEGMENT_SIZE, TAG_SIZE, TRAILER_SIZE } from './constants.ts'
import { encodeFooter, type FooterChecksums, type FooterPart, footerAad, layoutParts } from './footer.ts'
import type { ObjectKey } from './object-key.ts'
import { sealRecord } from './record.ts'
import { sealSegment, segmentNonce } from './segment.ts'
import { segmentCount, segmentsSize, storedSize } from './size.ts'

/**
 * Seals one part: its segments, `segmentsSize(size)` bytes in all. The last segment leaves only after `body` has
 * ended without an error, so a body whose end throws (a wrong checksum, a client gone) never becomes a whole part.
 * @param o.salt 32 fresh random bytes for this upload of the part; empty for part number 0
 * @param o.size plaintext bytes; a body of another length throws IncompleteBody
 */
export function sealPart(o: {
  readonly objectKey: ObjectKey
  readonly partNumber: number
  readonly salt: Buffer
  readonly size: number
  readonly body: AsyncIterable<Uint8Array>
}): SealedBody {
  return sealedBody(
    () => o.objectKey.partKey(o.partNumber, o.salt),
    o,
    () => NOTHING,
  )
}

/**
 * Seals a single PUT: segments ‖ zero padding ‖ footer and trailer, exactly `storedSize(size)` bytes. Like
 * `sealPart` it holds the last segment back until the body has ended and `footer` has returned.
 */
export function sealObject(o: {
  readonly objectKey: ObjectKey
  readonly size: number
  readonly body: AsyncIterable<Uint8Array>
  /** The plaintext's checksums; called once, when the body has ended. */
  readonly footer: () => FooterChecksums
}): SealedBody {
  const stored = storedSize(o.size)
  const finish = (): Buffer => {
    const fields = { objectKey: o.objectKey, plainSize: o.size, storedSize: stored, parts: [] }
    const footer = sealFooter({ ...fields, checksums: o.footer() })
    return Buffer.concat([Buffer.alloc(stored - segmentsSize(o.size) - footer.length), footer])
  }
  return sealedBody(() => o.objectKey.partKey(0, NOTHING), o, finish)
}

/**
 * Seals a footer under a fresh salt at every call: GCM(footer) ‖ salt ‖ length ‖ magic. The zero padding before it
 * is the caller's. FORMAT.md section 6.
 * @param o.parts empty for a single PUT, else in ascending order
 */
export function sealFooter(o: {
  readonly objectKey: ObjectKey
  readonly plainSize: number
  readonly storedSize: number
  readonly parts: readonly FooterPart[]
  readonly checksums: FooterChecksums
}): Buffer {
  const plaintext = encodeFooter(o)
  const length = plaintext.length + TAG_SIZE
  if (o.parts.length > 0 && o.parts.reduce((sum, part) => sum + part.size, 0) !== o.plainSize)
    throw new RangeError('expected the sizes of the parts to add up to the size of the object')
  const data = layoutParts(o).reduce((sum, part) => sum + part.storedSize, 0)
  if (data + length + TRAILER_SIZE > o.storedSize)
    throw new RangeError('expected parts of at least 5 MiB but the last: the footer does not fit')
  const salt = randomBytes(SALT_SIZE)
  const key = o.objectKey.footerKey(salt)
  const sealed = sealRecord(key, plaintext, footerAad(length, o.storedSize))
  key.fill(0)
  return Buffer.concat([sealed, salt, u32(length), Buffer.from(FOOTER_MAGIC, 'latin1')])
}

const NOTHING = Buffer.alloc(0)

/** Sealed bytes. Chunks are the consumer's to keep, or to give back by `release` when it has done with them. */
export interface SealedBody extends AsyncGenerator<Buffer> {
  release(chunk: Uint8Array): void
}

function sealedBody(
  partKey: () => Buffer,
  o: { readonly size: number; readonly body: AsyncIterable<Uint8Array> },
  finish: () => Buffer,
): SealedBody {
  return Object.assign(sealSegments(partKey, o.size, o.body, finish), { release: freeMemory })
}

/**
 * Frees a ciphertext at once. A cipher always allocates what it returns, outside of V8's heap, where V8 lets tens of MiB
 * pile up before it collects. Whoever uses the chunk after all finds it empty, not with other bytes in it. What shares
 * its memory with others (Buffer's pool) is left alone.
 */
function freeMemory({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}

/**
 * Ciphertexts and tags by turns, as the cipher made them: nothing is copied, and no buffer is used again. `finish` is called
 * when the body has ended, and its bytes follow the last segment.
 */
async function* sealSegments(
  partKey: () => Buffer,
  size: number,
  body: AsyncIterable<Uint8Array>,
  finish: () => Buffer,
): AsyncGenerator<Buffer> {
  const key = partKey()
  const last = segmentCount(size) - 1
  // Never more than one segment waits here; a caller's chunk is used only until the next is asked for.
  const pending = Buffer.alloc(Math.min(size, SEGMENT_SIZE))
  let filled = 0
  let index = 0
  let received = 0
  try {
    for await (const chunk of body) {
      received += chunk.length
      if (received > size) throw incomplete()
      let at = 0
      while (at < chunk.length) {
        if (filled === 0 && index < last && chunk.length - at >= SEGMENT_SIZE) {
          yield* sealSegment(key, chunk.subarray(at, at + SEGMENT_SIZE), segmentNonce(index++, false))
          at += SEGMENT_SIZE
          continue
        }
        const taken = Math.min(pending.length - filled, chunk.length - at)
        pending.set(chunk.subarray(at, at + taken), filled)
        filled += taken
        at += taken
        if (filled === SEGMENT_SIZE && index < last) {
          yield* sealSegment(key, pending, segmentNonce(index++, false))
          filled = 0
        }
      }
    }
    if (received !== size) throw incomplete()
    const end = finish()
    const [ciphertext, tag] = sealSegment(key, pending.subarray(0, filled), segmentNonce(last, true))
    yield Buffer.concat([ciphertext, tag, end])
  } finally {
    key.fill(0)
    pending.fill(0)
  }
}

function incomplete(): SealgateError {
  return new SealgateError('IncompleteBody')
}
