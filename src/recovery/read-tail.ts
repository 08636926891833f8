import {
  type Footer,
  layoutParts,
  openFooter,
  type PartLayout,
  segmentsSize,
  storedSize,
  verifyPadding,
} from '../envelope/index.ts'
import { isError } from '../errors.ts'
import { type OpenedObject, sizeOf } from './open-sealed.ts'
import { RecoveryError } from './recovery-error.ts'
import type { SealedObject } from './sealed-object.ts'

/** The end of an object, opened: everything that is not plaintext. */
export interface Tail {
  readonly footer: Footer
  /** The parts of the object; a single PUT is one. */
  readonly parts: readonly PartLayout[]
}

/** Reads padding and footer, which are the last `tailSize` bytes at most, and checks all of both. */
export async function readTail(object: OpenedObject, sealed: SealedObject): Promise<Tail> {
  const size = sizeOf(object, sealed.size)
  const bytes = Math.min(sealed.size, tailSize(size))
  return openTail(
    object,
    await collect(sealed.name, await sealed.read(sealed.size - bytes, sealed.size - 1), bytes),
    sealed.size,
  )
}

/** Padding and footer of an object of `size` plaintext bytes, however many parts it has: L(P) less the least that its segments take. */
export function tailSize(size: number): number {
  return storedSize(size) - segmentsSize(size)
}

/** @param tail the object's last bytes, from the end of its data on or before it */
export function openTail(object: OpenedObject, tail: Buffer, stored: number): Tail {
  const footer = openFooterOf(object, tail, stored)
  if ((object.envelope.kind === 'single') !== (footer.parts.length === 0))
    throw new RecoveryError(
      'footer',
      `${object.sealed.name}: its footer is of another kind than its envelope.`,
    )
  const parts = layoutParts(footer)
  checkPadding(object, tail, stored, parts)
  return { footer, parts }
}

function openFooterOf(object: OpenedObject, tail: Buffer, stored: number): Footer {
  try {
    const opened = openFooter(object.objectKey, tail, stored)
    if ('footer' in opened) return opened.footer
    throw new RecoveryError('footer', footerMessage(object, 'it is longer than its object'))
  } catch (error) {
    if (!isError(error, 'ObjectIntegrityError')) throw error
    const magic = error.reason === 'footer: magic'
    throw new RecoveryError(
      'footer',
      magic
        ? `${object.sealed.name}: its last bytes are no footer: the object was cut or altered. Download it again.`
        : footerMessage(object, error.reason ?? ''),
      { cause: error },
    )
  }
}

function footerMessage(object: OpenedObject, why: string): string {
  return `${object.sealed.name}: its footer does not open under its envelope (${why}): bytes and metadata belong to different objects or versions, or the end of the object was altered.`
}

function checkPadding(
  object: OpenedObject,
  tail: Buffer,
  stored: number,
  parts: readonly PartLayout[],
): void {
  const last = parts.at(-1)
  const dataEnd = last === undefined ? 0 : last.storedStart + last.storedSize
  const start = dataEnd - (stored - tail.length)
  try {
    verifyPadding(tail.subarray(start))
  } catch (error) {
    if (!isError(error, 'ObjectIntegrityError')) throw error
    throw new RecoveryError(
      'padding',
      `${object.sealed.name}: the padding between its data and its footer is not zero: it was altered.`,
      { cause: error },
    )
  }
}

async function collect(name: string, body: AsyncIterable<Uint8Array>, bytes: number): Promise<Buffer> {
  const out = Buffer.alloc(bytes)
  let filled = 0
  for await (const chunk of body) {
    if (filled + chunk.length > bytes)
      throw new RecoveryError('store', `${name}: more bytes came than were asked for.`)
    out.set(chunk, filled)
    filled += chunk.length
  }
  if (filled === bytes) return out
  throw new RecoveryError('length', `${name}: it ended ${bytes - filled} bytes early.`)
}
