import type { FileHandle } from 'node:fs/promises'
import { SealgateError } from '../../errors.ts'
import type { ObjectBody } from '../storage.ts'
import type { Blobs } from './blobs.ts'

/** Blob id and length in bytes, in the order of the object. */
export type Extent = readonly [id: number, size: number]

/** Where a blob's bytes are. An open file stays readable when its blob is deleted meanwhile. */
type Source = { readonly inline: Buffer } | { readonly file: FileHandle }

interface Cut {
  readonly id: number
  readonly start: number
  readonly end: number
  source?: Source
}

const READ_BYTES = 256 * 1024
/** Files opened before the answer begins; the further ones of an object of many parts are opened as they come. */
const OPEN_AHEAD = 64

/** Thrown when a blob went away between the look into the index and the opening of its file: the caller looks again. */
export class BlobGone extends Error {}

/** Bytes `start` to `end` (inclusive) of the extents. */
export async function readExtents(
  blobs: Blobs,
  extents: readonly Extent[],
  start: number,
  end: number,
): Promise<ObjectBody> {
  const cuts = cutExtents(extents, start, end)
  const opened: FileHandle[] = []
  try {
    for (const cut of cuts.slice(0, OPEN_AHEAD)) {
      cut.source = await openSource(blobs, cut.id)
      if ('file' in cut.source) opened.push(cut.source.file)
    }
  } catch (error) {
    for (const file of opened) await file.close()
    throw error
  }
  return bodyOf(blobs, cuts)
}

function cutExtents(extents: readonly Extent[], start: number, end: number): Cut[] {
  const cuts: Cut[] = []
  let offset = 0
  for (const [id, size] of extents) {
    const from = Math.max(start - offset, 0)
    const to = Math.min(end - offset, size - 1)
    if (from <= to) cuts.push({ id, start: from, end: to })
    offset += size
  }
  return cuts
}

function bodyOf(blobs: Blobs, cuts: readonly Cut[]): ObjectBody {
  const bytes = generate(blobs, cuts)
  let begun = false
  return {
    [Symbol.asyncIterator]: () => {
      begun = true
      return bytes
    },
    destroy: () => {
      // A generator that never began has no finally to run.
      if (!begun) closeAll(cuts).catch(() => undefined)
      else bytes.return(undefined).catch(() => undefined)
    },
  }
}

async function* generate(blobs: Blobs, cuts: readonly Cut[]): AsyncGenerator<Buffer> {
  try {
    for (const cut of cuts) {
      cut.source ??= await openSource(blobs, cut.id)
      if ('inline' in cut.source) yield cut.source.inline.subarray(cut.start, cut.end + 1)
      else yield* readFile(cut.source.file, cut.start, cut.end)
    }
  } finally {
    await closeAll(cuts)
  }
}

async function* readFile(file: FileHandle, start: number, end: number): AsyncGenerator<Buffer> {
  for (let position = start; position <= end; ) {
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, end - position + 1))
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position)
    if (bytesRead === 0)
      throw new SealgateError('ObjectIntegrityError', undefined, {
        reason: 'a blob file is shorter than the index says',
      })
    position += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

async function openSource(blobs: Blobs, id: number): Promise<Source> {
  const inline = blobs.inline(id)
  if (inline === undefined) throw new BlobGone()
  if (inline !== null) return { inline }
  try {
    return { file: await blobs.openFile(id) }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    if (blobs.inline(id) === undefined) throw new BlobGone()
    throw new SealgateError('ObjectIntegrityError', undefined, { reason: 'a blob file is missing' })
  }
}

async function closeAll(cuts: readonly Cut[]): Promise<void> {
  for (const cut of cuts) {
    if (cut.source !== undefined && 'file' in cut.source) await cut.source.file.close().catch(() => undefined)
  }
}
