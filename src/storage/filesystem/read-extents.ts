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
  const buffers = new ReadBuffers()
  const bytes = generate(blobs, cuts, buffers)
  return {
    [Symbol.asyncIterator]: () => bytes,
    release: (chunk) => buffers.giveBack(chunk),
    destroy: () => {
      const ended = bytes.return(undefined).catch(() => undefined)
      // A generator that was never asked for anything has no finally to run.
      ended.then(() => closeAll(cuts)).catch(() => undefined)
    },
  }
}

async function* generate(
  blobs: Blobs,
  cuts: readonly Cut[],
  buffers: ReadBuffers,
): AsyncGenerator<Uint8Array> {
  try {
    for (const cut of cuts) {
      cut.source ??= await openSource(blobs, cut.id)
      if ('inline' in cut.source) yield inlineBytes(cut.source.inline, cut)
      else yield* readFile(cut.source.file, cut, buffers)
      // Not only at the end: an object may have ten thousand parts.
      await close(cut)
    }
  } finally {
    await closeAll(cuts)
  }
}

function inlineBytes(bytes: Buffer, { start, end }: Cut): Buffer {
  if (bytes.length <= end) throw shorter()
  return bytes.subarray(start, end + 1)
}

async function* readFile(file: FileHandle, cut: Cut, buffers: ReadBuffers): AsyncGenerator<Uint8Array> {
  for (let position = cut.start; position <= cut.end; ) {
    const buffer = buffers.take(Math.min(READ_BYTES, cut.end - position + 1))
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position)
    if (bytesRead === 0) throw shorter()
    position += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

/** One buffer for the whole of a body, as long as its reader gives back each chunk; a new one for each that it keeps. */
class ReadBuffers {
  #lent: ArrayBuffer | null = null
  #free: ArrayBuffer | null = null

  take(bytes: number): Uint8Array {
    const buffer =
      this.#free !== null && this.#free.byteLength >= bytes
        ? this.#free
        : Buffer.allocUnsafeSlow(bytes).buffer
    this.#free = null
    this.#lent = buffer
    return Buffer.from(buffer, 0, bytes)
  }

  giveBack(chunk: Uint8Array): void {
    if (chunk.buffer !== this.#lent) return
    this.#free = this.#lent
    this.#lent = null
  }
}

function shorter(): SealgateError {
  return new SealgateError('ObjectIntegrityError', undefined, {
    reason: 'a blob is shorter than the index says',
  })
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

async function close({ source }: Cut): Promise<void> {
  if (source !== undefined && 'file' in source) await source.file.close().catch(() => undefined)
}

async function closeAll(cuts: readonly Cut[]): Promise<void> {
  for (const cut of cuts) await close(cut)
}
