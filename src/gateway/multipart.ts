import { randomBytes } from 'node:crypto'
import type { ChecksumAlgorithm } from '../base/checksum-algorithm.ts'
import {
  MAX_PARTS,
  MIN_PART_SIZE,
  maxPlainSize,
  ObjectKey,
  type PartRecord,
  sealEnvelope,
  sealPart,
  segmentsSize,
} from '../envelope/index.ts'
import { isError, SealgateError } from '../errors.ts'
import type {
  ListMultipartUploadsRequest,
  ListMultipartUploadsResult,
  StorageClass,
} from '../storage/storage.ts'
import { type ClientAttributes, checkedAttributes, hashOf, withEnvelope } from './attributes.ts'
import { type ChecksumType, fullObjectChecksums, type ObjectChecksum } from './checksum.ts'
import { checkEncryptionRequest, type EncryptionAnswer, type EncryptionRequest } from './encryption.ts'
import type { Gateway } from './gateway.ts'
import { checkBucket } from './names.ts'
import type { PlainBody } from './plain-body.ts'
import {
  listRecords,
  readInit,
  removeState,
  stashKey,
  type UploadInit,
  type UploadName,
  writeInit,
  writePart,
} from './upload-state.ts'
import { withChecksum } from './with-checksum.ts'

export interface CreateMultipartUploadInput {
  readonly bucket: string
  readonly key: string
  readonly attributes: ClientAttributes
  readonly encryption?: EncryptionRequest | undefined
  readonly checksumAlgorithm: ChecksumAlgorithm | null
  readonly checksumType: ChecksumType | null
}

export interface CreateMultipartUploadOutput extends EncryptionAnswer {
  readonly uploadId: string
  readonly checksumAlgorithm: ChecksumAlgorithm | null
  readonly checksumType: ChecksumType | null
}

/** CRC64NVME can only be of the full object, SHA-1 and SHA-256 only of the parts (S3 User Guide, "Checking object integrity"). */
export function resolveChecksumType(
  algorithm: ChecksumAlgorithm | null,
  asked: ChecksumType | null,
): ChecksumType | null {
  if (algorithm === null) {
    if (asked !== null)
      throw new SealgateError(
        'InvalidRequest',
        'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
      )
    return null
  }
  const isSha = algorithm === 'SHA1' || algorithm === 'SHA256'
  if ((isSha && asked === 'FULL_OBJECT') || (algorithm === 'CRC64NVME' && asked === 'COMPOSITE')) {
    throw new SealgateError(
      'InvalidRequest',
      `The ${asked} checksum type cannot be used with the ${algorithm} checksum algorithm.`,
    )
  }
  return asked ?? (algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE')
}

export async function createMultipartUpload(
  gateway: Gateway,
  input: CreateMultipartUploadInput,
): Promise<CreateMultipartUploadOutput> {
  const { bucket, key, checksumAlgorithm } = input
  checkBucket(gateway, bucket)
  checkEncryptionRequest(gateway, bucket, input.encryption)
  const checksumType = resolveChecksumType(checksumAlgorithm, input.checksumType)
  const attributes = checkedAttributes(input.attributes)
  const dek = await gateway.keys.encrypting(bucket, 0)
  const objectKey = ObjectKey.generate()
  const binding = { realm: gateway.realm, bucket, key }
  const envelope = sealEnvelope({
    dek,
    objectKey,
    kind: 'multipart',
    plainSize: null,
    metadataHash: hashOf(attributes),
    binding,
  })
  const stored = withEnvelope(attributes, envelope, gateway.storage.limits)
  const { uploadId } = await gateway.storage.createMultipartUpload({ bucket, key, ...stored })
  const upload = { bucket, key, uploadId }
  try {
    await writeInit(gateway, upload, {
      objectKey,
      envelope,
      cmkId: dek.cmkId,
      checksumAlgorithm,
      checksumType,
    })
  } catch (error) {
    await gateway.storage
      .abortMultipartUpload(upload)
      .catch((cause: unknown) => gateway.warn('an upload without state is left', cause))
    throw error
  }
  return { uploadId, checksumAlgorithm, checksumType, cmkId: dek.cmkId }
}

export interface UploadPartInput extends UploadName {
  readonly partNumber: number
  readonly body: PlainBody
  readonly signal?: AbortSignal | undefined
}

export interface UploadPartOutput extends EncryptionAnswer {
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
  const body = withChecksum(input.body, init.checksumAlgorithm)
  const salt = randomBytes(32)
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
  return {
    etag: place.etag,
    lastModified: record.time,
    checksums: fullObjectChecksums(body),
    cmkId: init.cmkId,
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

interface SealedPart {
  readonly partNumber: number
  readonly salt: Buffer
  readonly size: number
  readonly sealed: AsyncIterable<Buffer>
  readonly signal: AbortSignal | undefined
}

/**
 * A part goes to the store as a part, with two exceptions that wait in the system bucket for Complete, which puts the footer
 * behind them: one under 5 MiB (it can only be the last), and part 10000 (behind it there is no number for the footer).
 */
async function storePart(
  gateway: Gateway,
  upload: UploadName,
  part: SealedPart,
): Promise<{ location: PartRecord['location']; etag: string; inline?: Buffer }> {
  const size = segmentsSize(part.size)
  if (part.size < MIN_PART_SIZE) {
    const chunks: Buffer[] = []
    for await (const chunk of part.sealed) chunks.push(Buffer.from(chunk))
    await requireUpload(gateway, upload)
    return { location: 'inline', etag: randomBytes(16).toString('hex'), inline: Buffer.concat(chunks) }
  }
  if (part.partNumber === MAX_PARTS) {
    const name = { partNumber: part.partNumber, salt: part.salt } as PartRecord
    const { etag } = await gateway.storage.putObject({
      bucket: gateway.systemBucket,
      key: stashKey(upload, name),
      headers: { 'content-type': 'application/octet-stream' },
      metadata: {},
      storageClass: 'STANDARD',
      size,
      body: part.sealed,
      signal: part.signal,
    })
    return { location: 'stash', etag }
  }
  const { etag } = await gateway.storage.uploadPart({
    ...upload,
    partNumber: part.partNumber,
    size,
    body: part.sealed,
    signal: part.signal,
  })
  return { location: 'part', etag }
}

/** What is not sent to the store as a part would not notice that the upload is gone (the key may be cached). */
async function requireUpload(gateway: Gateway, upload: UploadName): Promise<void> {
  await gateway.storage.listParts({ ...upload, partNumberMarker: 0, maxParts: 1 })
}

export async function abortMultipartUpload(gateway: Gateway, upload: UploadName): Promise<void> {
  checkBucket(gateway, upload.bucket)
  await readInit(gateway, upload)
  await gateway.storage.abortMultipartUpload(upload)
  await removeState(gateway, upload)
}

export interface ListPartsInput extends UploadName {
  readonly partNumberMarker: number
  readonly maxParts: number
}

export interface ListPartsOutput {
  readonly parts: readonly PartRecord[]
  readonly isTruncated: boolean
  readonly storageClass: StorageClass
  readonly checksumAlgorithm: ChecksumAlgorithm | null
  readonly checksumType: ChecksumType | null
}

/** The store says which upload of a number stands; the records say what it holds. */
export async function listParts(gateway: Gateway, input: ListPartsInput): Promise<ListPartsOutput> {
  checkBucket(gateway, input.bucket)
  const upload = { bucket: input.bucket, key: input.key, uploadId: input.uploadId }
  const init = await readInit(gateway, upload)
  const first = await gateway.storage.listParts({
    ...upload,
    partNumberMarker: input.partNumberMarker,
    maxParts: 1000,
  })
  const standing = new Set(first.parts.map((part) => `${part.partNumber} ${part.etag}`))
  let page = first
  while (page.isTruncated && standing.size <= input.maxParts) {
    const marker = page.parts.at(-1)?.partNumber ?? MAX_PARTS
    page = await gateway.storage.listParts({ ...upload, partNumberMarker: marker, maxParts: 1000 })
    for (const part of page.parts) standing.add(`${part.partNumber} ${part.etag}`)
  }
  const latest = new Map<number, PartRecord>()
  for (const { record } of await listRecords(gateway, upload, init, input.partNumberMarker)) {
    if (record.location !== 'part' || standing.has(`${record.partNumber} ${record.etag}`))
      latest.set(record.partNumber, record)
  }
  const parts = [...latest.values()].filter((record) => record.partNumber > input.partNumberMarker)
  return {
    parts: parts.slice(0, input.maxParts),
    isTruncated: parts.length > input.maxParts,
    storageClass: first.storageClass,
    checksumAlgorithm: init.checksumAlgorithm,
    checksumType: init.checksumType,
  }
}

export async function listMultipartUploads(
  gateway: Gateway,
  request: ListMultipartUploadsRequest,
): Promise<ListMultipartUploadsResult> {
  checkBucket(gateway, request.bucket)
  return gateway.storage.listMultipartUploads(request)
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

/** True for what the store says of an upload that is not, or no longer, under way. */
export function isGone(error: unknown): boolean {
  return isError(error, 'NoSuchUpload', 'InvalidPart')
}

export type { UploadInit, UploadName }
