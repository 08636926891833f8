import type { Gateway } from './gateway.ts'
import { storedVersion } from './object-version.ts'
import { type ObjectRequest, type OpenedObject, openObject } from './open-object.ts'
import { isServedPlain, openPlain, type PlainObject } from './plain-object.ts'

/** Looks at an object and opens its envelope; in a bucket that reads plaintext it may be one that nobody sealed. */
export async function findObject(
  gateway: Gateway,
  request: ObjectRequest,
): Promise<OpenedObject | PlainObject> {
  const { bucket, key, signal } = request
  const versionId = storedVersion(gateway, request.versionId)
  const stored = await gateway.storage.headObject({ bucket, key, versionId, signal })
  return isServedPlain(gateway, bucket, stored)
    ? openPlain(gateway, request, stored)
    : openObject(gateway, request, stored)
}
