import type { ReleasableBytes } from '../base/stored-reader.ts'
import { allZero } from './bytes.ts'
import { SEGMENT_SIZE, TAG_SIZE } from './constants.ts'
import type { PartLayout } from './footer.ts'
import { integrityError } from './integrity-error.ts'
import type { ObjectKey } from './object-key.ts'
import { openSegment, plainSegmentSize, segmentNonce, segmentRange } from './segment.ts'
import { segmentCount } from './size.ts'

/**
 * Opens stored segments of one part, each verified before any of it is yielded; reads no further than it needs,
 * then closes `body`. Throws ObjectIntegrityError for bytes that were altered, moved or cut.
 * @param o.partSize plaintext bytes of the whole part
 * @param o.body stored bytes from the start of segment `firstSegment` on
 * @param o.skip plaintext bytes to drop at the front, less than a segment
 * @param o.length plaintext bytes to yield; 0 reads nothing, except for the empty segment of an empty part
 */
export async function* openSegments(o: {
  readonly objectKey: ObjectKey
  readonly partNumber: number
  readonly salt: Buffer
  readonly partSize: number
  readonly firstSegment: number
  readonly body: ReleasableBytes
  readonly skip: number
  readonly length: number
}): AsyncGenerator<Buffer> {
  const source = new SegmentSource(o.body)
  try {
    yield* openFrom(source, o)
  } finally {
    await source.close()
  }
}

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
 * Opens a range of an object across its parts, from one body that starts at `storedRange(…).storedStart`. For a
 * whole empty object the range is (0, -1).
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
    for (const { part, range } of slicesOf(o.parts, o.start, o.endInclusive)) {
      const { partNumber, salt, plainSize: partSize } = part
      yield* openFrom(source, { objectKey: o.objectKey, partNumber, salt, partSize, ...range })
    }
  } finally {
    await source.close()
  }
}

/** Throws ObjectIntegrityError unless all padding is zero: it is outside the tags. */
export function verifyPadding(bytes: Uint8Array): void {
  if (!allZero(bytes)) throw integrityError('padding: not zero')
}

/**
 * The parts that overlap the range. Empty ones between them are among these, as their stored bytes lie in the way, and so is one at the
 * end for a range that reaches the end: whoever reads a whole object has read every segment.
 */
function slicesOf(parts: readonly PartLayout[], start: number, endInclusive: number) {
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

type PartSlice = Omit<Parameters<typeof openSegments>[0], 'body'>

async function* openFrom(source: SegmentSource, o: PartSlice): AsyncGenerator<Buffer> {
  const start = o.firstSegment * SEGMENT_SIZE + o.skip
  if (o.skip < 0 || o.skip >= SEGMENT_SIZE || o.length < 0 || start + o.length > o.partSize)
    throw new RangeError(`expected a range within ${o.partSize} bytes, got ${start}+${o.length}`)
  const last = segmentCount(o.partSize) - 1
  const key = o.objectKey.partKey(o.partNumber, o.salt)
  let skip = o.skip
  let left = o.length
  try {
    for (let index = o.firstSegment; left > 0 || o.partSize === 0; index++) {
      const sealed = await source.read(plainSegmentSize(o.partSize, index) + TAG_SIZE)
      const plain = openSegment(key, sealed, segmentNonce(index, index === last))
      if (plain === null) throw integrityError('segment: tag')
      const wanted = plain.subarray(skip, skip + left)
      skip = 0
      left -= wanted.length
      if (wanted.length > 0) yield wanted
      if (o.partSize === 0) return
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
