import { StoredReader } from '../base/stored-reader.ts'
import {
  type Footer,
  integrityError,
  layoutParts,
  openRange,
  type PartLayout,
  SEGMENT_SIZE,
  storedRange,
  verifyPadding,
} from '../envelope/index.ts'
import type { GetObjectResult, ObjectBody } from '../storage/storage.ts'
import type { Gateway } from './gateway.ts'
import { checkFooter, type OpenedObject, readAgain } from './open-object.ts'
import type { Slice } from './range.ts'

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
  // An empty part of a larger object; the footer has told its size.
  if (slice.end < slice.start && object.size > 0) return
  const parts = partsOf(object, footer)
  const { storedStart: start, storedEnd: end } = storedRange(parts, slice.start, slice.end)
  const { stored, objectKey } = object
  const answer = await readAgain(gateway, object, { start, end }, signal)
  try {
    if (answer.start !== start || answer.end !== end || answer.object.size !== stored.size)
      throw integrityError('the store answered another range than the one asked')
    yield* openRange({ objectKey, parts, start: slice.start, endInclusive: slice.end, body: answer.body })
  } finally {
    answer.body.destroy()
  }
}

/** Where a closed range of plaintext lies if every segment before its end is a full one. */
export function likelyRange(start: number, end: number): { readonly start: number; readonly end: number } {
  const longer = layoutParts({ plainSize: end + SEGMENT_SIZE, parts: [] })
  const { storedStart, storedEnd } = storedRange(longer, start, end)
  return { start: storedStart, end: storedEnd }
}

/** Plaintext of a slice out of an answer that holds it; null, and the answer given up, if it lies elsewhere in this object. */
export function openAnswered(
  object: OpenedObject,
  footer: Footer | null,
  slice: Slice,
  answer: GetObjectResult,
): AsyncGenerator<Buffer> | null {
  const parts = partsOf(object, footer)
  const { storedStart, storedEnd } = storedRange(parts, slice.start, slice.end)
  if (answer.start === storedStart && answer.end >= storedEnd)
    return openBeginning(object, parts, slice, storedEnd - storedStart + 1, answer)
  answer.body.destroy()
  return null
}

/** A little that is behind the bytes that are wanted is read as well, so that the connection can be used again. */
async function* openBeginning(
  { objectKey }: OpenedObject,
  parts: readonly PartLayout[],
  slice: Slice,
  bytes: number,
  answer: GetObjectResult,
): AsyncGenerator<Buffer> {
  const reader = new StoredReader(answer.body)
  try {
    const body = reader.take(bytes)
    yield* openRange({ objectKey, parts, start: slice.start, endInclusive: slice.end, body })
    const behind = answer.end - answer.start + 1 - bytes
    if (behind <= SEGMENT_SIZE) for await (const _ of reader.take(behind));
  } finally {
    answer.body.destroy()
  }
}

/** All plaintext out of the whole stored object; what lies behind the data is checked when it has come. */
export async function* openWhole(
  gateway: Gateway,
  object: OpenedObject,
  footer: Footer | null,
  body: ObjectBody,
): AsyncGenerator<Buffer> {
  const parts = partsOf(object, footer)
  const data = dataSize(parts)
  const reader = new StoredReader(body)
  try {
    yield* openAll(object, parts, reader.take(data))
    const tail = await collectTail(reader, object.stored.size - data)
    if (footer === null && checkFooter(gateway, object, tail) === null) throw integrityError('footer length')
    verifyPadding(tail)
  } finally {
    body.destroy()
  }
}

/** The same for an object that is in memory already, with the footer that was read from it. */
export async function* openInMemory(
  object: OpenedObject,
  footer: Footer,
  bytes: Buffer,
): AsyncGenerator<Buffer> {
  const parts = partsOf(object, footer)
  const data = dataSize(parts)
  verifyPadding(bytes.subarray(data))
  yield* openAll(object, parts, only(bytes.subarray(0, data)))
}

function partsOf(object: OpenedObject, footer: Footer | null): readonly PartLayout[] {
  return layoutParts(footer ?? { plainSize: object.size, parts: [] })
}

function dataSize(parts: readonly PartLayout[]): number {
  return parts.reduce((sum, { storedSize }) => sum + storedSize, 0)
}

function openAll(
  { objectKey, size }: OpenedObject,
  parts: readonly PartLayout[],
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer> {
  return openRange({ objectKey, parts, start: 0, endInclusive: size - 1, body })
}

async function collectTail(reader: StoredReader, size: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of reader.take(size)) chunks.push(chunk)
  const tail = Buffer.concat(chunks)
  if (tail.length !== size) throw integrityError('the stored object is cut short')
  return tail
}

async function* only(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}
