import { maxPlainSize, ObjectKey, sealObject, storedSize } from '../envelope/index.ts'
import { SealgateError } from '../errors.ts'
import { checkWriteCondition } from '../storage/capabilities.ts'
import type { WriteCondition } from '../storage/storage.ts'
import { type ClientAttributes, checkedAttributes } from './attributes.ts'
import { footerChecksums, fullObjectChecksums, type ObjectChecksum } from './checksum.ts'
import { refuseFailedCondition } from './early-condition.ts'
import { checkEncryptionRequest, type EncryptionAnswer, type EncryptionRequest } from './encryption.ts'
import { toClientEtag } from './etag.ts'
import type { Gateway } from './gateway.ts'
import { checkMarks, type ObjectMarks } from './marks.ts'
import { checkBucket } from './names.ts'
import { sealAttributes } from './object-envelope.ts'
import type { PlainBody } from './plain-body.ts'

export interface PutObjectInput {
  readonly bucket: string
  readonly key: string
  readonly attributes: ClientAttributes
  readonly encryption?: EncryptionRequest | undefined
  readonly condition?: WriteCondition | undefined
  readonly marks?: ObjectMarks | undefined
  readonly body: PlainBody
  readonly signal?: AbortSignal | undefined
}

export interface PutObjectOutput {
  readonly encryption: EncryptionAnswer
  readonly etag: string
  readonly lastModified: number
  readonly versionId?: string | undefined
  readonly checksums: readonly ObjectChecksum[]
}

/**
 * Seals the body on its way to the store. The last segment and the footer leave only after the body has passed its every
 * check; a body that fails makes the store abort, so nothing half-written is ever visible.
 */
export async function putObject(gateway: Gateway, input: PutObjectInput): Promise<PutObjectOutput> {
  const { bucket, key, body } = input
  checkBucket(gateway, bucket)
  checkEncryptionRequest(gateway, bucket, input.encryption)
  checkMarks(gateway, input.marks)
  checkSize(gateway, body.size)
  const attributes = checkedAttributes(input.attributes)
  checkWriteCondition(gateway.storage.capabilities, 'put', input.condition)
  await refuseFailedCondition(gateway, input)
  const objectKey = ObjectKey.generate()
  try {
    const sealed = await sealAttributes(gateway, {
      bucket,
      key,
      objectKey,
      kind: 'single',
      plainSize: body.size,
      attributes,
      customerKey: input.encryption?.customerKey,
      bytes: body.size,
    })
    const stored = await gateway.storage.putObject({
      bucket,
      key,
      ...sealed.stored,
      size: storedSize(body.size),
      body: sealObject({ objectKey, size: body.size, body, footer: () => footerChecksums(body) }),
      condition: input.condition,
      marks: input.marks,
      signal: input.signal,
    })
    return {
      etag: toClientEtag(stored.etag),
      lastModified: stored.lastModified,
      versionId: stored.versionId,
      checksums: fullObjectChecksums(body),
      encryption: sealed.encryption,
    }
  } finally {
    objectKey.destroy()
  }
}

/** The limit is on what is stored, so it is a little less than S3's 5 GiB where the store's own limit is that. */
function checkSize(gateway: Gateway, size: number): void {
  const limit = maxPlainSize(gateway.storage.limits.maxPutBytes)
  if (size > limit) {
    throw new SealgateError(
      'EntityTooLarge',
      `Your proposed upload exceeds the maximum size of a single PUT (${limit} bytes); use a multipart upload.`,
      {
        details: { ProposedSize: String(size), MaxSizeAllowed: String(limit) },
      },
    )
  }
}
