import { randomBytes } from 'node:crypto'
import {
  isCustomerKeyOf,
  MAX_PARTS,
  MIN_PART_SIZE,
  maxPlainSize,
  type PartRecord,
  parseEnvelope,
  SALT_SIZE,
  sealPart,
  segmentsSize,
} from '../envelope/index.ts'
import { SealgateError } from '../errors.ts'
import { fullObjectChecksums, type ObjectChecksum } from './checksum.ts'
import type { CustomerKey, EncryptionAnswer } from './encryption.ts'
import type { Gateway } from './gateway.ts'
import { checkBucket } from './names.ts'
import type { PlainBody } from './plain-body.ts'
import { deleteSystemObjects } from './system-bucket.ts'
import type { UploadInit } from './upload-key-cache.ts'
import { readInit, requireUpload, stashKey, type UploadName, writePart } from './upload-state.ts'
import { withChecksum } from './with-checksum.ts'

export interface UploadPartInput extends UploadName {
  readonly partNumber: number
  readonly body: PlainBody
  /** The one that the upload was begun with, if it was. */
  readonly customerKey?: CustomerKey | undefined
  readonly signal?: AbortSignal | undefined
}

export interface UploadPartOutput {
  readonly encryption: EncryptionAnswer
  readonly etag: string
  readonly lastModified: number
  readonly checksums: readonly ObjectChecksum[]
}

export async function uploadPart(gateway: Gateway, input: UploadPartInput): Promise<UploadPartOutput> {
  const { bucket, key, uploadId, partNumber } = input
  checkBucket(gateway, bucket)
  checkPartNumber(partNumber)
  checkPartSize(gateway, input.body.size)
  const upload = { bucket, key, uploadId }
  const init = await readInit(gateway, upload)
  checkAlgorithm(init, input.body)
  checkCustomerKey(init, input.customerKey)
  const body = withChecksum(input.body, init.checksumAlgorithm)
  const salt = randomBytes(SALT_SIZE)
  const sealed = sealPart({ objectKey: init.objectKey, partNumber, salt, size: body.size, body })
  const place = await storePart(gateway, upload, {
    partNumber,
    salt,
    size: body.size,
    sealed,
    signal: input.signal,
  })
  const [checksum] = body.checksums()
  const record: PartRecord = {
    partNumber,
    time: gateway.now(),
    size: body.size,
    location: place.location,
    checksumAlgorithm: checksum?.algorithm ?? null,
    checksum: checksum?.value ?? Buffer.alloc(0),
    etag: place.etag,
    salt,
  }
  await writePart(gateway, upload, init, record, place.inline)
  gateway.keys.count(bucket, init.dekId, body.size)
  return {
    etag: place.etag,
    lastModified: record.time,
    checksums: fullObjectChecksums(body),
    encryption: init.encryption,
  }
}

/** All parts of an upload have the checksum that it was begun with. */
function checkAlgorithm(init: UploadInit, body: PlainBody): void {
  if (init.checksumAlgorithm === null || body.announced === null || body.announced === init.checksumAlgorithm)
    return
  throw new SealgateError(
    'InvalidRequest',
    `Checksum Type mismatch occurred, expected checksum Type: ${init.checksumAlgorithm.toLowerCase()}, actual checksum Type: ${body.announced.toLowerCase()}`,
  )
}

/** With each part comes the key that its upload was begun with (S3 API, UploadPart). */
function checkCustomerKey(init: UploadInit, customerKey: CustomerKey | undefined): void {
  const envelope = parseEnvelope(init.envelope)
  if (envelope.keySource !== 'customer') {
    if (customerKey === undefined) return
    throw new SealgateError(
      'InvalidRequest',
      'The upload was not begun with a customer key; send its parts without one.',
    )
  }
  if (customerKey === undefined)
    throw new SealgateError(
      'InvalidRequest',
      'The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.',
    )
  if (!isCustomerKeyOf(envelope, customerKey.key))
    throw new SealgateError(
      'InvalidRequest',
      'The provided encryption parameters did not match the ones used originally.',
    )
}

interface SealedPart {
  readonly partNumber: number
  readonly salt: Buffer
  readonly size: number
  readonly sealed: AsyncIterable<Buffer>
  readonly signal: AbortSignal | undefined
}

/** Up to this size a part that waits is held in memory and lies in its own record: one call. */
const MAX_INLINE_BYTES = 64 * 1024

/**
 * A part goes to the store as a part, with two exceptions that wait in the system bucket for Complete, which puts the footer
 * behind them: one under 5 MiB (it can only be the last), and part 10000 (behind it there is no number for the footer). For
 * these the store is asked whether the upload is still there, as it would say for a part.
 */
async function storePart(
  gateway: Gateway,
  upload: UploadName,
  part: SealedPart,
): Promise<{ location: PartRecord['location']; etag: string; inline?: Buffer }> {
  if (part.size <= MAX_INLINE_BYTES) {
    const chunks: Buffer[] = []
    for await (const chunk of part.sealed) chunks.push(Buffer.from(chunk))
    await requireUpload(gateway, upload)
    return { location: 'inline', etag: randomBytes(16).toString('hex'), inline: Buffer.concat(chunks) }
  }
  if (part.size < MIN_PART_SIZE || part.partNumber === MAX_PARTS) {
    return { location: 'stash', etag: await stash(gateway, upload, part) }
  }
  const { etag } = await gateway.storage.uploadPart({
    ...upload,
    partNumber: part.partNumber,
    size: segmentsSize(part.size),
    body: part.sealed,
    signal: part.signal,
  })
  return { location: 'part', etag }
}

/** Puts a part beside its record, and takes it away again if the upload ended meanwhile. */
async function stash(gateway: Gateway, upload: UploadName, part: SealedPart): Promise<string> {
  const key = stashKey(upload, part)
  const { etag } = await gateway.storage.putObject({
    bucket: gateway.systemBucket,
    key,
    headers: { 'content-type': 'application/octet-stream' },
    metadata: {},
    storageClass: 'STANDARD',
    size: segmentsSize(part.size),
    body: part.sealed,
    signal: part.signal,
  })
  try {
    await requireUpload(gateway, upload)
  } catch (error) {
    await deleteSystemObjects(gateway, [key]).catch((cause: unknown) =>
      gateway.warn('a part of an upload that is over is left behind', cause),
    )
    throw error
  }
  return etag
}

function checkPartNumber(partNumber: number): void {
  if (!Number.isInteger(partNumber) || partNumber < 1 || partNumber > MAX_PARTS) {
    throw new SealgateError(
      'InvalidArgument',
      `Part number must be an integer between 1 and ${MAX_PARTS}, inclusive`,
      {
        details: { ArgumentName: 'partNumber', ArgumentValue: String(partNumber) },
      },
    )
  }
}

function checkPartSize(gateway: Gateway, size: number): void {
  // maxPlainSize allows for a footer, which is also what part 10000 needs room for.
  const limit = maxPlainSize(gateway.storage.limits.maxPartBytes)
  if (size > limit) {
    throw new SealgateError(
      'EntityTooLarge',
      `Your proposed part exceeds the maximum size of a part (${limit} bytes).`,
      {
        details: { ProposedSize: String(size), MaxSizeAllowed: String(limit) },
      },
    )
  }
}
