import { layoutParts } from '../envelope/index.ts'
import type { ConfirmedChecksum } from './checksum-check.ts'
import { type LogicalName, type OpenedObject, openSealed, type RecoveryKeys, sizeOf } from './open-sealed.ts'
import { readSlice, readStream, readWhole } from './plaintext.ts'
import { readTail } from './read-tail.ts'
import type { SealedBytes, SealedObject } from './sealed-object.ts'
import { type RangeRequest, resolveRange, type Slice } from './slice.ts'

/** An object whose plaintext is about to be read: all that can be checked before has been. */
export interface Reading {
  readonly object: OpenedObject
  /** Plaintext bytes of the whole object. */
  readonly objectSize: number
  /** Plaintext bytes that will come. */
  readonly size: number
  /** Null for the whole object. */
  readonly slice: Slice | null
  /** Returns the checksums that were confirmed: none for a slice. */
  readonly plain: AsyncGenerator<Buffer, readonly ConfirmedChecksum[]>
}

export interface ReadingOptions {
  readonly ignoreMetadata?: boolean | undefined
}

/** Opens envelope and, where it is needed, footer. The object's key is the caller's to destroy. */
export async function beginReading(
  keys: RecoveryKeys,
  name: LogicalName,
  sealed: SealedObject,
  range: RangeRequest | null,
  options: ReadingOptions = {},
): Promise<Reading> {
  const object = await openSealed(keys, name, sealed, options)
  try {
    const objectSize = sizeOf(object, sealed.size)
    if (range === null) {
      const tail = await readTail(object, sealed)
      return { object, objectSize, size: objectSize, slice: null, plain: readWhole(object, sealed, tail) }
    }
    const slice = resolveRange(sealed.name, range, objectSize)
    const parts =
      object.envelope.kind === 'single'
        ? layoutParts({ plainSize: objectSize, parts: [] })
        : (await readTail(object, sealed)).parts
    const plain = withoutChecksums(readSlice(object, sealed, parts, slice))
    return { object, objectSize, size: slice.end - slice.start + 1, slice, plain }
  } catch (error) {
    object.objectKey.destroy()
    throw error
  }
}

/** The whole of an object that comes as a stream: a single PUT, as the footer of a multipart object is its end. */
export async function beginStream(
  keys: RecoveryKeys,
  name: LogicalName,
  stream: Omit<SealedObject, 'size' | 'read'> & { readonly body: SealedBytes },
  options: ReadingOptions = {},
): Promise<Reading> {
  const object = await openSealed(keys, name, stream, options)
  const size = object.envelope.plainSize
  if (size === null) throw new TypeError('expected an object of a single PUT')
  return { object, objectSize: size, size, slice: null, plain: readStream(object, stream.body) }
}

/** Hands every chunk on, and returns what the generator returns. */
export async function drain<T>(
  plain: AsyncGenerator<Buffer, T>,
  write: (chunk: Buffer) => Promise<void>,
): Promise<T> {
  let ended = false
  try {
    for (;;) {
      const next = await plain.next()
      if (next.done === true) {
        ended = true
        return next.value
      }
      await write(next.value)
    }
  } finally {
    // Lets go of what it reads from, where somebody else failed.
    if (!ended) await plain.return(undefined as T).catch(() => undefined)
  }
}

async function* withoutChecksums(
  plain: AsyncGenerator<Buffer>,
): AsyncGenerator<Buffer, readonly ConfirmedChecksum[]> {
  yield* plain
  return []
}
