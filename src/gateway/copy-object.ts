import type { ChecksumAlgorithm } from '../base/checksum-algorithm.ts'
import { type Footer, sealEnvelope } from '../envelope/index.ts'
import { SealgateError } from '../errors.ts'
import type { StorageClass, WriteCondition } from '../storage/storage.ts'
import {
  type ClientAttributes,
  checkedAttributes,
  clientAttributes,
  hashOf,
  withEnvelope,
} from './attributes.ts'
import { checksumsOf, type ObjectChecksum } from './checksum.ts'
import { checkCopyConditions, type ReadConditions } from './conditions.ts'
import { checkEncryptionRequest, type EncryptionAnswer, type EncryptionRequest } from './encryption.ts'
import { toClientEtag } from './etag.ts'
import type { Gateway } from './gateway.ts'
import { type UploadPartOutput, uploadPart } from './multipart.ts'
import { checkBucket } from './names.ts'
import { headAndOpen, type OpenedObject, readFooter, retryOverwritten } from './open-object.ts'
import type { PlainBody } from './plain-body.ts'
import { putObject } from './put-object.ts'
import { type RangeRequest, resolveRange } from './range.ts'
import { readPlain } from './read-plain.ts'
import type { UploadName } from './upload-state.ts'
import { withChecksum } from './with-checksum.ts'

export interface CopySource {
  readonly bucket: string
  readonly key: string
  readonly conditions: ReadConditions
}

export interface CopyObjectInput {
  readonly bucket: string
  readonly key: string
  readonly source: CopySource
  /** What REPLACE puts in place of the source's; null is COPY. */
  readonly replace: ClientAttributes | null
  readonly storageClass: StorageClass | undefined
  /** The copy is to have this checksum; one that the source lacks is computed, which means reading it. */
  readonly checksumAlgorithm: ChecksumAlgorithm | null
  readonly encryption?: EncryptionRequest | undefined
  readonly condition?: WriteCondition | undefined
  readonly signal?: AbortSignal | undefined
}

export interface CopyOutput extends EncryptionAnswer {
  readonly etag: string
  readonly lastModified: number
  readonly checksums: readonly ObjectChecksum[]
}

/** S3's largest source of CopyObject. */
const MAX_COPY_BYTES = 5 * 1024 ** 3

/**
 * The store copies the bytes, and only the object's key is sealed anew, for the new name, under the destination's DEK. The
 * copy is pinned to the ETag of what was opened, so bytes and envelope cannot come from two different objects.
 */
export async function copyObject(gateway: Gateway, input: CopyObjectInput): Promise<CopyOutput> {
  checkBucket(gateway, input.bucket)
  checkBucket(gateway, input.source.bucket)
  checkEncryptionRequest(gateway, input.bucket, input.encryption)
  const ontoItself = input.bucket === input.source.bucket && input.key === input.source.key
  if (
    ontoItself &&
    input.replace === null &&
    input.storageClass === undefined &&
    input.encryption?.algorithm === undefined
  ) {
    throw new SealgateError(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    )
  }
  return retryOverwritten(() => copyOnce(gateway, input))
}

async function copyOnce(gateway: Gateway, input: CopyObjectInput): Promise<CopyOutput> {
  const { bucket, key, source, signal } = input
  const object = await headAndOpen(gateway, source.bucket, source.key, signal)
  checkCopyConditions(source.conditions, object.stored)
  if (object.size > MAX_COPY_BYTES) {
    throw new SealgateError(
      'InvalidRequest',
      `The specified copy source is larger than the maximum allowable size for a copy source: ${MAX_COPY_BYTES}`,
    )
  }
  const footer = await readFooter(gateway, object, signal)
  const kept = input.replace ?? clientAttributes(object.stored)
  const attributes = checkedAttributes({
    ...kept,
    storageClass: input.storageClass ?? input.replace?.storageClass ?? 'STANDARD',
  })
  if (!hasChecksum(footer, input.checksumAlgorithm)) {
    const body = withChecksum(await plainBody(gateway, object, undefined, signal), input.checksumAlgorithm)
    const { encryption, condition } = input
    return putObject(gateway, { bucket, key, attributes, encryption, condition, body, signal })
  }
  const dek = await gateway.keys.encrypting(bucket, 0)
  const envelope = sealEnvelope({
    dek,
    objectKey: object.objectKey,
    kind: object.envelope.kind,
    plainSize: object.envelope.plainSize,
    metadataHash: hashOf(attributes),
    binding: { realm: gateway.realm, bucket, key },
  })
  const stored = await gateway.storage.copyObject({
    bucket,
    key,
    ...withEnvelope(attributes, envelope, gateway.storage.limits),
    source: { bucket: source.bucket, key: source.key },
    sourceEtag: object.stored.etag,
    condition: input.condition,
    signal,
  })
  return {
    etag: toClientEtag(stored.etag),
    lastModified: stored.lastModified,
    checksums: checksumsOf(footer),
    cmkId: dek.cmkId,
  }
}

function hasChecksum(footer: Footer, algorithm: ChecksumAlgorithm | null): boolean {
  return algorithm === null || footer.checksums.values.some((value) => value.algorithm === algorithm)
}

export interface UploadPartCopyInput extends UploadName {
  readonly partNumber: number
  readonly source: CopySource
  readonly range?: { readonly start: number; readonly end: number } | undefined
  readonly signal?: AbortSignal | undefined
}

/** Decrypts the source and seals it again as a part: a part's key is of its own upload. */
export async function uploadPartCopy(
  gateway: Gateway,
  input: UploadPartCopyInput,
): Promise<UploadPartOutput> {
  checkBucket(gateway, input.bucket)
  checkBucket(gateway, input.source.bucket)
  return retryOverwritten(async () => {
    const { source, signal } = input
    const object = await headAndOpen(gateway, source.bucket, source.key, signal)
    checkCopyConditions(source.conditions, object.stored)
    const body = await plainBody(gateway, object, input.range, signal)
    return uploadPart(gateway, {
      bucket: input.bucket,
      key: input.key,
      uploadId: input.uploadId,
      partNumber: input.partNumber,
      body,
      signal,
    })
  })
}

async function plainBody(
  gateway: Gateway,
  object: OpenedObject,
  range: { readonly start: number; readonly end: number } | undefined,
  signal: AbortSignal | undefined,
): Promise<PlainBody> {
  if (range !== undefined && range.end >= object.size) {
    // Other than GET, a copy does not clip its range (S3 API, UploadPartCopy).
    throw new SealgateError(
      'InvalidArgument',
      `Range specified is not valid for source object of size: ${object.size}`,
      {
        details: {
          ArgumentName: 'x-amz-copy-source-range',
          ArgumentValue: `bytes=${range.start}-${range.end}`,
        },
      },
    )
  }
  const asked: Exclude<RangeRequest, { kind: 'part' }> =
    range === undefined ? { kind: 'open', start: 0 } : { kind: 'closed', ...range }
  const slice = object.size === 0 ? { start: 0, end: -1 } : resolveRange(asked, object.size)
  const footer = object.envelope.kind === 'multipart' ? await readFooter(gateway, object, signal) : null
  return {
    size: slice.end - slice.start + 1,
    announced: null,
    checksums: () => [],
    md5: () => undefined,
    [Symbol.asyncIterator]: () => readPlain(gateway, object, footer, slice, signal),
  }
}
