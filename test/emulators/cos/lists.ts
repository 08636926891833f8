/** Lists of objects, versions and uploads. What lists of objects and versions see may be old (`Horizon`). */
import {
  type Bucket,
  compareNames,
  type ObjectVersion,
  orderOf,
  type Upload,
  type Version,
} from './bucket.ts'
import { type Answer, type Call, iso } from './call.ts'
import { CosRefusal } from './refusal.ts'
import { cosDocument, listName } from './xml.ts'

interface Asked {
  readonly prefix: string
  readonly delimiter: string
  readonly encoding: string | undefined
  readonly max: number
}

function asked({ query }: Call, limit: string): Asked {
  const delimiter = query('delimiter') ?? ''
  if ([...delimiter].length > 1) throw new CosRefusal('InvalidDelimiter')
  const max = query(limit) === undefined ? 1000 : Number(query(limit))
  if (!Number.isInteger(max) || max < 0) throw new CosRefusal('InvalidArgument')
  const encoding = query('encoding-type')
  if (encoding !== undefined && encoding !== 'url') throw new CosRefusal('InvalidArgument')
  return { prefix: query('prefix') ?? '', delimiter, encoding, max: Math.min(max, 1000) }
}

/** The common prefix that a key is folded into; null for none. */
function foldOf(key: string, { prefix, delimiter }: Asked): string | null {
  const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
  return at < 0 ? null : key.slice(0, at + delimiter.length)
}

interface Page<T> {
  readonly entries: readonly T[]
  readonly prefixes: readonly string[]
  /** The last name of a page behind which there is more. */
  readonly next: string | null
}

/** One entry a key, folded, up to the limit. */
function pageOf<T>(items: Iterable<readonly [key: string, item: T]>, marker: string, a: Asked): Page<T> {
  const entries: T[] = []
  const prefixes: string[] = []
  let last = ''
  for (const [key, item] of items) {
    const fold = foldOf(key, a)
    if (key === marker || fold === marker || (fold !== null && fold === prefixes.at(-1))) continue
    if (entries.length + prefixes.length >= a.max)
      return { entries, prefixes, next: a.max === 0 ? null : last }
    if (fold === null) entries.push(item)
    else prefixes.push(fold)
    last = fold ?? key
  }
  return { entries, prefixes, next: null }
}

function objectsOf(bucket: Bucket, prefix: string, from: string) {
  return (function* () {
    for (const [key, [newest]] of bucket.listed(prefix, from))
      if (newest !== undefined && !newest.isDeleteMarker) yield [key, { key, object: newest }] as const
  })()
}

const owner = { ID: '1250000000', DisplayName: '1250000000' }

function contents({ entries }: Page<{ key: string; object: ObjectVersion }>, { encoding }: Asked) {
  return entries.map(({ key, object }) => ({
    Key: listName(key, encoding),
    LastModified: iso(object.lastModified),
    ETag: `"${object.etag}"`,
    Size: object.content.size,
    Owner: owner,
    StorageClass: object.storageClass,
  }))
}

function commonPrefixes({ prefixes }: Page<unknown>, { encoding }: Asked) {
  return prefixes.map((prefix) => ({ Prefix: listName(prefix, encoding) }))
}

export function listObjects(call: Call): Answer {
  const a = asked(call, 'max-keys')
  const marker = call.query('marker') ?? ''
  const page = pageOf(objectsOf(call.bucket, a.prefix, marker), marker, a)
  return {
    headers: { 'x-cos-bucket-region': call.service.region },
    body: cosDocument('ListBucketResult', {
      Name: call.bucket.name,
      EncodingType: a.encoding,
      Prefix: listName(a.prefix, a.encoding),
      Marker: listName(marker, a.encoding),
      MaxKeys: a.max,
      Delimiter: a.delimiter === '' ? undefined : listName(a.delimiter, a.encoding),
      IsTruncated: page.next !== null,
      NextMarker: page.next === null ? undefined : listName(page.next, a.encoding),
      CommonPrefixes: commonPrefixes(page, a),
      Contents: contents(page, a),
    }),
  }
}

/** Version 2, which the S3 face has. */
export function listObjectsV2(call: Call): Answer {
  const a = asked(call, 'max-keys')
  const token = call.query('continuation-token')
  const marker =
    token === undefined ? (call.query('start-after') ?? '') : Buffer.from(token, 'base64url').toString()
  const page = pageOf(objectsOf(call.bucket, a.prefix, marker), marker, a)
  return {
    body: cosDocument('ListBucketResult', {
      Name: call.bucket.name,
      EncodingType: a.encoding,
      Prefix: listName(a.prefix, a.encoding),
      MaxKeys: a.max,
      Delimiter: a.delimiter === '' ? undefined : listName(a.delimiter, a.encoding),
      KeyCount: page.entries.length + page.prefixes.length,
      IsTruncated: page.next !== null,
      ContinuationToken: token,
      NextContinuationToken: page.next === null ? undefined : Buffer.from(page.next).toString('base64url'),
      CommonPrefixes: commonPrefixes(page, a),
      Contents: contents(page, a),
    }),
  }
}

export function listVersions(call: Call): Answer {
  const a = asked(call, 'max-keys')
  const keyMarker = call.query('key-marker') ?? ''
  const idMarker = call.query('version-id-marker') ?? ''
  const page = versionPage(call.bucket, a, keyMarker, idMarker)
  return {
    body: cosDocument('ListVersionsResult', {
      Name: call.bucket.name,
      EncodingType: a.encoding,
      Prefix: listName(a.prefix, a.encoding),
      KeyMarker: listName(keyMarker, a.encoding),
      VersionIdMarker: idMarker,
      MaxKeys: a.max,
      Delimiter: a.delimiter === '' ? undefined : listName(a.delimiter, a.encoding),
      IsTruncated: page.next !== null,
      NextKeyMarker: page.next === null ? undefined : listName(page.next.key, a.encoding),
      NextVersionIdMarker: page.next?.versionId,
      CommonPrefixes: page.prefixes.map((prefix) => ({ Prefix: listName(prefix, a.encoding) })),
      '': page.entries.map((entry) => shownVersion(entry, a)),
    }),
  }
}

interface Entry {
  readonly key: string
  readonly version: Version
  readonly isLatest: boolean
}

function versionPage(bucket: Bucket, a: Asked, keyMarker: string, idMarker: string) {
  const entries: Entry[] = []
  const prefixes: string[] = []
  let last: { key: string; versionId: string | undefined } | null = null
  for (const [key, versions] of bucket.listed(a.prefix, keyMarker)) {
    const fold = foldOf(key, a)
    if (fold !== null && (fold === keyMarker || fold === prefixes.at(-1))) continue
    const behind = key === keyMarker ? versionsBehind(versions, idMarker) : versions
    for (const version of fold === null ? behind : behind.slice(0, 1)) {
      if (entries.length + prefixes.length >= a.max)
        return { entries, prefixes, next: a.max === 0 ? null : last }
      if (fold === null) entries.push({ key, version, isLatest: version === versions[0] })
      else prefixes.push(fold)
      last = { key: fold ?? key, versionId: fold === null ? version.versionId : undefined }
    }
  }
  return { entries, prefixes, next: null }
}

/** Also where the one that is named is gone by now, unless that was `null`. */
function versionsBehind(versions: readonly Version[], idMarker: string): readonly Version[] {
  const at = versions.findIndex(({ versionId }) => versionId === idMarker)
  if (at >= 0) return versions.slice(at + 1)
  const order = orderOf(idMarker)
  return order === null ? [] : versions.filter((version) => version.order < order)
}

function shownVersion({ key, version, isLatest }: Entry, { encoding }: Asked) {
  const common = {
    Key: listName(key, encoding),
    VersionId: version.versionId,
    IsLatest: isLatest,
    LastModified: iso(version.lastModified),
    Owner: owner,
  }
  if (version.isDeleteMarker) return { DeleteMarker: common }
  const { etag, content, storageClass } = version
  return { Version: { ...common, ETag: `"${etag}"`, Size: content.size, StorageClass: storageClass } }
}

export function listUploads(call: Call): Answer {
  const a = asked(call, 'max-uploads')
  const keyMarker = call.query('key-marker') ?? ''
  const idMarker = call.query('upload-id-marker') ?? ''
  const page = uploadPage(call.bucket, a, keyMarker, idMarker)
  return {
    body: cosDocument('ListMultipartUploadsResult', {
      Bucket: call.bucket.name,
      'Encoding-Type': a.encoding,
      KeyMarker: listName(keyMarker, a.encoding),
      UploadIdMarker: idMarker,
      MaxUploads: a.max,
      IsTruncated: page.next !== null,
      Prefix: listName(a.prefix, a.encoding),
      Delimiter: a.delimiter === '' ? undefined : listName(a.delimiter, a.encoding),
      NextKeyMarker: page.next === null ? undefined : listName(page.next.key, a.encoding),
      NextUploadIdMarker: page.next?.uploadId,
      Upload: page.uploads.map(({ key, uploadId, initiatedAt, attributes }) => ({
        Key: listName(key, a.encoding),
        UploadId: uploadId,
        StorageClass: attributes.storageClass,
        Initiator: owner,
        Owner: owner,
        Initiated: iso(initiatedAt),
      })),
      CommonPrefixes: page.prefixes.map((prefix) => ({ Prefix: listName(prefix, a.encoding) })),
    }),
  }
}

/** By key, and those of one key in the order in which they were begun. */
function uploadPage(bucket: Bucket, a: Asked, keyMarker: string, idMarker: string) {
  const sorted = [...bucket.uploads.values()]
    .filter(({ key }) => key.startsWith(a.prefix))
    .sort((x, y) => compareNames(x.key, y.key))
  const uploads: Upload[] = []
  const prefixes: string[] = []
  let last: { key: string; uploadId: string } | null = null
  const sameKey = sorted.filter(({ key }) => key === keyMarker)
  const passed =
    idMarker === '' ? sameKey : sameKey.slice(0, 1 + sameKey.findIndex((u) => u.uploadId === idMarker))
  for (const upload of sorted) {
    const { key, uploadId } = upload
    const fold = foldOf(key, a)
    if (compareNames(key, keyMarker) < 0 || passed.includes(upload)) continue
    if (fold !== null && (fold === keyMarker || fold === prefixes.at(-1))) continue
    if (uploads.length + prefixes.length >= a.max)
      return { uploads, prefixes, next: a.max === 0 ? null : last }
    if (fold === null) uploads.push(upload)
    else prefixes.push(fold)
    last = { key: fold ?? key, uploadId: fold === null ? uploadId : '' }
  }
  return { uploads, prefixes, next: null }
}
