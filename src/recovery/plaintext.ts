import { StoredReader } from '../base/stored-reader.ts'
import {
  layoutParts,
  openRange,
  type PartLayout,
  segmentsSize,
  storedRange,
  storedSize,
} from '../envelope/index.ts'
import { isError } from '../errors.ts'
import { ChecksumCheck, type ConfirmedChecksum } from './checksum-check.ts'
import type { OpenedObject } from './open-sealed.ts'
import { openTail, type Tail, tailSize } from './read-tail.ts'
import { RecoveryError } from './recovery-error.ts'
import type { SealedBytes, SealedObject } from './sealed-object.ts'
import type { Slice } from './slice.ts'

/**
 * The plaintext of a whole object: each segment is verified before it is yielded, padding and footer were before, and at the end the
 * checksums. Only when this ends without an error is the plaintext whole.
 * @returns the checksums that were confirmed
 */
export async function* readWhole(
  object: OpenedObject,
  sealed: SealedObject,
  tail: Tail,
): AsyncGenerator<Buffer, readonly ConfirmedChecksum[]> {
  const check = new ChecksumCheck(tail.footer)
  const slice = { start: 0, end: tail.footer.plainSize - 1 }
  for await (const chunk of readSlice(object, sealed, tail.parts, slice)) {
    check.update(chunk)
    yield chunk
  }
  return check.end(sealed.name)
}

/** A slice, by its segments alone: checksums cover whole objects only. */
export async function* readSlice(
  object: OpenedObject,
  sealed: SealedObject,
  parts: readonly PartLayout[],
  slice: Slice,
): AsyncGenerator<Buffer> {
  const range = storedRange(parts, slice.start, slice.end)
  const body = await sealed.read(range.storedStart, range.storedEnd)
  try {
    const plain = openRange({
      objectKey: object.objectKey,
      parts,
      start: slice.start,
      endInclusive: slice.end,
      body,
    })
    yield* located(object.sealed.name, slice.start, plain)
  } finally {
    body.destroy()
  }
}

/** The whole of a single object that comes as a stream: what `readWhole` checks before, this checks at the end. */
export async function* readStream(
  object: OpenedObject,
  body: SealedBytes,
): AsyncGenerator<Buffer, readonly ConfirmedChecksum[]> {
  const size = object.envelope.plainSize
  if (size === null) throw new TypeError('expected an object of a single PUT')
  const { name } = object.sealed
  const check = new ChecksumCheck(null)
  const reader = new StoredReader(body)
  try {
    const data = reader.take(segmentsSize(size))
    const parts = layoutParts({ plainSize: size, parts: [] })
    const { objectKey } = object
    const plain = openRange({ objectKey, parts, start: 0, endInclusive: size - 1, body: data })
    for await (const chunk of located(name, 0, plain)) {
      check.update(chunk)
      yield chunk
    }
    const { footer } = openTail(object, await lastBytes(name, reader, size), storedSize(size))
    return check.end(name, footer)
  } finally {
    body.destroy()
  }
}

/** Padding and footer, and nothing behind them. */
async function lastBytes(name: string, reader: StoredReader, size: number): Promise<Buffer> {
  const wanted = tailSize(size)
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of reader.take(wanted + 1)) {
    chunks.push(Buffer.from(chunk))
    length += chunk.length
  }
  if (length === wanted) return Buffer.concat(chunks)
  const difference = length < wanted ? `${wanted - length} are missing` : 'there are more'
  throw new RecoveryError('length', `${name}: ${storedSize(size)} bytes were sealed, and ${difference}.`)
}

/** Says where a segment failed. */
async function* located(name: string, start: number, plain: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  let verified = start
  try {
    for await (const chunk of plain) {
      verified += chunk.length
      yield chunk
    }
  } catch (error) {
    if (!isError(error, 'ObjectIntegrityError')) throw error
    throw error.reason === 'segment: tag'
      ? new RecoveryError(
          'segment',
          `${name}: the segment behind byte ${verified} of the plaintext does not open: its stored bytes were altered or moved. Nothing of it was written.`,
          { cause: error },
        )
      : new RecoveryError('length', `${name}: its stored bytes end before its data do. Download it again.`, {
          cause: error,
        })
  }
}
