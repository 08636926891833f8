import type { ListMultipartUploadsRequest, ListMultipartUploadsResult } from '../storage/storage.ts'
import type { Gateway } from './gateway.ts'
import { checkBucket } from './names.ts'

/** One page, one call: what the store says of uploads under way is what clients see. */
export async function listMultipartUploads(
  gateway: Gateway,
  request: ListMultipartUploadsRequest,
): Promise<ListMultipartUploadsResult> {
  checkBucket(gateway, request.bucket)
  return gateway.storage.listMultipartUploads(request)
}
