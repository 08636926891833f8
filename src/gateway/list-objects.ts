import { plainSize } from '../envelope/index.ts'
import type { ListObjectsRequest, ListObjectsResult } from '../storage/storage.ts'
import { toClientEtag } from './etag.ts'
import type { Gateway } from './gateway.ts'
import { checkBucket } from './names.ts'

/**
 * One page, one call to the store: plaintext sizes are arithmetic on the stored sizes. A stored size that no sealed
 * object has (something else was put there) is shown as it is; reading that key is refused.
 */
export async function listObjects(gateway: Gateway, request: ListObjectsRequest): Promise<ListObjectsResult> {
  checkBucket(gateway, request.bucket)
  const page = await gateway.storage.listObjects(request)
  return {
    ...page,
    objects: page.objects.map((object) => ({
      ...object,
      size: plainSize(object.size) ?? object.size,
      etag: toClientEtag(object.etag),
    })),
  }
}

export type { ListedObject, ListObjectsResult } from '../storage/storage.ts'
