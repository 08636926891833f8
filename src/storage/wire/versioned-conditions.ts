import type { ConditionalWrite } from '../capabilities.ts'
import type { WriteCondition } from '../storage.ts'
import type { Store } from './store.ts'
import { getBucketVersioning } from './versions.ts'

/**
 * The store as it is for a conditional write into this bucket. Where the server enforces less in buckets that have or had versions, that costs
 * a call, for what the bucket has: an answer from before would be worth nothing once a client has changed it.
 */
export async function storeFor(
  store: Store,
  write: ConditionalWrite,
  bucket: string,
  condition: WriteCondition | undefined,
): Promise<Store> {
  const { capabilities, names } = store
  if (condition === undefined || names.isSystem(bucket)) return store
  const { conditions, versionedConditions, versions } = capabilities
  const kind = 'ifMatch' in condition ? 'ifMatch' : 'ifNoneMatch'
  const isSame = conditions[write][kind] === versionedConditions[write][kind]
  if (!versions || isSame || (await getBucketVersioning(store, bucket)) === null) return store
  return { ...store, capabilities: { ...capabilities, conditions: versionedConditions } }
}
