import { isError } from '../errors.ts'
import type { Gateway } from './gateway.ts'
import { notedUploads } from './upload-names.ts'
import { removeState, UPLOADS_PREFIX } from './upload-state.ts'

/**
 * Uploads go with their bucket. A store that lists only those of a key that is named may keep them apart from it, and show them again in a
 * bucket that gets the name later: there the gateway ends them, from its own notes.
 */
export async function dropUploads(gateway: Gateway, bucket: string): Promise<void> {
  if (gateway.storage.capabilities.listsUploads) return
  for await (const { key, uploadId } of notedUploads(gateway, `${UPLOADS_PREFIX}${bucket}/`)) {
    const upload = { bucket, key, uploadId }
    try {
      await gateway.storage.abortMultipartUpload(upload)
    } catch (error) {
      if (!isError(error, 'NoSuchUpload', 'NoSuchBucket')) throw error
    }
    await removeState(gateway, upload)
  }
}
