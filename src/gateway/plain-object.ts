import { ENVELOPE_METADATA_NAME, endsLikeSealed, integrityError, TRAILER_SIZE } from '../envelope/index.ts'
import { SealgateError } from '../errors.ts'
import type { ObjectBody, StoredObject } from '../storage/storage.ts'
import type { Gateway } from './gateway.ts'
import { pinnedVersion } from './object-version.ts'
import {
  type AnsweredObject,
  type FoundObject,
  type ObjectRequest,
  readAgain,
  readWhole,
} from './open-object.ts'
import type { Slice } from './range.ts'

/**
 * An object that was in the store before the gateway was, served as it lies there, by the word of the store alone. Only a bucket that is
 * configured to read plaintext has such objects; docs/security.md says what it gives up for them.
 */
export interface PlainObject extends FoundObject {
  readonly plain: true
}

export function isPlain(object: FoundObject): object is PlainObject {
  return 'plain' in object
}

/** An object with an envelope is never served as plaintext, whatever is wrong with it; nor is one with a name that is ours. */
export function isServedPlain(gateway: Gateway, bucket: string, stored: StoredObject): boolean {
  return gateway.plaintext.reads(bucket) && !hasEnvelope(stored)
}

export function hasEnvelope({ metadata }: Pick<StoredObject, 'metadata'>): boolean {
  return Object.keys(metadata).some((given) => {
    const name = given.toLowerCase()
    return name === ENVELOPE_METADATA_NAME || name.startsWith(`${ENVELOPE_METADATA_NAME}-`)
  })
}

/** One call to the store more, for the end of the object, unless that was looked at before: sealed bytes that lost their envelope are no plaintext. */
export async function openPlain(
  gateway: Gateway,
  { bucket, key, versionId, customerKey, signal }: ObjectRequest,
  stored: StoredObject,
): Promise<PlainObject> {
  if (customerKey !== undefined)
    throw new SealgateError('InvalidRequest', 'The encryption parameters are not applicable to this object.')
  const version = pinnedVersion(versionId, stored)
  const revision = { bucket, key, ...stored }
  if (stored.size >= TRAILER_SIZE && gateway.plaintext.seen(revision) !== 'plain') {
    const tail = await readTail(gateway, { bucket, key, version, stored }, signal)
    if (endsLikeSealed(tail, stored.size))
      throw integrityError('plaintext: the object ends as a sealed one does, and has no envelope')
  }
  gateway.plaintext.remember(revision, 'plain')
  return { bucket, key, stored, version, size: stored.size, encryption: { plaintext: true }, plain: true }
}

async function readTail(
  gateway: Gateway,
  object: AnsweredObject,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  const { size } = object.stored
  const range = { start: size - TRAILER_SIZE, end: size - 1 }
  const answer = await readAgain(gateway, object, range, signal)
  const tail = await readWhole(answer.body, TRAILER_SIZE)
  if (answer.object.size !== size || answer.start !== range.start || tail.length !== TRAILER_SIZE)
    throw integrityError('the store answered another range than the one asked')
  return tail
}

/** The bytes of a slice as they lie in the store, by one call. */
export async function* readStored(
  gateway: Gateway,
  object: PlainObject,
  { start, end }: Slice,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  if (end < start) return
  const answer = await readAgain(gateway, object, { start, end }, signal)
  if (answer.start !== start || answer.end !== end || answer.object.size !== object.size) {
    answer.body.destroy()
    throw integrityError('the store answered another range than the one asked')
  }
  yield* exactly(answer.body, end - start + 1)
}

/** A body that has another length than was said breaks off. */
export async function* exactly(body: ObjectBody, bytes: number): AsyncGenerator<Buffer> {
  let left = bytes
  try {
    for await (const chunk of body) {
      left -= chunk.length
      if (left < 0) throw integrityError('body longer than its length')
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    }
    if (left > 0) throw integrityError('the stored object is cut short')
  } finally {
    body.destroy()
  }
}
