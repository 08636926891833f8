import { commonPrefixOf } from '../../src/base/common-prefix.ts'
import { SealgateError } from '../../src/errors.ts'
import type { ListObjectsRequest, Storage } from '../../src/storage/storage.ts'
import type {
  ListObjectVersionsRequest,
  ListObjectVersionsResult,
  Versioning,
} from '../../src/storage/versioning.ts'
import { listFoldingLate } from './late-folding.ts'
import { iso, type Operations, versioningOf, xml } from './s3-call.ts'

export const LIST_CALLS: Operations = {
  async ListObjectsV2({ storage, bucket, query, ignores }) {
    const list = ignores.has('folding') ? listFoldingLate : storageList
    const page = await list(storage, {
      bucket,
      prefix: query('prefix') ?? '',
      delimiter: query('delimiter') ?? '',
      startAfter: query('start-after') ?? '',
      continuationToken: query('continuation-token'),
      maxKeys: Number(query('max-keys') ?? 1000),
    })
    const isPlain = ignores.has('name-encoding')
    const named = isPlain ? printable : encodeURIComponent
    return xml('ListBucketResult', {
      EncodingType: isPlain ? undefined : 'url',
      IsTruncated: page.next !== undefined,
      NextContinuationToken: page.next,
      Contents: page.objects.map((object) => ({
        Key: named(object.key),
        LastModified: iso(object.lastModified),
        ETag: `"${object.etag}"`,
        Size: object.size,
        StorageClass: object.storageClass,
      })),
      CommonPrefixes: page.commonPrefixes.map((prefix) => ({ Prefix: named(prefix) })),
    })
  },
  async ListObjectVersions(call) {
    const { bucket, query, ignores } = call
    const list = ignores.has('version-markers') ? listWithMarker : listVersions
    const page = await list(versioningOf(call), {
      bucket,
      prefix: query('prefix') ?? '',
      delimiter: query('delimiter') ?? '',
      keyMarker: query('key-marker') ?? '',
      versionIdMarker: query('version-id-marker') ?? '',
      maxKeys: Number(query('max-keys') ?? 1000),
    })
    return xml('ListVersionsResult', {
      EncodingType: 'url',
      IsTruncated: page.isTruncated,
      NextKeyMarker: encodeURIComponent(page.nextKeyMarker),
      NextVersionIdMarker: page.nextVersionIdMarker,
      '': page.versions.map((entry) => {
        const { key, versionId, isLatest, lastModified } = entry
        const common = {
          Key: encodeURIComponent(key),
          VersionId: versionId,
          IsLatest: isLatest,
          LastModified: iso(lastModified),
        }
        return entry.isDeleteMarker
          ? { DeleteMarker: common }
          : {
              Version: {
                ...common,
                ETag: `"${entry.etag}"`,
                Size: entry.size,
                StorageClass: entry.storageClass,
              },
            }
      }),
      CommonPrefixes: page.commonPrefixes.map((prefix) => ({ Prefix: encodeURIComponent(prefix) })),
    })
  },
  async ListMultipartUploads({ storage, bucket, query, ignores }) {
    if (ignores.has('upload-markers') && query('upload-id-marker') !== undefined)
      throw new SealgateError('InvalidArgument')
    const page = await storage.listMultipartUploads({
      bucket,
      prefix: query('prefix') ?? '',
      delimiter: query('delimiter') ?? '',
      keyMarker: query('key-marker') ?? '',
      uploadIdMarker: query('upload-id-marker') ?? '',
      maxUploads: Number(query('max-uploads') ?? 1000),
    })
    return xml('ListMultipartUploadsResult', {
      EncodingType: 'url',
      IsTruncated: page.isTruncated,
      NextKeyMarker: encodeURIComponent(page.nextKeyMarker),
      NextUploadIdMarker: page.nextUploadIdMarker,
      Upload: page.uploads.map(({ key, uploadId, initiatedAt }) => ({
        Key: encodeURIComponent(key),
        UploadId: uploadId,
        Initiated: iso(initiatedAt),
      })),
      CommonPrefixes: (ignores.has('upload-prefixes') ? [] : page.commonPrefixes).map((prefix) => ({
        Prefix: encodeURIComponent(prefix),
      })),
    })
  },
}

const storageList = (storage: Storage, request: ListObjectsRequest) => storage.listObjects(request)

const listVersions = (versioning: Versioning, request: ListObjectVersionsRequest) =>
  versioning.listObjectVersions(request)

/** A page that begins with the version that its marker names. */
async function listWithMarker(versioning: Versioning, request: ListObjectVersionsRequest) {
  const { keyMarker, versionIdMarker, maxKeys } = request
  const page = await versioning.listObjectVersions(request)
  if (versionIdMarker === '' || commonPrefixOf(keyMarker, request) !== null) return page
  const all = {
    ...request,
    prefix: keyMarker,
    delimiter: '',
    keyMarker: '',
    versionIdMarker: '',
    maxKeys: 1000,
  }
  const marker = (await versioning.listObjectVersions(all)).versions.find(
    ({ key, versionId }) => key === keyMarker && versionId === versionIdMarker,
  )
  if (marker === undefined) return page
  const isFull = page.versions.length + page.commonPrefixes.length >= maxKeys
  const rest = isFull ? withoutLast(page) : page
  const shown = { ...rest, versions: [marker, ...rest.versions] }
  if (!isFull) return { ...page, ...shown }
  const prefix = shown.commonPrefixes.at(-1)
  const version = shown.versions.at(-1) ?? marker
  const next =
    prefix !== undefined && isBehind(prefix, version.key)
      ? { nextKeyMarker: prefix, nextVersionIdMarker: '' }
      : { nextKeyMarker: version.key, nextVersionIdMarker: version.versionId }
  return { ...shown, isTruncated: true, ...next }
}

function withoutLast({
  versions,
  commonPrefixes,
}: ListObjectVersionsResult): Pick<ListObjectVersionsResult, 'versions' | 'commonPrefixes'> {
  const prefix = commonPrefixes.at(-1)
  return prefix !== undefined && isBehind(prefix, versions.at(-1)?.key ?? '')
    ? { versions, commonPrefixes: commonPrefixes.slice(0, -1) }
    : { versions: versions.slice(0, -1), commonPrefixes }
}

function isBehind(a: string, b: string): boolean {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) > 0
}

const NO_XML = /[^\P{Cc}\t\n\r\u007f-\u009f]|[\ufffe\uffff]/gu
const printable = (name: string) => name.replaceAll(NO_XML, '\ufffd')
