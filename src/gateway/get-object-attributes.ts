import type { Footer } from '../envelope/index.ts'
import type { StorageClass } from '../storage/storage.ts'
import { checksumsOf, type ObjectChecksum } from './checksum.ts'
import { toClientEtag } from './etag.ts'
import type { Gateway } from './gateway.ts'
import { checkBucket } from './names.ts'
import { headAndOpen, type ObjectRequest, readFooter, retryOverwritten } from './open-object.ts'

export interface ObjectAttributesOutput {
  readonly etag: string
  readonly lastModified: number
  readonly size: number
  readonly storageClass: StorageClass
  readonly checksums: readonly ObjectChecksum[]
  readonly footer: Footer
}

/** Everything here comes from the footer: what the store knows of parts and checksums is of ciphertext. */
export async function getObjectAttributes(
  gateway: Gateway,
  request: ObjectRequest,
): Promise<ObjectAttributesOutput> {
  checkBucket(gateway, request.bucket)
  return retryOverwritten(async () => {
    const object = await headAndOpen(gateway, request)
    const footer = await readFooter(gateway, object)
    return {
      etag: toClientEtag(object.stored.etag),
      lastModified: object.stored.lastModified,
      size: footer.plainSize,
      storageClass: object.stored.storageClass,
      checksums: checksumsOf(footer),
      footer,
    }
  })
}
