import { checkCopyConditions } from './conditions.ts'
import { type CopySource, plainBody } from './copy-source.ts'
import type { CustomerKey } from './encryption.ts'
import { findObject } from './find-object.ts'
import type { Gateway } from './gateway.ts'
import { checkBucket } from './names.ts'
import { retryOverwritten } from './open-object.ts'
import { type UploadPartOutput, uploadPart } from './upload-part.ts'
import type { UploadName } from './upload-state.ts'

export interface UploadPartCopyInput extends UploadName {
  readonly partNumber: number
  readonly source: CopySource
  readonly range?: { readonly start: number; readonly end: number } | undefined
  /** Of the upload, if it was begun with one. */
  readonly customerKey?: CustomerKey | undefined
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
    const object = await findObject(gateway, { ...source, signal })
    checkCopyConditions(source.conditions, object.stored, gateway.now())
    const body = await plainBody(gateway, object, input.range, signal)
    return uploadPart(gateway, {
      bucket: input.bucket,
      key: input.key,
      uploadId: input.uploadId,
      partNumber: input.partNumber,
      customerKey: input.customerKey,
      body,
      signal,
    })
  })
}
