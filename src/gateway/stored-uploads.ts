import { integrityError } from '../envelope/index.ts'
import { ListMarkers } from '../storage/list-markers.ts'
import type { Storage, StoredUpload } from '../storage/storage.ts'

/** Page by page all uploads of a bucket that the store lists under a prefix: one call for 1000. */
export async function* storedUploads(
  storage: Storage,
  { bucket, prefix }: { readonly bucket: string; readonly prefix: string },
): AsyncGenerator<StoredUpload> {
  const marker = { keyMarker: '', uploadIdMarker: '' }
  const markers = new ListMarkers('')
  for (;;) {
    const asked = { bucket, prefix, delimiter: '', ...marker, maxUploads: 1000 }
    const page = await storage.listMultipartUploads(asked)
    yield* page.uploads
    if (!page.isTruncated) return
    if (!markers.leadOn(page.uploads.length, page.nextKeyMarker, page.nextUploadIdMarker))
      throw integrityError('a list of uploads does not go on')
    marker.keyMarker = page.nextKeyMarker
    marker.uploadIdMarker = page.nextUploadIdMarker
  }
}
