import { StoredReader } from '../base/stored-reader.ts'
import { type Footer, openSegments, segmentsSize, storedSize, verifyPadding } from '../envelope/index.ts'
import { SealgateError } from '../errors.ts'
import type { ObjectBody } from '../storage/storage.ts'
import { type ClientAttributes, clientAttributes } from './attributes.ts'
import { checksumsOf, type ObjectChecksum } from './checksum.ts'
import { checkReadConditions, matches, type ReadConditions } from './conditions.ts'
import type { EncryptionAnswer } from './encryption.ts'
import { toClientEtag } from './etag.ts'
import type { Gateway } from './gateway.ts'
import { checkBucket } from './names.ts'
import {
  checkFooter,
  headAndOpen,
  integrity,
  type OpenedObject,
  openObject,
  readFooter,
  readWhole,
  retryOverwritten,
} from './open-object.ts'
import { type RangeRequest, resolveRange, type Slice } from './range.ts'
import { readPlain } from './read-plain.ts'

export interface GetObjectInput {
  readonly bucket: string
  readonly key: string
  readonly range?: RangeRequest | undefined
  /** The range counts only if the object is still this one: an ETag as clients see it, or a time in milliseconds. */
  readonly ifRange?: { readonly etag: string } | { readonly time: number } | undefined
  readonly conditions: ReadConditions
  /** x-amz-checksum-mode: ENABLED. Costs the footer, which is read beside the body. */
  readonly checksums: boolean
  readonly signal?: AbortSignal | undefined
}

export interface ObjectDescription extends EncryptionAnswer {
  readonly attributes: ClientAttributes
  readonly etag: string
  readonly lastModified: number
  /** Of the whole object. */
  readonly size: number
  /** Present if a range or a part was asked for. */
  readonly slice?: Slice | undefined
  /** Number of parts, if it came by multipart and a part was asked for. */
  readonly partsCount?: number | undefined
  readonly checksums: readonly ObjectChecksum[]
}

export interface GetObjectOutput extends ObjectDescription {
  readonly body: AsyncIterable<Uint8Array>
}

/** Up to this size the object is read whole, footer and all, before its first byte is answered. */
const WHOLE_READ_BYTES = 1024 * 1024

export async function getObject(gateway: Gateway, input: GetObjectInput): Promise<GetObjectOutput> {
  checkBucket(gateway, input.bucket)
  return retryOverwritten(() =>
    input.range === undefined ? getWhole(gateway, input) : getRange(gateway, input, input.range),
  )
}

export async function headObject(gateway: Gateway, input: GetObjectInput): Promise<ObjectDescription> {
  checkBucket(gateway, input.bucket)
  return retryOverwritten(async () => {
    const object = await headAndOpen(gateway, input.bucket, input.key, input.signal)
    checkReadConditions(input.conditions, object.stored)
    // The size of a multipart object is authentic only in its footer; part numbers and checksums are nowhere else.
    const needsFooter = object.envelope.kind === 'multipart' || input.checksums
    const footer = needsFooter ? await readFooter(gateway, object, input.signal) : null
    return describe(object, footer, input)
  })
}

async function getWhole(gateway: Gateway, input: GetObjectInput): Promise<GetObjectOutput> {
  const { bucket, key, signal } = input
  const answer = await gateway.storage.getObject({ bucket, key, signal })
  try {
    const object = await openObject(gateway, bucket, key, answer.object)
    checkReadConditions(input.conditions, object.stored)
    if (answer.start !== 0 || answer.end !== object.stored.size - 1)
      throw integrity('the store answered a part of the object')
    if (object.stored.size <= storedSize(WHOLE_READ_BYTES))
      return await readAtOnce(gateway, input, object, answer.body)
    const multipart = object.envelope.kind === 'multipart'
    const footer = multipart || input.checksums ? await readFooter(gateway, object, signal) : null
    const body = await startStream(
      closing(streamWhole(gateway, object, multipart ? footer : null, answer.body), answer.body),
    )
    return { ...describe(object, footer, input), body }
  } catch (error) {
    answer.body.destroy()
    throw error
  }
}

/** One call to the store, and everything verified, padding included, before anything is answered. */
async function readAtOnce(
  gateway: Gateway,
  input: GetObjectInput,
  object: OpenedObject,
  body: ObjectBody,
): Promise<GetObjectOutput> {
  const bytes = await readWhole(body, object.stored.size)
  if (bytes.length !== object.stored.size) throw integrity('the stored object is cut short')
  const footer = checkFooter(gateway, object, bytes)
  if (footer === null) throw integrity('footer length')
  const plain: Buffer[] = []
  for await (const chunk of streamWhole(gateway, object, footer, [bytes])) plain.push(chunk)
  return { ...describe(object, footer, input), body: chunksOf(plain) }
}

async function* chunksOf(chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks
}

/** Opens every part in turn, then checks that the padding behind them is what it must be. */
async function* streamWhole(
  gateway: Gateway,
  object: OpenedObject,
  footer: Footer | null,
  body: AsyncIterable<Uint8Array> | readonly Uint8Array[],
): AsyncGenerator<Buffer> {
  const reader = new StoredReader(Symbol.asyncIterator in body ? body : chunksOf(body as readonly Buffer[]))
  const none = Buffer.alloc(0)
  const parts =
    footer === null || footer.parts.length === 0
      ? [{ partNumber: 0, size: object.size, salt: none }]
      : footer.parts.map((part) => ({ partNumber: part.partNumber, size: part.size, salt: part.salt }))
  let stored = 0
  for (const part of parts) {
    const sealed = segmentsSize(part.size)
    yield* openSegments({
      objectKey: object.objectKey,
      partNumber: part.partNumber,
      salt: part.salt,
      partSize: part.size,
      firstSegment: 0,
      skip: 0,
      length: part.size,
      body: reader.take(sealed),
    })
    stored += sealed
  }
  await checkTail(gateway, object, footer, reader, object.stored.size - stored)
}

/** What follows the data: zero padding, then the sealed footer, whose own tag is checked where it is used. */
async function checkTail(
  gateway: Gateway,
  object: OpenedObject,
  known: Footer | null,
  reader: StoredReader,
  bytes: number,
): Promise<void> {
  const chunks: Uint8Array[] = []
  let received = 0
  for await (const chunk of reader.take(bytes)) {
    received += chunk.length
    chunks.push(chunk)
  }
  if (received !== bytes) throw integrity('the stored object is cut short')
  const tail = Buffer.concat(chunks)
  if (known === null && checkFooter(gateway, object, tail) === null) throw integrity('footer length')
  const sealedFooter = 40 + tail.readUInt32BE(tail.length - 8)
  if (sealedFooter > tail.length) throw integrity('footer length')
  verifyPadding(tail.subarray(0, tail.length - sealedFooter))
}

async function getRange(
  gateway: Gateway,
  input: GetObjectInput,
  range: RangeRequest,
): Promise<GetObjectOutput> {
  const object = await headAndOpen(gateway, input.bucket, input.key, input.signal)
  checkReadConditions(input.conditions, object.stored)
  if (!rangeStands(input, object)) return getWhole(gateway, input)
  const needsFooter = object.envelope.kind === 'multipart' || (range.kind === 'part' && input.checksums)
  const footer = needsFooter ? await readFooter(gateway, object, input.signal) : null
  const description = describe(object, footer, input)
  const slice = description.slice ?? { start: 0, end: object.size - 1 }
  const body = await startStream(readPlain(gateway, object, footer, slice, input.signal))
  return { ...description, body }
}

/** RFC 9110 section 13.1.5: a date must be exactly the object's, an ETag must be the object's. */
function rangeStands(input: GetObjectInput, object: OpenedObject): boolean {
  if (input.ifRange === undefined) return true
  if ('etag' in input.ifRange) return matches([input.ifRange.etag], object.stored.etag)
  return Math.floor(object.stored.lastModified / 1000) === Math.floor(input.ifRange.time / 1000)
}

function describe(object: OpenedObject, footer: Footer | null, input: GetObjectInput): ObjectDescription {
  const whole = {
    attributes: clientAttributes(object.stored),
    etag: toClientEtag(object.stored.etag),
    lastModified: object.stored.lastModified,
    size: object.size,
    cmkId: object.envelope.cmkId,
  }
  const range = input.range
  if (range === undefined || !rangeStands(input, object)) {
    return { ...whole, checksums: input.checksums && footer !== null ? checksumsOf(footer) : [] }
  }
  // A whole-object checksum on a part of the object makes every SDK fail the read.
  if (range.kind !== 'part') return { ...whole, slice: resolveRange(range, object.size), checksums: [] }
  return { ...whole, ...describePart(object, footer, range.partNumber, input.checksums) }
}

function describePart(
  object: OpenedObject,
  footer: Footer | null,
  partNumber: number,
  wanted: boolean,
): Pick<ObjectDescription, 'slice' | 'partsCount' | 'checksums'> {
  if (footer === null || footer.parts.length === 0) {
    if (partNumber !== 1) throw new SealgateError('InvalidPartNumber')
    return {
      slice: { start: 0, end: object.size - 1 },
      checksums: wanted && footer !== null ? checksumsOf(footer) : [],
    }
  }
  const part = footer.parts[partNumber - 1]
  if (part === undefined) throw new SealgateError('InvalidPartNumber')
  const start = footer.parts.slice(0, partNumber - 1).reduce((sum, earlier) => sum + earlier.size, 0)
  const algorithm = footer.checksums.partAlgorithm
  const checksums =
    wanted && algorithm !== undefined && algorithm !== null && part.checksum.length > 0
      ? [{ algorithm, type: footer.checksums.type ?? 'COMPOSITE', value: part.checksum }]
      : []
  return { slice: { start, end: start + part.size - 1 }, partsCount: footer.parts.length, checksums }
}

/** The stream's end, however it comes, releases the store's body. */
async function* closing(stream: AsyncGenerator<Buffer>, body: ObjectBody): AsyncGenerator<Buffer> {
  try {
    yield* stream
  } finally {
    body.destroy()
  }
}

/** Waits for the first verified segment, so that what cannot be opened is an error answer and not a broken connection. */
async function startStream(stream: AsyncGenerator<Buffer>): Promise<AsyncIterable<Uint8Array>> {
  const first = await stream.next()
  return resume(first, stream)
}

async function* resume(
  first: IteratorResult<Buffer, unknown>,
  stream: AsyncGenerator<Buffer>,
): AsyncGenerator<Buffer> {
  try {
    if (first.done === true) return
    yield first.value
    yield* stream
  } finally {
    await stream.return(undefined)
  }
}
