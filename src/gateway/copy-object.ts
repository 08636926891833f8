import { timingSafeEqual } from 'node:crypto'
import type { ChecksumAlgorithm } from '../base/checksum-algorithm.ts'
import type { Footer } from '../envelope/index.ts'
import { isError, SealgateError } from '../errors.ts'
import { checkWriteCondition } from '../storage/capabilities.ts'
import { OVERWRITTEN, type StorageClass, type WriteCondition } from '../storage/storage.ts'
import { type ClientAttributes, checkedAttributes, clientAttributes } from './attributes.ts'
import { checksumsOf, type ObjectChecksum } from './checksum.ts'
import { type CopySource, openSource, plainBody } from './copy-source.ts'
import { refuseFailedCondition } from './early-condition.ts'
import { checkEncryptionRequest, type EncryptionAnswer, type EncryptionRequest } from './encryption.ts'
import { toClientEtag } from './etag.ts'
import type { Gateway } from './gateway.ts'
import { checkMarks, confirmMarks, type ObjectMarks, requireObjectLock } from './marks.ts'
import { checkBucket } from './names.ts'
import { sealAttributes } from './object-envelope.ts'
import { ofPinned } from './object-version.ts'
import { type OpenedObject, readFooter, retryOverwritten } from './open-object.ts'
import { isPlain, type PlainObject } from './plain-object.ts'
import { putObject } from './put-object.ts'
import { readTags } from './subresources/read-tags.ts'
import { withChecksum } from './with-checksum.ts'

export interface CopyObjectInput {
  readonly bucket: string
  readonly key: string
  readonly source: CopySource
  /** What REPLACE puts in place of the source's; null is COPY. */
  readonly replace: Pick<ClientAttributes, 'headers' | 'metadata'> | null
  readonly storageClass: StorageClass | undefined
  /** Without tags the copy has the source's. */
  readonly marks?: ObjectMarks | undefined
  /** The copy is to have this checksum; one that the source lacks is computed, which means reading it. */
  readonly checksumAlgorithm: ChecksumAlgorithm | null
  readonly encryption?: EncryptionRequest | undefined
  readonly condition?: WriteCondition | undefined
  readonly signal?: AbortSignal | undefined
}

export interface CopyOutput {
  readonly encryption: EncryptionAnswer
  readonly etag: string
  readonly lastModified: number
  readonly versionId?: string | undefined
  /** Of what was copied. */
  readonly sourceVersionId?: string | undefined
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
  checkMarks(gateway, input.marks)
  if (
    isOntoItself(input) &&
    input.replace === null &&
    input.storageClass === undefined &&
    input.encryption?.algorithm === undefined &&
    input.encryption?.customerKey === undefined
  ) {
    throw new SealgateError(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    )
  }
  checkWriteCondition(gateway.storage.capabilities, 'copy', input.condition)
  await refuseFailedCondition(gateway, input)
  await requireObjectLock(gateway, input.bucket, input.marks)
  return retryOverwritten(() => copyOnce(gateway, input))
}

async function copyOnce(gateway: Gateway, input: CopyObjectInput): Promise<CopyOutput> {
  const { bucket, key, source, signal } = input
  const object = await openSource(gateway, source, signal)
  const sourceVersionId = object.stored.versionId
  if (object.size > MAX_COPY_BYTES) {
    throw new SealgateError(
      'InvalidRequest',
      `The specified copy source is larger than the maximum allowable size for a copy source: ${MAX_COPY_BYTES}`,
    )
  }
  const marks = await copiedMarks(gateway, input, object)
  const kept = input.replace ?? clientAttributes(object.stored)
  const attributes = checkedAttributes({
    ...kept,
    storageClass: input.storageClass ?? 'STANDARD',
  })
  if (isPlain(object))
    return sealCopy(gateway, { ...input, marks }, object, attributes, input.checksumAlgorithm)
  const footer = await readFooter(gateway, object, signal)
  if (changesKey(input) || !hasChecksum(footer, input.checksumAlgorithm)) {
    const algorithm = input.checksumAlgorithm ?? footer.checksums.values[0]?.algorithm ?? null
    return sealCopy(gateway, { ...input, marks }, object, attributes, algorithm)
  }
  const sealed = await sealAttributes(gateway, {
    bucket,
    key,
    objectKey: object.objectKey,
    kind: object.envelope.kind,
    plainSize: object.envelope.plainSize,
    attributes,
    customerKey: input.encryption?.customerKey,
    bytes: 0,
  })
  const copy = gateway.storage.copyObject({
    bucket,
    key,
    ...sealed.stored,
    source: { bucket: source.bucket, key: source.key, versionId: object.version },
    sourceEtag: object.stored.etag,
    sourceSize: object.stored.size,
    condition: input.condition,
    marks,
    signal,
  })
  const stored = await ofPinned(copy)
  await confirmMarks(gateway, { bucket, key, versionId: stored.versionId, etag: stored.etag }, marks)
  return {
    etag: toClientEtag(stored.etag),
    lastModified: stored.lastModified,
    versionId: stored.versionId,
    sourceVersionId,
    checksums: checksumsOf(footer),
    encryption: sealed.encryption,
  }
}

/** The source's tags are asked for only if it says that it has some; they may be changed in between, as S3's own copies may meet it. */
async function copiedMarks(
  gateway: Gateway,
  { source, marks }: CopyObjectInput,
  { stored, version }: OpenedObject | PlainObject,
): Promise<ObjectMarks | undefined> {
  if (marks?.tags !== undefined || (stored.tagCount ?? 0) === 0) return marks
  const { bucket, key } = source
  return { ...marks, tags: await readTags(gateway, { bucket, key, versionId: version }) }
}

/** The bytes go through the gateway and are sealed anew. */
async function sealCopy(
  gateway: Gateway,
  input: CopyObjectInput,
  object: OpenedObject | PlainObject,
  attributes: ClientAttributes,
  algorithm: ChecksumAlgorithm | null,
): Promise<CopyOutput> {
  const { bucket, key, encryption, marks, signal } = input
  const body = withChecksum(await plainBody(gateway, object, undefined, signal), algorithm)
  const put = { bucket, key, attributes, encryption, marks, body, signal }
  const sourceVersionId = object.stored.versionId
  // Onto itself: what is written over must be what was read. Where the bucket has versions it stays.
  const isPinned =
    input.condition === undefined &&
    isOntoItself(input) &&
    sourceVersionId === undefined &&
    gateway.storage.capabilities.conditions.put.ifMatch
  if (!isPinned)
    return { ...(await putObject(gateway, { ...put, condition: input.condition })), sourceVersionId }
  try {
    return await putObject(gateway, { ...put, condition: { ifMatch: object.stored.etag } })
  } catch (error) {
    if (!isError(error, 'PreconditionFailed')) throw error
    throw new SealgateError('PreconditionFailed', undefined, { cause: error, reason: OVERWRITTEN })
  }
}

/** An older version is brought back by a copy onto its own key: that changes something. */
function isOntoItself({ bucket, key, source }: CopyObjectInput): boolean {
  return bucket === source.bucket && key === source.key && source.versionId === undefined
}

function hasChecksum(footer: Footer, algorithm: ChecksumAlgorithm | null): boolean {
  return algorithm === null || footer.checksums.values.some((value) => value.algorithm === algorithm)
}

/**
 * To, from or between keys of customers the bytes are sealed anew: who held the old key must not be able to read the copy, and the object's key,
 * which a plain copy keeps, would let him.
 */
function changesKey({ source, encryption }: CopyObjectInput): boolean {
  const [from, to] = [source.customerKey?.key, encryption?.customerKey?.key]
  if (from === undefined || to === undefined) return from !== to
  return !timingSafeEqual(from, to)
}
