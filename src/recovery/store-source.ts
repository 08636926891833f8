import { ENVELOPE_METADATA_NAME, plainSize } from '../envelope/index.ts'
import { isError, type SealgateError } from '../errors.ts'
import {
  type GetObjectResult,
  type ListedObject,
  type ObjectBody,
  type ObjectVersionName,
  OVERWRITTEN,
  type Storage,
  type StoredObject,
} from '../storage/storage.ts'
import { RecoveryError } from './recovery-error.ts'
import type { SealedBytes, SealedObject } from './sealed-object.ts'
import { shown } from './shown.ts'

/** Up to this size one call to the store brings object and metadata together. */
const WHOLE_READ_BYTES = 1024 * 1024

/** An object of a store, and what the store says of it besides. */
export interface StoredSource extends SealedObject {
  readonly lastModified: number
}

/** @param size of a listing, if there was one */
export async function sealedInStore(
  storage: Storage,
  name: ObjectVersionName,
  size?: number,
): Promise<StoredSource> {
  const label = nameInStore(name)
  return inStore(label, async () => {
    if (size === undefined || size > WHOLE_READ_BYTES)
      return ranged(storage, name, label, await storage.headObject(name))
    const answer = await storage.getObject(name)
    if (answer.object.size > 2 * WHOLE_READ_BYTES) {
      answer.body.destroy()
      return ranged(storage, name, label, answer.object)
    }
    return whole(label, answer.object, await wholeBody(label, answer))
  })
}

/** Every object whose key begins with `prefix`, in the order of the keys. */
export async function* listed(
  storage: Storage,
  bucket: string,
  prefix: string,
): AsyncGenerator<ListedObject> {
  let continuationToken: string | undefined
  do {
    const request = { bucket, prefix, delimiter: '', startAfter: '', continuationToken, maxKeys: 1000 }
    const page = await inStore(`s3://${bucket}`, () => storage.listObjects(request))
    yield* page.objects
    continuationToken = page.next
  } while (continuationToken !== undefined)
}

/** The bucket that was named, or with an empty name all that clients have. */
export async function bucketsIn(
  storage: Storage,
  named: string,
  systemBucket: string,
): Promise<readonly string[]> {
  if (named !== '') return [named]
  const buckets = await inStore('s3://', () => storage.listBuckets())
  return buckets.map(({ name }) => name).filter((name) => name !== systemBucket)
}

function nameInStore({ bucket, key, versionId }: ObjectVersionName): string {
  return `s3://${bucket}/${shown(key)}${versionId === undefined ? '' : ` (version ${shown(versionId)})`}`
}

/** Ranges of a larger object, pinned to the version that the first call saw. */
function ranged(
  storage: Storage,
  name: ObjectVersionName,
  label: string,
  object: StoredObject,
): StoredSource {
  const read = (start: number, end: number) =>
    inStore(label, async () => {
      const answer = await storage.getObject({ ...name, range: { start, end }, ifMatch: object.etag })
      if (answer.start === start && answer.end === end && answer.object.size === object.size)
        return answer.body
      answer.body.destroy()
      throw new RecoveryError('store', `${label}: the store answered another range than was asked.`)
    })
  return { ...described(label, object), read }
}

function whole(label: string, object: StoredObject, bytes: Buffer): StoredSource {
  return { ...described(label, object), read: async (start, end) => bytesOf(bytes.subarray(start, end + 1)) }
}

async function wholeBody(label: string, answer: GetObjectResult): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of limited(answer.body, answer.object.size)) {
    size += chunk.length
    chunks.push(chunk)
  }
  if (size !== answer.object.size)
    throw new RecoveryError('length', `${label}: the store gave ${size} of ${answer.object.size} bytes.`)
  return Buffer.concat(chunks, size)
}

async function* limited(body: ObjectBody, limit: number): AsyncGenerator<Uint8Array> {
  let size = 0
  try {
    for await (const chunk of body) {
      size += chunk.length
      if (size > limit) return
      yield chunk
    }
  } finally {
    body.destroy()
  }
}

function bytesOf(bytes: Buffer): SealedBytes {
  async function* one(): AsyncGenerator<Buffer> {
    yield bytes
  }
  const body = one()
  return { [Symbol.asyncIterator]: () => body, destroy: () => undefined }
}

function described(label: string, object: StoredObject) {
  const { headers, metadata, size, lastModified } = object
  const envelope = metadata[ENVELOPE_METADATA_NAME]
  if (envelope === undefined)
    throw new RecoveryError(
      'not-encrypted',
      `${label}: has no envelope (the metadata entry ${ENVELOPE_METADATA_NAME}), so it was not written through Sealgate${plainSize(size) === null ? '' : ', or its metadata were lost'}. Take it from the store as it is, if it is yours.`,
    )
  return { name: label, envelope, attributes: [{ headers, metadata }], size, lastModified }
}

/** What the store refuses, in words for the one who recovers. */
async function inStore<T>(label: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw isError(error) ? storeError(label, error) : error
  }
}

const OLDER_VERSION = 'An older version may be there: name it by --version-id'

/** Some stores say that the key was there, and is hidden. */
function hidden({ headers }: SealgateError): string {
  return headers['x-amz-delete-marker'] === 'true' ? `, as it was deleted. ${OLDER_VERSION}` : ''
}

function storeError(label: string, error: SealgateError): RecoveryError {
  const { kind, reason, message } = error
  const cause = { cause: error }
  switch (kind) {
    case 'NoSuchKey':
      return new RecoveryError('gone', `${label}: the store has no such object${hidden(error)}.`, cause)
    case 'NoSuchVersion':
      return new RecoveryError('gone', `${label}: the store has no such version of it.`, cause)
    case 'NoSuchBucket':
      return new RecoveryError('gone', `${label}: the store has no such bucket.`, cause)
    case 'ObjectIntegrityError':
      return new RecoveryError(
        'length',
        `${label}: the store does not have all of its bytes (${reason}).`,
        cause,
      )
    case 'MethodNotAllowed':
      return new RecoveryError('gone', `${label}: is a delete marker. ${OLDER_VERSION}.`, cause)
    default:
      if (kind === 'InvalidArgument' && error.details['ArgumentName'] === 'versionId')
        return new RecoveryError('gone', `${label}: the store gives no versions such ids.`, cause)
      if (kind === 'PreconditionFailed' && reason === OVERWRITTEN)
        return new RecoveryError('store', `${label}: was overwritten while it was read. Run again.`, {
          ...cause,
          passing: true,
        })
      return new RecoveryError(
        'store',
        `${label}: the store does not give it (${reason ?? `${kind}: ${message}`}).`,
        {
          ...cause,
          passing: ['SlowDown', 'ServiceUnavailable', 'InternalError'].includes(kind),
        },
      )
  }
}
