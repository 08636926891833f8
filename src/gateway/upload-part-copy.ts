import { type CopySource, openSource, plainBody } from './copy-source.ts'
import type { CustomerKey } from './encryption.ts'
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

export interface UploadPartCopyOutput extends UploadPartOutput {
  /** Of what was copied. */
  readonly sourceVersionId: string | undefined
}

/** Decrypts the source and seals it again as a part: a part's key is of its own upload. */
export async function uploadPartCopy(
  gateway: Gateway,
  input: UploadPartCopyInput,
): Promise<UploadPartCopyOutput> {
  checkBucket(gateway, input.bucket)
  return retryOverwritten(async () => {
    const { source, signal } = input
    const object = await openSource(gateway, source, signal)
    const body = await plainBody(gateway, object, input.range, signal)
    const part = await uploadPart(gateway, {
      bucket: input.bucket,
      key: input.key,
      uploadId: input.uploadId,
      partNumber: input.partNumber,
      customerKey: input.customerKey,
      body,
      signal,
    })
    return { ...part, sourceVersionId: object.stored.versionId }
  })
}
