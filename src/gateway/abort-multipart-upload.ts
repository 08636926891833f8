import type { Gateway } from './gateway.ts'
import { checkBucket } from './names.ts'
import { removeState, type UploadName } from './upload-state.ts'

/**
 * The store ends the upload first, so that no part can join it while its state goes. An upload whose state is damaged or
 * missing can be aborted all the same.
 */
export async function abortMultipartUpload(gateway: Gateway, upload: UploadName): Promise<void> {
  checkBucket(gateway, upload.bucket)
  await gateway.storage.abortMultipartUpload(upload)
  await removeState(gateway, upload).catch((error: unknown) =>
    gateway.warn('state of an aborted upload is left behind', error),
  )
}
