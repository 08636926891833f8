import { createHash, timingSafeEqual } from 'node:crypto'
import {
  ENVELOPE_METADATA_NAME,
  type Envelope,
  type Footer,
  integrityError,
  MAX_SEALED_FOOTER,
  type ObjectKey,
  openFooter,
  parseEnvelope,
  plainSize,
} from '../envelope/index.ts'
import { isError, SealgateError } from '../errors.ts'
import {
  type ByteRange,
  type GetObjectResult,
  type ObjectBody,
  OVERWRITTEN,
  type StoredObject,
} from '../storage/storage.ts'
import { hashOf } from './attributes.ts'
import type { CustomerKey, EncryptionAnswer } from './encryption.ts'
import type { Gateway } from './gateway.ts'
import { openObjectKey } from './object-envelope.ts'
import { ofPinned, pinnedVersion } from './object-version.ts'

/** What is told of an object of either kind. */
export interface FoundObject {
  readonly bucket: string
  readonly key: string
  readonly stored: StoredObject
  /** By which later calls to the store ask for it; see pinnedVersion. */
  readonly version: string | undefined
  readonly encryption: EncryptionAnswer
  /** Plaintext bytes. For a multipart object this is what the stored length says; the footer confirms it. */
  readonly size: number
}

/** An object whose envelope has been opened and checked: name, deployment, metadata and size are authentic. */
export interface OpenedObject extends FoundObject {
  readonly envelope: Envelope
  readonly objectKey: ObjectKey
}

/** Which object, and the customer's key if the client sent one. */
export interface ObjectRequest {
  readonly bucket: string
  readonly key: string
  /** The newest if none is asked for. */
  readonly versionId?: string | undefined
  readonly customerKey?: CustomerKey | undefined
  readonly signal?: AbortSignal | undefined
}

/** Opens the envelope of what the store answered; every check that needs no body is made here. */
export async function openObject(
  gateway: Gateway,
  { bucket, key, versionId, customerKey }: ObjectRequest,
  stored: StoredObject,
): Promise<OpenedObject> {
  const { envelope, size } = readEnvelope(stored)
  const opened = await openObjectKey(gateway, { bucket, key }, envelope, customerKey)
  return { bucket, key, stored, version: pinnedVersion(versionId, stored), envelope, size, ...opened }
}

/** What the envelope says of itself agrees with what the store says; it is not opened yet. */
export function readEnvelope(stored: StoredObject): Pick<OpenedObject, 'envelope' | 'size'> {
  const text = stored.metadata[ENVELOPE_METADATA_NAME]
  if (text === undefined) throw notSealed()
  const envelope = parseEnvelope(text)
  if (!timingSafeEqual(envelope.metadataHash, hashOf(stored)))
    throw integrityError('metadata differs from what the envelope binds')
  const size = plainSize(stored.size)
  if (size === null) throw integrityError('stored length is none that a sealed object has')
  if (envelope.kind === 'single' && envelope.plainSize !== size)
    throw integrityError('stored length differs from the envelope')
  return { envelope, size }
}

/** Whoever does not understand a code tries again for minutes; that access is denied, every client knows for final. */
function notSealed(): SealgateError {
  return new SealgateError(
    'AccessDenied',
    'The stored object was not written through this gateway: it has no envelope, so nothing about it can be verified. Put or copy it in through the gateway, or have the operator set plaintext: read for the bucket.',
    { reason: 'plaintext: the stored object has no envelope' },
  )
}

/** Enough for the footer of an object of 816 parts. */
const SUFFIX_BYTES = 65536
/** A footer of a single PUT has no part table. */
const SINGLE_SUFFIX_BYTES = 256

/**
 * Reads and checks the footer: one call to the store for up to 816 parts, pinned to the ETag that was opened.
 * The store's answer is PreconditionFailed if the object was overwritten in between; see `retryOverwritten`.
 */
export async function readFooter(
  gateway: Gateway,
  object: OpenedObject,
  signal?: AbortSignal,
): Promise<Footer> {
  const id = footerId(object)
  const known = gateway.footers.get(id)
  if (known !== undefined) return known
  let want = object.envelope.kind === 'single' ? SINGLE_SUFFIX_BYTES : SUFFIX_BYTES
  for (;;) {
    const tail = await readSuffix(gateway, object, Math.min(want, object.stored.size), signal)
    const opened = openFooter(object.objectKey, tail, object.stored.size)
    if ('footer' in opened) return trustFooter(gateway, object, opened.footer)
    if (opened.need <= want || opened.need > MAX_SEALED_FOOTER) throw integrityError('footer length')
    want = opened.need
  }
}

/** The same for a caller who holds the object's last bytes already. */
export function checkFooter(gateway: Gateway, object: OpenedObject, tail: Buffer): Footer | null {
  const opened = openFooter(object.objectKey, tail, object.stored.size)
  return 'footer' in opened ? trustFooter(gateway, object, opened.footer) : null
}

/** Sizes and parts were checked against the stored length as it was opened; what is left is the envelope's kind. */
function trustFooter(gateway: Gateway, object: OpenedObject, footer: Footer): Footer {
  const single = object.envelope.kind === 'single'
  if (single !== (footer.parts.length === 0)) throw integrityError('footer kind')
  gateway.footers.set(footerId(object), footer)
  return footer
}

function footerId(object: OpenedObject): string {
  return createHash('sha256')
    .update(object.stored.metadata[ENVELOPE_METADATA_NAME] ?? '')
    .update(`\0${object.stored.size}\0${object.bucket}\0${object.key}`)
    .digest('base64')
}

async function readSuffix(
  gateway: Gateway,
  object: OpenedObject,
  bytes: number,
  signal?: AbortSignal,
): Promise<Buffer> {
  const answer = await readAgain(gateway, object, { suffix: bytes }, signal)
  const tail = await readWhole(answer.body, bytes)
  if (answer.object.size !== object.stored.size || tail.length !== bytes)
    throw integrityError('suffix shorter than asked')
  return tail
}

/** Of which version an earlier answer was. */
export type AnsweredObject = Pick<FoundObject, 'bucket' | 'key' | 'version' | 'stored'>

/** A later call for what an earlier one answered: for that version, and pinned to its ETag; see `retryOverwritten`. */
export function readAgain(
  { storage }: Gateway,
  { bucket, key, version, stored }: AnsweredObject,
  range: ByteRange,
  signal: AbortSignal | undefined,
): Promise<GetObjectResult> {
  return ofPinned(storage.getObject({ bucket, key, versionId: version, range, ifMatch: stored.etag, signal }))
}

/** Collects a body that must not be longer than `limit` bytes. */
export async function readWhole(body: ObjectBody, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > limit) {
      body.destroy()
      throw integrityError('body longer than its length')
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

/**
 * A second call to the store can meet another object: its If-Match then fails, and the whole operation starts again on what
 * is there now.
 */
export async function retryOverwritten<T>(operation: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await operation()
    } catch (error) {
      if (!isError(error, 'PreconditionFailed') || error.reason !== OVERWRITTEN) throw error
      if (attempt === 3)
        throw new SealgateError('SlowDown', undefined, { cause: error, headers: { 'retry-after': '1' } })
    }
  }
}
