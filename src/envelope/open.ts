import type { ReleasableBytes } from '../base/stored-reader.ts'
import { allZero } from './bytes.ts'
import { SEGMENT_SIZE, TAG_SIZE } from './constants.ts'
import { type PartLayout, sealedFooterSize } from './footer.ts'
import { integrityError } from './integrity-error.ts'
import type { ObjectKey } from './object-key.ts'
import { openSegment, plainSegmentSize, type SegmentRange, segmentNonce, segmentRange } from './segment.ts'
import { segmentCount } from './size.ts'

/** The stored bytes that hold plaintext bytes `start` to `endInclusive` of an object, both ends inclusive. */
export function storedRange(
  parts: readonly PartLayout[],
  start: number,
  endInclusive: number,
): { storedStart: number; storedEnd: number } {
  const slices = slicesOf(parts, start, endInclusive)
  const first = slices[0]
  const last = slices.at(-1)
  if (first === undefined || last === undefined) throw new RangeError('expected at least one part')
  return {
    storedStart: first.part.storedStart + first.range.storedStart,
    storedEnd: last.part.storedStart + last.range.storedEnd,
  }
}

/**
 * Opens a range of an object across its parts, each segment verified before any of it is yielded; reads no further than it
 * needs, then closes `body`. For a whole empty object the range is (0, -1). Throws ObjectIntegrityError for bytes that were
 * altered, moved or cut.
 * @param o.body stored bytes from `storedRange(…).storedStart` on
 */
export async function* openRange(o: {
  readonly objectKey: ObjectKey
  readonly parts: readonly PartLayout[]
  readonly start: number
  readonly endInclusive: number
  readonly body: ReleasableBytes
}): AsyncGenerator<Buffer> {
  const source = new SegmentSource(o.body)
  try {
    for (const slice of slicesOf(o.parts, o.start, o.endInclusive))
      yield* openSlice(o.objectKey, source, slice)
  } finally {
    await source.close()
  }
}

/**
 * Throws ObjectIntegrityError unless all padding is zero: it is outside the tags.
 * @param behind all stored bytes behind the data: padding, sealed footer, trailer
 */
export function verifyPadding(behind: Buffer): void {
  const padding = behind.length - sealedFooterSize(behind)
  if (padding < 0) throw integrityError('padding: no room for the footer')
  if (!allZero(behind.subarray(0, padding))) throw integrityError('padding: not zero')
}

/**
 * The parts that overlap the range. Empty ones between them are among these, as their stored bytes lie in the way, and so is one at the
 * end for a range that reaches the end: whoever reads a whole object has read every segment.
 */
function slicesOf(parts: readonly PartLayout[], start: number, endInclusive: number): readonly PartSlice[] {
  const last = parts.at(-1)
  const size = last === undefined ? 0 : last.plainStart + last.plainSize
  const whole = segmentRange(size, start, endInclusive)
  const behind = endInclusive + 1 === size ? size : endInclusive
  const overlaps = (part: PartLayout): boolean =>
    part.plainStart <= behind && part.plainStart + part.plainSize > start
  return (whole.length === 0 ? parts : parts.filter(overlaps)).map((part) => {
    const first = Math.max(0, start - part.plainStart)
    const end = Math.min(part.plainSize - 1, endInclusive - part.plainStart)
    return { part, range: segmentRange(part.plainSize, first, end) }
  })
}

/** Some plaintext of one part. */
interface PartSlice {
  readonly part: PartLayout
  readonly range: SegmentRange
}

async function* openSlice(
  objectKey: ObjectKey,
  source: SegmentSource,
  { part, range }: PartSlice,
): AsyncGenerator<Buffer> {
  const size = part.plainSize
  const last = segmentCount(size) - 1
  const key = objectKey.partKey(part.partNumber, part.salt)
  let { skip, length: left } = range
  try {
    // An empty part has one segment all the same, and its tag counts.
    for (let index = range.firstSegment; left > 0 || size === 0; index++) {
      const sealed = await source.read(plainSegmentSize(size, index) + TAG_SIZE)
      const plain = openSegment(key, sealed, segmentNonce(index, index === last))
      if (plain === null) throw integrityError('segment: tag')
      const wanted = plain.subarray(skip, skip + left)
      skip = 0
      left -= wanted.length
      if (wanted.length > 0) yield wanted
      if (size === 0) return
    }
  } finally {
    key.fill(0)
  }
}

/** Cuts a body into pieces of the asked length. A returned piece is valid until the next read. */
class SegmentSource {
  readonly #source: ReleasableBytes
  readonly #body: AsyncIterator<Uint8Array>
  readonly #joined = Buffer.alloc(SEGMENT_SIZE + TAG_SIZE)
  /** The chunk as it came, and what is left of it. */
  #whole: Uint8Array | null = null
  #chunk: Uint8Array = new Uint8Array(0)
  #ended = false

  constructor(body: ReleasableBytes) {
    this.#source = body
    this.#body = body[Symbol.asyncIterator]()
  }

  async read(size: number): Promise<Uint8Array> {
    if (this.#chunk.length >= size) return this.#take(size)
    let filled = 0
    while (filled < size) {
      if (this.#chunk.length === 0) await this.#next()
      const piece = this.#take(Math.min(size - filled, this.#chunk.length))
      this.#joined.set(piece, filled)
      filled += piece.length
    }
    return this.#joined.subarray(0, size)
  }

  async #next(): Promise<void> {
    this.#giveBack()
    let result: IteratorResult<Uint8Array>
    try {
      result = await this.#body.next()
    } catch (error) {
      this.#ended = true
      throw error
    }
    if (result.done === true) {
      this.#ended = true
      throw integrityError('segment: cut short')
    }
    this.#whole = result.value
    this.#chunk = result.value
  }

  /** Only when the next bytes are wanted: until then a piece of the chunk is with the caller of `read`. */
  #giveBack(): void {
    if (this.#whole !== null && this.#chunk.length === 0) this.#source.release?.(this.#whole)
    this.#whole = null
  }

  #take(size: number): Uint8Array {
    const piece = this.#chunk.subarray(0, size)
    this.#chunk = this.#chunk.subarray(size)
    return piece
  }

  /** Lets the body go if it has not ended by itself. */
  async close(): Promise<void> {
    this.#giveBack()
    if (this.#ended) return
    this.#ended = true
    await this.#body.return?.()
  }
}
