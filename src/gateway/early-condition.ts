import { isError } from '../errors.ts'
import { conditionFailed } from '../storage/capabilities.ts'
import type { ObjectName, WriteCondition } from '../storage/storage.ts'
import type { Gateway } from './gateway.ts'

export interface ConditionalRequest extends ObjectName {
  readonly condition?: WriteCondition | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Looks whether the condition of a write fails as things are: then it costs neither a call to the key service nor a body. It decides nothing
 * else: whether the write happens the store says, together with the commit, and so it does where the look itself comes to nothing.
 */
export async function refuseFailedCondition(
  gateway: Gateway,
  { bucket, key, condition, signal }: ConditionalRequest,
): Promise<void> {
  if (condition === undefined) return
  try {
    const { etag } = await gateway.storage.headObject({ bucket, key, signal })
    if ('ifNoneMatch' in condition) throw conditionFailed('If-None-Match')
    if (etag !== condition.ifMatch) throw conditionFailed('If-Match')
  } catch (error) {
    if (isError(error, 'PreconditionFailed', 'NoSuchBucket')) throw error
    if ('ifMatch' in condition && isError(error, 'NoSuchKey')) throw error
  }
}
