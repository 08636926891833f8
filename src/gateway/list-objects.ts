import type { ListObjectsRequest, ListObjectsResult } from '../storage/storage.ts'
import { toClientEtag } from './etag.ts'
import type { Gateway } from './gateway.ts'
import { listedSizes } from './listed-sizes.ts'
import { checkBucket } from './names.ts'

/** One page, one call to the store; in a bucket that reads plaintext more of them. */
export async function listObjects(gateway: Gateway, request: ListObjectsRequest): Promise<ListObjectsResult> {
  const { bucket, signal } = request
  checkBucket(gateway, bucket)
  const page = await gateway.storage.listObjects(request)
  const objects = await listedSizes(gateway, bucket, page.objects, signal)
  return { ...page, objects: objects.map((object) => ({ ...object, etag: toClientEtag(object.etag) })) }
}

export type { ListedObject, ListObjectsResult } from '../storage/storage.ts'
