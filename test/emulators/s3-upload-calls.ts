import { readSmallBody } from '../../src/s3/request-body.ts'
import { childrenOf, childText, parseXml } from '../../src/s3/xml.ts'
import { attributes, type Call, condition, iso, type Operations, unquoted, version, xml } from './s3-call.ts'
import { checkCopySize, sourceOf } from './s3-copy-sources.ts'

export const UPLOAD_CALLS: Operations = {
  async CreateMultipartUpload(call) {
    const { storage, bucket, key } = call
    call.locks.checkWrite(bucket, call.headers)
    const { marks, ...kept } = attributes(call)
    const { uploadId } = await storage.createMultipartUpload({
      ...{ bucket, key, ...kept },
      ...(call.ignores.has('upload-marks') ? {} : { marks }),
    })
    if (!call.ignores.has('upload-marks')) call.locks.begun(uploadId, call.headers)
    return xml('InitiateMultipartUploadResult', { UploadId: uploadId })
  },
  async UploadPart(call) {
    const body = call.body()
    const { etag } = await call.storage.uploadPart({ ...part(call), body, size: body.size })
    return { headers: { etag: `"${etag}"` } }
  },
  async UploadPartCopy(call) {
    const source = await sourceOf(call, { twice: call.ignores.has('decoded') })
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(call.headers.get('x-amz-copy-source-range') ?? '') ?? []
    const range = start === undefined ? undefined : { start: Number(start), end: Number(end) }
    const found = await call.storage.getObject({ ...source, range })
    const size = found.end - found.start + 1
    checkCopySize(call, size)
    const { etag } = await call.storage.uploadPart({ ...part(call), body: found.body, size })
    return xml('CopyPartResult', { ETag: `"${etag}"`, LastModified: iso(Date.now()) })
  },
  async CompleteMultipartUpload(call) {
    const listed = childrenOf(parseXml(await readSmallBody(call.body(), 4 * 1024 * 1024)), 'Part')
    const parts = listed.map((element) => ({
      partNumber: Number(childText(element, 'PartNumber')),
      etag: unquoted(childText(element, 'ETag')) ?? '',
    }))
    const { etag, versionId } = await call.storage.completeMultipartUpload({
      ...part(call),
      parts,
      condition: await condition(call, 'complete'),
    })
    call.locks.written({ bucket: call.bucket, key: call.key, versionId }, call.query('uploadId') ?? '')
    return xml('CompleteMultipartUploadResult', { ETag: `"${etag}"` }, version(versionId))
  },
  async AbortMultipartUpload(call) {
    await call.storage.abortMultipartUpload(part(call))
    return { status: 204 }
  },
  async ListParts(call) {
    const partNumberMarker = Number(call.query('part-number-marker') ?? 0)
    const page = await call.storage.listParts({
      ...part(call),
      partNumberMarker: call.ignores.has('part-marker')
        ? await knownPart(call, partNumberMarker)
        : partNumberMarker,
      maxParts: Number(call.query('max-parts') ?? 1000),
    })
    return xml('ListPartsResult', {
      IsTruncated: page.isTruncated,
      StorageClass: page.storageClass,
      Part: page.parts.map(({ partNumber, size, etag, lastModified }) => ({
        PartNumber: partNumber,
        Size: size,
        ETag: `"${etag}"`,
        LastModified: iso(lastModified),
      })),
    })
  },
}

function part({ bucket, key, query }: Call) {
  return { bucket, key, uploadId: query('uploadId') ?? '', partNumber: Number(query('partNumber') ?? 0) }
}

/** The marker if it is the number of a part, and otherwise one that nothing is behind. */
async function knownPart(call: Call, marker: number): Promise<number> {
  const { parts } = await call.storage.listParts({ ...part(call), partNumberMarker: 0, maxParts: 1000 })
  return marker === 0 || parts.some(({ partNumber }) => partNumber === marker) ? marker : 10_000
}
