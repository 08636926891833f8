/** Uploads by parts: numbers without gaps, 1 MB at least but for the last, random ETags. */
import { childrenOf, childText } from '../../../src/base/xml-reader.ts'
import { type Blob, Content } from './blobs.ts'
import { type ObjectVersion, type Part, type Upload, wholeSecond } from './bucket.ts'
import { type Answer, attributesOf, type Call, checkKey, checkOverwrite, decimal, iso } from './call.ts'
import { newEtag } from './etag.ts'
import { CosRefusal } from './refusal.ts'
import { cosDocument, listName, parseDocument } from './xml.ts'

const MAX_PARTS = 10_000
const NAMESPACE_NOTE = 'CompleteMultipartUploadResult xmlns="http://www.qcloud.com/document/product/436/7751"'

export function initiateUpload(call: Call): Answer {
  checkKey(call.key)
  const { bucket, key } = call
  checkOverwrite(call)
  const uploadId = `${Date.now()}${newEtag()}`
  bucket.uploads.set(uploadId, {
    key,
    uploadId,
    initiatedAt: wholeSecond(),
    attributes: attributesOf(call),
    forbidsOverwrite: call.headers['x-cos-forbid-overwrite'] === 'true',
    parts: new Map(),
  })
  return {
    body: cosDocument('InitiateMultipartUploadResult', { Bucket: bucket.name, Key: key, UploadId: uploadId }),
  }
}

export function uploadOf({ bucket, key, query }: Call): Upload {
  const upload = bucket.uploads.get(query('uploadId') ?? '')
  if (upload === undefined || upload.key !== key) throw new CosRefusal('NoSuchUpload')
  return upload
}

export async function uploadPart(call: Call): Promise<Answer> {
  const upload = uploadOf(call)
  partNumberOf(call)
  const blob = await call.receive()
  const { etag } = await storePart(call, upload, blob)
  return { headers: { etag: `"${etag}"`, 'x-cos-hash-crc64ecma': decimal(blob.crc64) } }
}

/** A part of a number that is there takes its place. The upload may be gone by now. */
export async function storePart(call: Call, upload: Upload, blob: Blob): Promise<Part> {
  if (call.bucket.uploads.get(upload.uploadId) !== upload) {
    await blob.release()
    throw new CosRefusal('NoSuchUpload')
  }
  const number = partNumberOf(call)
  const part = { blob, etag: call.service.md5Etags ? blob.md5 : newEtag(), lastModified: wholeSecond() }
  const replaced = upload.parts.get(number)
  upload.parts.set(number, part)
  await replaced?.blob.release()
  return part
}

function partNumberOf({ query }: Call): number {
  const number = Number(query('partNumber'))
  if (!Number.isInteger(number) || number < 1 || number > MAX_PARTS) throw new CosRefusal('InvalidArgument')
  return number
}

export async function completeUpload(call: Call): Promise<Answer> {
  const { bucket, key, service, host } = call
  const document = parseDocument(await call.document())
  const upload = uploadOf(call)
  const blobs = namedParts(call, upload, childrenOf(document, 'Part').map(readPart))
  if (upload.forbidsOverwrite) checkOverwrite({ ...call, headers: { 'x-cos-forbid-overwrite': 'true' } })
  checkOverwrite(call)
  bucket.uploads.delete(upload.uploadId)
  const content = new Content(blobs).hold()
  const version: ObjectVersion = {
    ...upload.attributes,
    ...bucket.next(),
    isDeleteMarker: false,
    etag: `${newEtag()}-${blobs.length}`,
    content,
  }
  await bucket.add(key, version)
  for (const { blob } of upload.parts.values()) await blob.release()
  const result = cosDocument('CompleteMultipartUploadResult', {
    Location: `http://${host}/${listName(key, 'url')}`,
    Bucket: bucket.name,
    Key: key,
    ETag: `"${version.etag}"`,
    CRC64: service.region === '' ? undefined : decimal(content.crc64),
  })
  return {
    early: true,
    headers: {
      'x-cos-hash-crc64ecma': decimal(content.crc64),
      ...(bucket.versioning === null ? {} : { 'x-cos-version-id': version.versionId }),
    },
    body: result.replace('CompleteMultipartUploadResult', NAMESPACE_NOTE),
  }
}

interface NamedPart {
  readonly number: number
  readonly etag: string
}

function readPart(element: Parameters<typeof childText>[0]): NamedPart {
  return {
    number: Number(childText(element, 'PartNumber')),
    etag: (childText(element, 'ETag') ?? '').replaceAll('"', ''),
  }
}

function namedParts({ service }: Call, upload: Upload, named: readonly NamedPart[]): Blob[] {
  if (named.length === 0 || named.length > MAX_PARTS) throw new CosRefusal('MalformedXML')
  return named.map(({ number, etag }, index) => {
    const part = upload.parts.get(number)
    const before = named[index - 1]?.number ?? 0
    if (number <= before) throw new CosRefusal('InvalidPartOrder')
    if (number !== before + 1) throw new CosRefusal('InvalidPart', 'Part numbers must not have gaps.')
    if (part === undefined || part.etag !== etag) throw new CosRefusal('InvalidPart')
    if (part.blob.size < service.minPartBytes && index < named.length - 1)
      throw new CosRefusal('EntityTooSmall')
    return part.blob
  })
}

export async function abortUpload(call: Call): Promise<Answer> {
  const { uploadId, parts } = uploadOf(call)
  call.bucket.uploads.delete(uploadId)
  for (const { blob } of parts.values()) await blob.release()
  return { status: 204 }
}

export function listParts(call: Call): Answer {
  const { bucket, key, query } = call
  const { uploadId, parts, attributes, initiatedAt } = uploadOf(call)
  const marker = Number(query('part-number-marker') ?? 0)
  const maxParts = Math.min(Number(query('max-parts') ?? 1000), 1000)
  const behind = [...parts].filter(([number]) => number > marker).sort(([a], [b]) => a - b)
  const page = behind.slice(0, maxParts)
  const isTruncated = page.length < behind.length
  return {
    body: cosDocument('ListPartsResult', {
      Bucket: bucket.name,
      'Encoding-type': query('encoding-type'),
      Key: listName(key, query('encoding-type')),
      UploadId: uploadId,
      Initiated: iso(initiatedAt),
      StorageClass: attributes.storageClass,
      PartNumberMarker: marker,
      NextPartNumberMarker: isTruncated ? (page.at(-1)?.[0] ?? marker) : undefined,
      MaxParts: maxParts,
      IsTruncated: isTruncated,
      Part: page.map(([number, { etag, blob, lastModified }]) => ({
        PartNumber: number,
        LastModified: iso(lastModified),
        ETag: `"${etag}"`,
        Size: blob.size,
      })),
    }),
  }
}
