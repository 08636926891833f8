import { integrityError, MAX_PLAIN_SIZE, storedSize } from '../envelope/index.ts'
import { isError } from '../errors.ts'
import type { GetObjectResult, ObjectBody } from '../storage/storage.ts'
import { checkReadConditions, matches, type ReadConditions } from './conditions.ts'
import { findObject } from './find-object.ts'
import type { Gateway } from './gateway.ts'
import { checkBucket } from './names.ts'
import { describeObject, type ObjectDescription } from './object-description.ts'
import { storedVersion } from './object-version.ts'
import {
  checkFooter,
  type FoundObject,
  type ObjectRequest,
  type OpenedObject,
  openObject,
  readFooter,
  readWhole,
  retryOverwritten,
} from './open-object.ts'
import { exactly, isPlain, isServedPlain, openPlain, type PlainObject, readStored } from './plain-object.ts'
import type { RangeRequest, Slice } from './range.ts'
import { likelyRange, openAnswered, openInMemory, openWhole, readPlain } from './read-plain.ts'

export interface GetObjectInput extends ObjectRequest {
  readonly range?: RangeRequest | undefined
  /** The range counts only if the object is still this one: an ETag as clients see it, or a time in milliseconds. */
  readonly ifRange?: { readonly etag: string } | { readonly time: number } | undefined
  readonly conditions: ReadConditions
  /** x-amz-checksum-mode: ENABLED. Costs the footer, which is read beside the body. */
  readonly checksums: boolean
}

export interface GetObjectOutput extends ObjectDescription {
  readonly body: AsyncIterable<Uint8Array>
}

/** Up to this size the object is read whole, footer and all, before its first byte is answered. */
const AT_ONCE_BYTES = 1024 * 1024

export async function getObject(gateway: Gateway, input: GetObjectInput): Promise<GetObjectOutput> {
  checkBucket(gateway, input.bucket)
  return retryOverwritten(() =>
    input.range === undefined
      ? getWhole(gateway, input)
      : input.range.kind === 'closed'
        ? getClosedRange(gateway, input, input.range)
        : getRange(gateway, input, input.range),
  )
}

async function getWhole(gateway: Gateway, input: GetObjectInput): Promise<GetObjectOutput> {
  const { bucket, key, signal } = input
  const versionId = storedVersion(gateway, input.versionId)
  const answer = await gateway.storage.getObject({ bucket, key, versionId, signal })
  if (isServedPlain(gateway, bucket, answer.object)) return getPlain(gateway, input, answer)
  try {
    const object = await openObject(gateway, input, answer.object)
    checkReadConditions(input.conditions, object.stored, gateway.now())
    if (answer.start !== 0 || answer.end !== object.stored.size - 1)
      throw integrityError('the store answered a part of the object')
    const atOnce = object.stored.size <= storedSize(AT_ONCE_BYTES) && gateway.wholeReads.take(object.size)
    return atOnce
      ? await getAtOnce(gateway, input, object, answer.body)
      : await getStream(gateway, input, object, answer.body)
  } catch (error) {
    answer.body.destroy()
    throw error
  }
}

/** One call to the store, and everything verified, padding included, before anything is answered. Gives back what was taken of `wholeReads`. */
async function getAtOnce(
  gateway: Gateway,
  input: GetObjectInput,
  object: OpenedObject,
  body: ObjectBody,
): Promise<GetObjectOutput> {
  const release = () => gateway.wholeReads.giveBack(object.size)
  try {
    const bytes = await readWhole(body, object.stored.size)
    if (bytes.length !== object.stored.size) throw integrityError('the stored object is cut short')
    const footer = checkFooter(gateway, object, bytes)
    if (footer === null) throw integrityError('footer length')
    const plain: Buffer[] = []
    for await (const chunk of openInMemory(object, footer, bytes)) plain.push(chunk)
    const description = describeObject(object, footer, wholeOf(input))
    return { ...description, body: await startStream(inTurn(plain, release)) }
  } catch (error) {
    release()
    throw error
  }
}

async function getStream(
  gateway: Gateway,
  input: GetObjectInput,
  object: OpenedObject,
  body: ObjectBody,
): Promise<GetObjectOutput> {
  const multipart = object.envelope.kind === 'multipart'
  const footer = multipart || input.checksums ? await readFooter(gateway, object, input.signal) : null
  // Of a single PUT the footer is at the end of the stream as well, and checked there.
  const plain = openWhole(gateway, object, multipart ? footer : null, body)
  return { ...describeObject(object, footer, wholeOf(input)), body: await startStream(plain) }
}

function wholeOf({ checksums }: GetObjectInput) {
  return { range: undefined, checksums }
}

type ClosedRange = Extract<RangeRequest, { kind: 'closed' }>

/**
 * A closed range is asked for where it lies in an object that came by one PUT, or in parts of whole segments, as nearly all do: then
 * the first call to the store is the only one. In other objects it lies elsewhere, which the footer tells, and is asked for again.
 */
async function getClosedRange(
  gateway: Gateway,
  input: GetObjectInput,
  range: ClosedRange,
): Promise<GetObjectOutput> {
  const { bucket, key, signal } = input
  const versionId = storedVersion(gateway, input.versionId)
  if (range.start >= MAX_PLAIN_SIZE) return getRange(gateway, input, range)
  // Clients ask for ends far behind any object's.
  const likely = likelyRange(range.start, Math.min(range.end, MAX_PLAIN_SIZE - 1))
  let answer: GetObjectResult
  try {
    answer = await gateway.storage.getObject({ bucket, key, versionId, range: likely, signal })
  } catch (error) {
    if (!isError(error, 'InvalidRange')) throw error
    // Behind the end of what is stored, so behind the end of what is in it; how long that is, a HEAD tells.
    return getRange(gateway, input, range)
  }
  if (isServedPlain(gateway, bucket, answer.object)) {
    // A range of sealed bytes lies elsewhere.
    answer.body.destroy()
    return getPlainRange(gateway, input, range, await openPlain(gateway, input, answer.object))
  }
  try {
    const object = await openObject(gateway, input, answer.object)
    checkReadConditions(input.conditions, object.stored, gateway.now())
    if (answer.start !== likely.start || answer.end !== Math.min(likely.end, object.stored.size - 1))
      throw integrityError('the store answered another range than the one asked')
    if (!rangeStands(input, object)) {
      answer.body.destroy()
      return await getWhole(gateway, input)
    }
    const footer = object.envelope.kind === 'multipart' ? await readFooter(gateway, object, signal) : null
    const description = describeObject(object, footer, { range, checksums: input.checksums })
    const slice = description.slice ?? range
    const plain =
      openAnswered(object, footer, slice, answer) ?? readPlain(gateway, object, footer, slice, signal)
    return { ...description, body: await startStream(plain) }
  } catch (error) {
    answer.body.destroy()
    throw error
  }
}

async function getRange(
  gateway: Gateway,
  input: GetObjectInput,
  range: RangeRequest,
): Promise<GetObjectOutput> {
  const object = await findObject(gateway, input)
  if (isPlain(object)) return getPlainRange(gateway, input, range, object)
  checkReadConditions(input.conditions, object.stored, gateway.now())
  if (!rangeStands(input, object)) return getWhole(gateway, input)
  const needsFooter = object.envelope.kind === 'multipart' || (range.kind === 'part' && input.checksums)
  const footer = needsFooter ? await readFooter(gateway, object, input.signal) : null
  const description = describeObject(object, footer, { range, checksums: input.checksums })
  const slice = description.slice ?? wholeSlice(object)
  const body = await startStream(readPlain(gateway, object, footer, slice, input.signal))
  return { ...description, body }
}

/** An object that nobody sealed, whole, as the store gives it. */
async function getPlain(
  gateway: Gateway,
  input: GetObjectInput,
  answer: GetObjectResult,
): Promise<GetObjectOutput> {
  try {
    const object = await openPlain(gateway, input, answer.object)
    checkReadConditions(input.conditions, object.stored, gateway.now())
    if (answer.start !== 0 || answer.end !== object.size - 1)
      throw integrityError('the store answered a part of the object')
    const body = await startStream(exactly(answer.body, object.size))
    return { ...describeObject(object, null, wholeOf(input)), body }
  } catch (error) {
    answer.body.destroy()
    throw error
  }
}

async function getPlainRange(
  gateway: Gateway,
  input: GetObjectInput,
  range: RangeRequest,
  object: PlainObject,
): Promise<GetObjectOutput> {
  checkReadConditions(input.conditions, object.stored, gateway.now())
  if (!rangeStands(input, object)) return getWhole(gateway, input)
  const description = describeObject(object, null, { range, checksums: false })
  const slice = description.slice ?? wholeSlice(object)
  return { ...description, body: await startStream(readStored(gateway, object, slice, input.signal)) }
}

function wholeSlice({ size }: FoundObject): Slice {
  return { start: 0, end: size - 1 }
}

/** RFC 9110 section 13.1.5: a date must be exactly the object's, an ETag must be the object's. */
export function rangeStands({ ifRange }: GetObjectInput, { stored }: FoundObject): boolean {
  if (ifRange === undefined) return true
  if ('etag' in ifRange) return matches([ifRange.etag], stored.etag)
  return Math.floor(stored.lastModified / 1000) === Math.floor(ifRange.time / 1000)
}

async function* inTurn(chunks: readonly Buffer[], end: () => void): AsyncGenerator<Buffer> {
  try {
    yield* chunks
  } finally {
    end()
  }
}

/** Waits for the first verified segment, so that what cannot be opened is an error answer and not a broken connection. */
async function startStream(stream: AsyncGenerator<Buffer>): Promise<AsyncIterable<Uint8Array>> {
  let first: IteratorResult<Buffer> | undefined = await stream.next()
  const takeFirst = () => {
    const taken = first
    first = undefined
    return taken
  }
  // No generator: one that is closed before its first turn would leave the stream, and the store's body, open.
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => takeFirst() ?? (await stream.next()),
      return: async () => {
        takeFirst()
        return stream.return(undefined)
      },
    }),
  }
}
