import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import {
  type Binding,
  type Footer,
  type FooterChecksums,
  layoutParts,
  type ObjectKey,
  openFooter,
  openRange,
  sealFooter,
  sealObject,
  sealPart,
  segmentsSize,
  storedRange,
  storedSize,
} from '../../src/envelope/index.ts'
import { isError } from '../../src/errors.ts'
import { collect } from '../lib/bytes.ts'

export { collect }

export const BINDING: Binding = { realm: 'realm-1', bucket: 'photos', key: 'a/b c/日本.txt' }
export const NO_CHECKSUMS: FooterChecksums = { type: null, values: [], partAlgorithm: null }

/** Bytes that look random and are the same at every run. */
export function bytesOf(size: number, seed = 'seed'): Buffer {
  const out = Buffer.alloc(size)
  for (let at = 0, n = 0; at < size; n++)
    at += createHash('sha256').update(`${seed}${n}`).digest().copy(out, at)
  return out
}

/** A body in chunks of the given sizes, repeated; each chunk is overwritten once the next is asked for. */
export async function* bodyOf(
  data: Uint8Array,
  sizes: readonly number[] = [65_536],
): AsyncGenerator<Uint8Array> {
  for (let at = 0, n = 0; at < data.length; n++) {
    const chunk = Buffer.from(data.subarray(at, at + Math.max(1, sizes[n % sizes.length]!)))
    at += chunk.length
    yield chunk
    chunk.fill(0xee)
  }
}

export function sealedObject(objectKey: ObjectKey, data: Buffer, sizes?: readonly number[]): Promise<Buffer> {
  const footer = (): FooterChecksums => NO_CHECKSUMS
  return collect(sealObject({ objectKey, size: data.length, body: bodyOf(data, sizes), footer }))
}

/** A multipart object as it lies in the store. */
export async function sealedMultipart(objectKey: ObjectKey, datas: readonly Buffer[]): Promise<Buffer> {
  const parts = datas.map((data, n) => ({
    partNumber: n + 1,
    size: data.length,
    salt: randomBytes(32),
    checksum: Buffer.alloc(0),
  }))
  const sealed: Buffer[] = []
  for (const [n, part] of parts.entries())
    sealed.push(await collect(sealPart({ objectKey, ...part, body: bodyOf(datas[n]!) })))
  const plainSize = datas.reduce((sum, data) => sum + data.length, 0)
  const size = storedSize(plainSize)
  const footer = sealFooter({ objectKey, plainSize, storedSize: size, parts, checksums: NO_CHECKSUMS })
  const used = parts.reduce((sum, part) => sum + segmentsSize(part.size), 0)
  return Buffer.concat([...sealed, Buffer.alloc(size - used - footer.length), footer])
}

export function footerOf(objectKey: ObjectKey, stored: Buffer): Footer {
  const opened = openFooter(objectKey, stored, stored.length)
  assert.ok('footer' in opened)
  return opened.footer
}

/** Opens the footer and a range of the object, as a GET does; by default the whole. */
export async function openObject(
  objectKey: ObjectKey,
  stored: Buffer,
  from?: number,
  to?: number,
): Promise<Buffer> {
  const footer = footerOf(objectKey, stored)
  const parts = layoutParts(footer)
  const start = from ?? 0
  const endInclusive = to ?? footer.plainSize - 1
  const { storedStart, storedEnd } = storedRange(parts, start, endInclusive)
  const body = bodyOf(stored.subarray(storedStart, storedEnd + 1), [50_000])
  return collect(openRange({ objectKey, parts, start, endInclusive, body }))
}

/** Opens a whole part that lies by itself, or some of it. */
export function openPart(
  o: {
    readonly objectKey: ObjectKey
    readonly partNumber: number
    readonly salt: Buffer
    readonly size: number
    readonly body: AsyncIterable<Uint8Array>
  },
  start = 0,
  endInclusive = o.size - 1,
): Promise<Buffer> {
  const { objectKey, partNumber, salt, size, body } = o
  const layout = { partNumber, salt, plainStart: 0, plainSize: size }
  const parts = [{ ...layout, storedStart: 0, storedSize: segmentsSize(size) }]
  return collect(openRange({ objectKey, parts, start, endInclusive, body }))
}

export function isIntegrity(error: unknown): boolean {
  return isError(error, 'ObjectIntegrityError')
}
