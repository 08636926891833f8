import type { ChecksumAlgorithm } from '../base/checksum-algorithm.ts'
import { MAX_PARTS, type PartRecord } from '../envelope/index.ts'
import type { StorageClass } from '../storage/storage.ts'
import type { ChecksumType } from './checksum.ts'
import type { Gateway } from './gateway.ts'
import { checkBucket } from './names.ts'
import { listRecords, readInit, type UploadName } from './upload-state.ts'

export interface ListPartsInput extends UploadName {
  readonly partNumberMarker: number
  readonly maxParts: number
}

export interface ListPartsOutput {
  readonly parts: readonly PartRecord[]
  readonly isTruncated: boolean
  readonly storageClass: StorageClass
  readonly checksumAlgorithm: ChecksumAlgorithm | null
  readonly checksumType: ChecksumType | null
}

/** The store says which upload of a number stands; the records say what it holds. */
export async function listParts(gateway: Gateway, input: ListPartsInput): Promise<ListPartsOutput> {
  checkBucket(gateway, input.bucket)
  const upload = { bucket: input.bucket, key: input.key, uploadId: input.uploadId }
  const init = await readInit(gateway, upload)
  const first = await gateway.storage.listParts({
    ...upload,
    partNumberMarker: input.partNumberMarker,
    maxParts: 1000,
  })
  const standing = new Set(first.parts.map((part) => `${part.partNumber} ${part.etag}`))
  let page = first
  while (page.isTruncated && standing.size <= input.maxParts) {
    const marker = page.parts.at(-1)?.partNumber ?? MAX_PARTS
    page = await gateway.storage.listParts({ ...upload, partNumberMarker: marker, maxParts: 1000 })
    for (const part of page.parts) standing.add(`${part.partNumber} ${part.etag}`)
  }
  const latest = new Map<number, PartRecord>()
  for (const { record } of await listRecords(gateway, upload, init, input.partNumberMarker)) {
    if (record.location !== 'part' || standing.has(`${record.partNumber} ${record.etag}`))
      latest.set(record.partNumber, record)
  }
  const parts = [...latest.values()].filter((record) => record.partNumber > input.partNumberMarker)
  return {
    parts: parts.slice(0, input.maxParts),
    isTruncated: parts.length > input.maxParts,
    storageClass: first.storageClass,
    checksumAlgorithm: init.checksumAlgorithm,
    checksumType: init.checksumType,
  }
}
