import type { ObjectVersionName } from '../../storage/storage.ts'
import { type Tag, tagsOf } from '../../storage/tagging.ts'
import type { Gateway } from '../gateway.ts'
import { fit } from './shape.ts'
import { TAGGING } from './shapes.ts'

/** The tags of an object at the store. */
export async function readTags(gateway: Gateway, name: ObjectVersionName): Promise<readonly Tag[]> {
  const answer = await gateway.storage.subresources?.readSubresource({ ...name, name: 'tagging' })
  const document = answer?.document ?? null
  return document === null || typeof document === 'string' ? [] : tagsOf(fit(document, TAGGING, 'store'))
}
