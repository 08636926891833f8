import type { ChecksumAlgorithm } from '../base/checksum-algorithm.ts'
import { integrityError, type PartRecord } from '../envelope/index.ts'
import type { StorageClass } from '../storage/storage.ts'
import type { ChecksumType } from './checksum.ts'
import type { Gateway } from './gateway.ts'
import { checkBucket } from './names.ts'
import { readInit, records, type UploadName } from './upload-state.ts'

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
  for (let marker = input.partNumberMarker; page.isTruncated && standing.size <= input.maxParts; ) {
    const next = page.parts.at(-1)?.partNumber ?? marker
    if (next <= marker) throw integrityError('a list of parts does not go on')
    marker = next
    page = await gateway.storage.listParts({ ...upload, partNumberMarker: marker, maxParts: 1000 })
    for (const part of page.parts) standing.add(`${part.partNumber} ${part.etag}`)
  }
  const latest = new Map<number, PartRecord>()
  for await (const { record } of records(gateway, upload, init, input.partNumberMarker)) {
    const known = latest.get(record.partNumber)
    // By number: with one number more than is asked for, the page is whole.
    if (known === undefined && latest.size > input.maxParts) break
    const stands = record.location !== 'part' || standing.has(`${record.partNumber} ${record.etag}`)
    if (stands && record.time >= (known?.time ?? 0)) latest.set(record.partNumber, record)
  }
  const parts = [...latest.values()]
  return {
    parts: parts.slice(0, input.maxParts),
    isTruncated: parts.length > input.maxParts,
    storageClass: first.storageClass,
    checksumAlgorithm: init.checksumAlgorithm,
    checksumType: init.checksumType,
  }
}
