import { type ReleasableBytes, StoredReader } from '../base/stored-reader.ts'
import { type Footer, layoutParts, openSegments, segmentRange, segmentsSize } from '../envelope/index.ts'
import type { Gateway } from './gateway.ts'
import { integrity, type OpenedObject } from './open-object.ts'
import type { Slice } from './range.ts'

/** A run of plaintext inside one part, and where its sealed segments lie in the store. */
interface Piece {
  readonly partNumber: number
  readonly salt: Buffer
  readonly partSize: number
  readonly firstSegment: number
  readonly skip: number
  readonly length: number
  readonly storedStart: number
  readonly storedEnd: number
}

/**
 * Plaintext of a slice, by one call to the store: the parts lie behind one another, so the sealed segments of any slice are
 * one closed range. `footer` is null for an object that came by a single PUT.
 */
export async function* readPlain(
  gateway: Gateway,
  object: OpenedObject,
  footer: Footer | null,
  slice: Slice,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  const pieces = piecesOf(object, footer, slice)
  const first = pieces[0]
  const last = pieces.at(-1)
  if (first === undefined || last === undefined) return
  const { bucket, key, stored } = object
  const range = { start: first.storedStart, end: last.storedEnd }
  const answer = await gateway.storage.getObject({ bucket, key, range, ifMatch: stored.etag, signal })
  try {
    if (answer.start !== range.start || answer.end !== range.end || answer.object.size !== stored.size) {
      throw integrity('the store answered another range than the one asked')
    }
    yield* openPieces(object, pieces, answer.body)
  } finally {
    answer.body.destroy()
  }
}

/** Opens the segments of consecutive pieces out of stored bytes that begin at the first piece's first segment. */
async function* openPieces(
  object: OpenedObject,
  pieces: readonly Piece[],
  body: ReleasableBytes,
): AsyncGenerator<Buffer> {
  const reader = new StoredReader(body)
  for (const piece of pieces) {
    yield* openSegments({
      objectKey: object.objectKey,
      partNumber: piece.partNumber,
      salt: piece.salt,
      partSize: piece.partSize,
      firstSegment: piece.firstSegment,
      skip: piece.skip,
      length: piece.length,
      body: reader.take(piece.storedEnd - piece.storedStart + 1),
    })
  }
}

export function piecesOf(object: OpenedObject, footer: Footer | null, slice: Slice): readonly Piece[] {
  const parts =
    footer === null || footer.parts.length === 0
      ? [
          {
            partNumber: 0,
            plainStart: 0,
            plainSize: object.size,
            storedStart: 0,
            storedSize: segmentsSize(object.size),
            salt: Buffer.alloc(0),
          },
        ]
      : layoutParts(footer)
  const pieces: Piece[] = []
  for (const part of parts) {
    const start = Math.max(slice.start, part.plainStart) - part.plainStart
    const end = Math.min(slice.end, part.plainStart + part.plainSize - 1) - part.plainStart
    // An empty part inside the slice is still a segment on the way: it must be read over, so it is a piece of length 0.
    const emptyWithin =
      part.plainSize === 0 && part.plainStart >= slice.start && part.plainStart <= slice.end + 1
    if (end < start && !emptyWithin) continue
    const within = segmentRange(part.plainSize, start, end)
    pieces.push({
      partNumber: part.partNumber,
      salt: part.salt,
      partSize: part.plainSize,
      firstSegment: within.firstSegment,
      skip: within.skip,
      length: within.length,
      storedStart: part.storedStart + within.storedStart,
      storedEnd: part.storedStart + within.storedEnd,
    })
  }
  return pieces
}
