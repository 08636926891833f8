import type { Footer } from '../envelope/index.ts'
import type { StorageClass } from '../storage/storage.ts'
import { checksumsOf, type ObjectChecksum } from './checksum.ts'
import { toClientEtag } from './etag.ts'
import { findObject } from './find-object.ts'
import type { Gateway } from './gateway.ts'
import { checkBucket } from './names.ts'
import { type ObjectRequest, readFooter, retryOverwritten } from './open-object.ts'
import { isPlain } from './plain-object.ts'

export interface ObjectAttributesOutput {
  readonly etag: string
  readonly lastModified: number
  readonly versionId: string | undefined
  readonly size: number
  readonly storageClass: StorageClass
  readonly checksums: readonly ObjectChecksum[]
  /** Null for an object that nobody sealed. */
  readonly footer: Footer | null
}

/** Everything here comes from the footer: what the store knows of parts and checksums is of ciphertext. */
export async function getObjectAttributes(
  gateway: Gateway,
  request: ObjectRequest,
): Promise<ObjectAttributesOutput> {
  checkBucket(gateway, request.bucket)
  return retryOverwritten(async () => {
    const object = await findObject(gateway, request)
    const footer = isPlain(object) ? null : await readFooter(gateway, object)
    return {
      etag: toClientEtag(object.stored.etag),
      lastModified: object.stored.lastModified,
      versionId: object.stored.versionId,
      size: footer?.plainSize ?? object.size,
      storageClass: object.stored.storageClass,
      checksums: footer === null ? [] : checksumsOf(footer),
      footer,
    }
  })
}
