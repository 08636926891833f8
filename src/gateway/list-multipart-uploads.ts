import type { ListMultipartUploadsRequest, ListMultipartUploadsResult } from '../storage/storage.ts'
import type { Gateway } from './gateway.ts'
import { listNotedUploads } from './list-noted-uploads.ts'
import { checkBucket } from './names.ts'

/** What the store says of uploads under way is what clients see: one page, one call, where the store lists the uploads of a bucket. */
export async function listMultipartUploads(
  gateway: Gateway,
  request: ListMultipartUploadsRequest,
): Promise<ListMultipartUploadsResult> {
  checkBucket(gateway, request.bucket)
  const { storage } = gateway
  return storage.capabilities.listsUploads
    ? storage.listMultipartUploads(request)
    : listNotedUploads(gateway, request)
}
