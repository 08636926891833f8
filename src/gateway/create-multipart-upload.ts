import type { ChecksumAlgorithm } from '../base/checksum-algorithm.ts'
import { ObjectKey } from '../envelope/index.ts'
import { SealgateError } from '../errors.ts'
import { type ClientAttributes, checkedAttributes } from './attributes.ts'
import type { ChecksumType } from './checksum.ts'
import { checkEncryptionRequest, type EncryptionAnswer, type EncryptionRequest } from './encryption.ts'
import type { Gateway } from './gateway.ts'
import { checkMarks, hasMarks, type ObjectMarks, requireObjectLock } from './marks.ts'
import { checkBucket } from './names.ts'
import { NO_METADATA, sealAttributes, sealUnderDataKey } from './object-envelope.ts'
import { writeInit } from './upload-state.ts'

export interface CreateMultipartUploadInput {
  readonly bucket: string
  readonly key: string
  readonly attributes: ClientAttributes
  readonly encryption?: EncryptionRequest | undefined
  readonly marks?: ObjectMarks | undefined
  readonly checksumAlgorithm: ChecksumAlgorithm | null
  readonly checksumType: ChecksumType | null
}

export interface CreateMultipartUploadOutput {
  readonly encryption: EncryptionAnswer
  readonly uploadId: string
  readonly checksumAlgorithm: ChecksumAlgorithm | null
  readonly checksumType: ChecksumType | null
}

/** CRC64NVME can only be of the full object, SHA-1 and SHA-256 only of the parts (S3 User Guide, "Checking object integrity"). */
function resolveChecksumType(
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
  checkMarks(gateway, input.marks)
  const checksumType = resolveChecksumType(checksumAlgorithm, input.checksumType)
  const attributes = checkedAttributes(input.attributes)
  await requireObjectLock(gateway, bucket, input.marks)
  const objectKey = ObjectKey.generate()
  const fields = { bucket, key, objectKey, kind: 'multipart', plainSize: null } as const
  const customerKey = input.encryption?.customerKey
  const { stored, envelope, encryption } = await sealAttributes(gateway, {
    ...fields,
    attributes,
    customerKey,
    bytes: 0,
  })
  const state = await sealUnderDataKey(gateway, { ...fields, metadataHash: NO_METADATA }, 0)
  const { uploadId } = await gateway.storage.createMultipartUpload({
    bucket,
    key,
    ...stored,
    marks: input.marks,
  })
  const upload = { bucket, key, uploadId }
  try {
    await writeInit(gateway, upload, {
      objectKey,
      envelope,
      stateEnvelope: state.envelope,
      encryption,
      dekId: state.dekId,
      checksumAlgorithm,
      checksumType,
      marks: hasMarks(input.marks) ? input.marks : undefined,
    })
  } catch (error) {
    await gateway.storage
      .abortMultipartUpload(upload)
      .catch((cause: unknown) => gateway.warn('an upload without state is left', cause))
    throw error
  }
  return { uploadId, checksumAlgorithm, checksumType, encryption }
}
