import { createHash } from 'node:crypto'
import { setImmediate as turnOfOthers } from 'node:timers/promises'
import type { ChecksumAlgorithm } from '../base/checksum-algorithm.ts'
import {
  type Envelope,
  integrityError,
  ObjectKey,
  openPartRecord,
  openUploadState,
  type PartRecord,
  parseEnvelope,
  readUploadStateEnvelope,
  sealPartRecord,
  sealUploadState,
} from '../envelope/index.ts'
import { isError, SealgateError } from '../errors.ts'
import type { ChecksumType } from './checksum.ts'
import type { EncryptionAnswer } from './encryption.ts'
import type { Gateway } from './gateway.ts'
import { NO_METADATA, openObjectKey, sealUnderDataKey } from './object-envelope.ts'
import { deleteSystemObjects, putSystemObject, readSystemObject, systemObjects } from './system-bucket.ts'
import type { UploadInit } from './upload-key-cache.ts'
import { uploadNames } from './upload-names.ts'

/*
 * The state of uploads under way, kept in the system bucket so that any replica can go on with any upload:
 *   v1/mpu/<bucket>/<uid>/init              sealed: how the upload began
 *   v1/mpu/<bucket>/<uid>/p/<NNNNN>.<record>  one for each uploaded part; its name is the sealed record
 *   v1/mpu/<bucket>/<uid>/s/<NNNNN>.<salt>    the sealed bytes of a part that waits for the footer
 *   v1/mpu/<bucket>/<uid>/done              sealed: how the upload ended, for a Complete that is sent again
 */

export interface UploadName {
  readonly bucket: string
  readonly key: string
  readonly uploadId: string
}

/** How an upload ended. */
export interface UploadDone {
  readonly etag: string
  readonly lastModified: number
  /** Where the object is one version of its key. */
  readonly versionId?: string | undefined
  readonly encryption: EncryptionAnswer
  readonly checksums: readonly {
    algorithm: ChecksumAlgorithm
    type: ChecksumType
    value: string
    parts?: number | undefined
  }[]
}

const STATE_BYTES = 16 * 1024

export const UPLOADS_PREFIX = 'v1/mpu/'

/** Where the state of an upload lies. The id is hashed, as those of stores differ in length and alphabet: 26 characters of base32 of its SHA-256. */
export function uploadPrefix(upload: Pick<UploadName, 'bucket' | 'uploadId'>): string {
  const id = base32(createHash('sha256').update(upload.uploadId).digest()).slice(0, 26)
  return `${UPLOADS_PREFIX}${upload.bucket}/${id}/`
}

export async function writeInit(gateway: Gateway, upload: UploadName, init: UploadInit): Promise<void> {
  const { envelope, encryption, checksumAlgorithm, checksumType, marks } = init
  const payload: InitPayload = { envelope, encryption, checksumAlgorithm, checksumType, marks }
  const bytes = sealUploadState(
    init.objectKey,
    reference(gateway, upload),
    'init',
    json(payload),
    init.stateEnvelope,
  )
  await putSystemObject(
    gateway,
    `${uploadPrefix(upload)}init`,
    bytes,
    undefined,
    uploadNames(gateway, upload),
  )
  gateway.uploads.set(cacheKey(upload), init)
}

type InitPayload = Pick<
  UploadInit,
  'envelope' | 'encryption' | 'checksumAlgorithm' | 'checksumType' | 'marks'
>

/** NoSuchUpload if no such upload is under way for this key. */
export async function readInit(gateway: Gateway, upload: UploadName): Promise<UploadInit> {
  const known = gateway.uploads.get(cacheKey(upload))
  if (known !== undefined) return known
  const state = await readState(gateway, upload, 'init')
  if (state === null) {
    // Of a bucket that is not there, that is what is said.
    await gateway.storage.headBucket(upload.bucket)
    throw new SealgateError('NoSuchUpload', undefined, { details: { UploadId: upload.uploadId } })
  }
  const { objectKey, stateEnvelope, dekId } = state
  const init: UploadInit = {
    ...(JSON.parse(state.payload.toString()) as InitPayload),
    objectKey,
    stateEnvelope,
    dekId,
  }
  gateway.uploads.set(cacheKey(upload), init)
  return init
}

/** NoSuchUpload if the store knows of no such upload any more: another replica may have ended one whose key is cached here. */
export async function requireUpload(gateway: Gateway, upload: UploadName): Promise<void> {
  await gateway.storage.listParts({ ...upload, partNumberMarker: 0, maxParts: 1 })
}

export async function writeDone(gateway: Gateway, upload: UploadName, done: UploadDone): Promise<void> {
  // Under a key of its own: it outlives the upload, and must not hold the key of an object that is under a customer's key.
  const doneKey = ObjectKey.generate()
  try {
    const { bucket, key } = upload
    const fields = { bucket, key, kind: 'multipart', plainSize: null, metadataHash: NO_METADATA } as const
    const { envelope } = await sealUnderDataKey(gateway, { ...fields, objectKey: doneKey }, 0)
    const bytes = sealUploadState(doneKey, reference(gateway, upload), 'done', json(done), envelope)
    await putSystemObject(gateway, `${uploadPrefix(upload)}done`, bytes)
  } finally {
    doneKey.destroy()
  }
}

export async function readDone(gateway: Gateway, upload: UploadName): Promise<UploadDone | null> {
  const state = await readState(gateway, upload, 'done')
  return state === null ? null : (JSON.parse(state.payload.toString()) as UploadDone)
}

export interface FoundPart {
  readonly record: PartRecord
  /** Name of the marker in the system bucket. */
  readonly marker: string
}

/** Records a part that the store (or the stash) holds. For an inline part the body is its sealed bytes. */
export async function writePart(
  gateway: Gateway,
  upload: UploadName,
  init: UploadInit,
  record: PartRecord,
  inline?: Buffer,
): Promise<void> {
  const name = sealPartRecord(init.objectKey, reference(gateway, upload), record)
  await putSystemObject(
    gateway,
    `${uploadPrefix(upload)}p/${String(record.partNumber).padStart(5, '0')}.${name}`,
    inline ?? Buffer.alloc(0),
  )
}

/** Every record of an upload, by number and then by time. */
export async function listRecords(
  gateway: Gateway,
  upload: UploadName,
  init: UploadInit,
): Promise<readonly FoundPart[]> {
  const found: FoundPart[] = []
  for await (const part of records(gateway, upload, init, 0)) found.push(part)
  return found.sort((a, b) => a.record.partNumber - b.record.partNumber || a.record.time - b.record.time)
}

/** How many records are opened before others have their turn: some milliseconds' worth. */
const RECORDS_AT_A_TIME = 50

/** The records of an upload behind a number, opened and checked, by number; one LIST for 1000. */
export async function* records(
  gateway: Gateway,
  upload: UploadName,
  init: UploadInit,
  after: number,
): AsyncGenerator<FoundPart> {
  const prefix = `${uploadPrefix(upload)}p/`
  let opened = 0
  const startAfter = after === 0 ? '' : `${prefix}${String(after).padStart(5, '0')}/`
  for await (const { key: marker } of systemObjects(gateway, prefix, startAfter)) {
    const name = marker.slice(prefix.length)
    const record = openPartRecord(init.objectKey, reference(gateway, upload), name.slice(6))
    if (record.partNumber !== Number(name.slice(0, 5)))
      throw integrityError('part record under another number')
    yield { record, marker }
    if (++opened % RECORDS_AT_A_TIME === 0) await turnOfOthers()
  }
}

export function stashKey(upload: UploadName, part: Pick<PartRecord, 'partNumber' | 'salt'>): string {
  return `${uploadPrefix(upload)}s/${String(part.partNumber).padStart(5, '0')}.${part.salt.toString('base64url')}`
}

/** Removes what an upload left; `done` stays for Completes that are sent again, until the collector drops it. */
export async function removeState(gateway: Gateway, upload: UploadName): Promise<void> {
  gateway.uploads.delete(cacheKey(upload))
  const prefix = uploadPrefix(upload)
  gateway.uploadNames.set(prefix, { upload: null })
  const keys: string[] = []
  for await (const { key } of systemObjects(gateway, prefix)) if (key !== `${prefix}done`) keys.push(key)
  await deleteSystemObjects(gateway, keys)
}

async function readState(gateway: Gateway, upload: UploadName, type: 'init' | 'done') {
  const bytes = await readSystemObject(gateway, `${uploadPrefix(upload)}${type}`, STATE_BYTES)
  if (bytes === null) return null
  const text = readUploadStateEnvelope(bytes)
  const envelope = parseEnvelope(text)
  if (envelope.keySource !== 'dek') throw integrityError('upload state under a customer key')
  const objectKey = await openForUpload(gateway, upload, envelope)
  const payload = openUploadState(objectKey, reference(gateway, upload), type, bytes)
  return { objectKey, stateEnvelope: text, dekId: envelope.dekId, payload }
}

/** An upload id used with another key than its own does not open; to the client that is an upload that is not there. */
async function openForUpload(gateway: Gateway, upload: UploadName, envelope: Envelope): Promise<ObjectKey> {
  try {
    return (await openObjectKey(gateway, upload, envelope, undefined)).objectKey
  } catch (error) {
    if (!isError(error, 'ObjectIntegrityError')) throw error
    throw new SealgateError('NoSuchUpload', undefined, {
      cause: error,
      details: { UploadId: upload.uploadId },
    })
  }
}

function reference(gateway: Gateway, upload: UploadName) {
  return { realm: gateway.realm, bucket: upload.bucket, key: upload.key, uploadId: upload.uploadId }
}

function cacheKey(upload: UploadName): string {
  return JSON.stringify([upload.bucket, upload.key, upload.uploadId])
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** RFC 4648 section 6, lower case, without padding. */
function base32(bytes: Buffer): string {
  let bits = 0n
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte)
  const digits: string[] = []
  for (let shift = BigInt(bytes.length * 8 - 5); shift >= 0n; shift -= 5n) {
    digits.push('abcdefghijklmnopqrstuvwxyz234567'.charAt(Number((bits >> shift) & 31n)))
  }
  return digits.join('')
}
