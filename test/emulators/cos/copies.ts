/** Copies of objects, whole and by parts. */
import type { Attributes, ObjectVersion } from './bucket.ts'
import { type Answer, attributesOf, type Call, checkKey, checkOverwrite, decimal, iso } from './call.ts'
import { newEtag } from './etag.ts'
import { CosRefusal } from './refusal.ts'
import { storePart, uploadOf } from './uploads.ts'
import { cosDocument } from './xml.ts'

interface Source {
  readonly bucket: string
  readonly key: string
  readonly object: ObjectVersion
}

export async function copyObject(call: Call): Promise<Answer> {
  checkKey(call.key)
  const { bucket, key, service } = call
  const source = sourceOf(call)
  if (source.object.content.size > service.maxCopyBytes) throw new CosRefusal('EntityTooLarge')
  const isSame = source.bucket === bucket.name && source.key === key
  if (isSame && !isReplaced(call, 'metadata') && call.headers['x-cos-storage-class'] === undefined)
    throw new CosRefusal('InvalidRequest', 'A copy onto itself must replace something.')
  const attributes = attributesOfCopy(call, source.object)
  checkOverwrite(call)
  const { content } = source.object
  const version: ObjectVersion = {
    ...attributes,
    ...bucket.next(),
    isDeleteMarker: false,
    etag: service.md5Etags ? source.object.etag : newEtag(),
    content: content.hold(),
  }
  await bucket.add(key, version)
  const VersionId = bucket.versioning === 'Enabled' ? version.versionId : undefined
  return {
    early: true,
    headers: VersionId === undefined ? {} : { 'x-cos-version-id': VersionId },
    body: cosDocument('CopyObjectResult', {
      ETag: `"${version.etag}"`,
      CRC64: decimal(content.crc64),
      LastModified: iso(version.lastModified),
      VersionId,
    }),
  }
}

export async function uploadPartCopy(call: Call): Promise<Answer> {
  const upload = uploadOf(call)
  const { object } = sourceOf(call)
  const header = call.headers['x-cos-copy-source-range']
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(header ?? '') ?? []
  if (header !== undefined && first === undefined) throw new CosRefusal('InvalidArgument')
  const { size } = object.content
  const [start, end] = first === undefined ? [0, size] : [Number(first), Number(last) + 1]
  if (start >= end || end > size) throw new CosRefusal('InvalidRange')
  if (end - start > call.service.maxCopyBytes) throw new CosRefusal('EntityTooLarge')
  const blob = await call.service.blobs.receive(object.content.slice(start, end))
  const part = await storePart(call, upload, blob)
  return {
    early: true,
    body: cosDocument('CopyPartResult', {
      ETag: `"${part.etag}"`,
      LastModified: iso(part.lastModified),
      CRC64: decimal(blob.crc64),
    }),
  }
}

function sourceOf(call: Call): Source {
  const { service, headers, face } = call
  const header = headers['x-cos-copy-source'] ?? ''
  const [path = '', versionId] = header.split('?versionId=')
  // S3's form is a path, whose bucket is its first part; COS's begins with the host.
  const match = face === 's3' ? /^\/?([^/]+)\/(.+)$/.exec(path) : /^([^./]+)\.cos\.[^/]+\/(.+)$/.exec(path)
  const [, name = '', encoded = ''] = match ?? []
  const bucket = service.buckets.get(name)
  if (match === null) throw new CosRefusal('InvalidArgument', 'x-cos-copy-source does not name an object.')
  if (bucket === undefined) throw new CosRefusal('NoSuchBucket')
  const key = decodeURIComponent(encoded)
  const object = bucket.find(key, versionId)
  checkSource(headers, object)
  return { bucket: name, key, object }
}

/** All of them fail alike. */
function checkSource(headers: Call['headers'], { etag, lastModified }: ObjectVersion): void {
  const header = (name: string) => headers[`x-cos-copy-source-if-${name}`]
  const match = header('match')?.replaceAll('"', '')
  const noneMatch = header('none-match')?.replaceAll('"', '')
  const fails =
    (match !== undefined && match !== '*' && match !== etag) ||
    (noneMatch !== undefined && (noneMatch === '*' || noneMatch === etag)) ||
    lastModified <= Date.parse(header('modified-since') ?? '') ||
    lastModified > Date.parse(header('unmodified-since') ?? '')
  if (fails) throw new CosRefusal('PreconditionFailed')
}

/** COS says `Replaced` where S3 says REPLACE. */
function isReplaced({ headers, face }: Call, what: 'metadata' | 'tagging'): boolean {
  const directive = headers[`x-cos-${what}-directive`] ?? 'Copy'
  const replaced = face === 's3' ? 'REPLACE' : 'Replaced'
  if (directive !== replaced && directive.toUpperCase() !== 'COPY') throw new CosRefusal('InvalidArgument')
  return directive === replaced
}

/** Storage class is not inherited. */
function attributesOfCopy(call: Call, source: ObjectVersion): Attributes {
  const { headers, storageClass, tags } = attributesOf(call)
  return {
    headers: isReplaced(call, 'metadata') ? headers : source.headers,
    tags: isReplaced(call, 'tagging') ? tags : source.tags,
    storageClass,
  }
}
