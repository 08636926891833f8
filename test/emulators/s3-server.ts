/**
 * An S3 server that keeps what it gets as it gets it: what is behind a gateway. Signatures, chunks and trailers are verified by the
 * gateway's own front, bytes are kept by the fs store. It counts its calls, and can be made to ignore what real servers ignore.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { XmlElement } from '../../src/base/xml-reader.ts'
import { writeXml } from '../../src/base/xml-writer.ts'
import { isError, SealgateError } from '../../src/errors.ts'
import { RequestHeaders } from '../../src/s3/headers.ts'
import { readSmallBody, requestBody } from '../../src/s3/request-body.ts'
import { authenticate } from '../../src/s3/sigv4.ts'
import { parseTarget, type Target } from '../../src/s3/target.ts'
import { childrenOf, childText, parseXml, type XmlTree, xmlDocument } from '../../src/s3/xml.ts'
import { openFilesystemStorage } from '../../src/storage/filesystem.ts'
import type { ObjectMarks } from '../../src/storage/marks.ts'
import type {
  ListObjectsRequest,
  ObjectAttributes,
  Storage,
  StoredObject,
  WriteCondition,
} from '../../src/storage/storage.ts'
import type { Subresources } from '../../src/storage/subresources.ts'
import type { Versioning } from '../../src/storage/versioning.ts'
import { listFoldingLate } from './late-folding.ts'
import { Locks } from './s3-locks.ts'
import { KeptSubresources, SUBRESOURCE_NAMES } from './s3-subresources.ts'

/**
 * What a server may take no notice of. `decoded`: that it has decoded the source of a part already; `folding`: that pages are of what is
 * shown; `part-marker`: a marker that is the number of no part, behind which it then has nothing; `underscores`: that names of metadata
 * differ by them; `upload-prefixes`: what it has folded of a list of uploads; `versions`: that there are such; `versioned-conditions`:
 * conditions in buckets with versions; `version-ids`: which version is asked for; `upload-marks`: tags and locks of an upload.
 */
export type Ignored =
  | 'copy-source-if-match'
  | 'put'
  | 'copy'
  | 'complete'
  | 'delete'
  | 'decoded'
  | 'folding'
  | 'part-marker'
  | 'versions'
  | 'underscores'
  | 'upload-prefixes'
  | 'versioned-conditions'
  | 'version-ids'
  | 'upload-marks'

export interface S3Server {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly storage: Storage
  readonly subresources: KeptSubresources
  /** Names of the calls since the last `counted`, in their order. */
  counted(): string[]
  close(): Promise<void>
}

export interface S3ServerOptions {
  readonly ignores?: readonly Ignored[]
  /** Requests must be signed for it; default us-east-1. */
  readonly region?: string
  /** Largest source of CopyObject and of a part, in bytes. */
  readonly maxCopyBytes?: number
  /** Puts something between the server and what it keeps. */
  readonly wrap?: (storage: Storage) => Storage
  /** Elements of documents that it does not know, and drops. */
  readonly unknownElements?: readonly string[]
  /** Before anything of a call is done: may throw, or answer itself and return true. */
  readonly intercept?: (call: string, request: IncomingMessage, response: ServerResponse) => boolean
}

interface Call {
  readonly storage: Storage
  readonly subresources: KeptSubresources
  readonly locks: Locks
  readonly target: Target
  readonly bucket: string
  readonly key: string
  readonly query: (name: string) => string | undefined
  readonly headers: RequestHeaders
  readonly body: () => ReturnType<typeof requestBody>
  readonly ignores: ReadonlySet<Ignored>
  readonly maxCopyBytes: number
}

interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | AsyncIterable<Uint8Array>
}

const ACCESS_KEY_ID = 'AKIDSTORE'
const SECRET_ACCESS_KEY = 'the-secret-of-the-store-behind'

export async function startS3Server(options: S3ServerOptions = {}): Promise<S3Server> {
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-s3-server-'))
  const files = await openFilesystemStorage({ directory })
  const storage = options.wrap?.(files) ?? files
  const subresources = new KeptSubresources(options.unknownElements)
  const locks = new Locks(subresources)
  let calls: string[] = []
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const headers = new RequestHeaders(request.rawHeaders)
    const target = parseTarget(request.url ?? '', headers.get('host'), [])
    const method = request.method ?? ''
    const signed = { method, target, headers }
    const credentials = (id: string) => (id === ACCESS_KEY_ID ? SECRET_ACCESS_KEY : undefined)
    const { payload } = authenticate(signed, {
      credentials,
      region: options.region ?? 'us-east-1',
      now: Date.now,
    })
    const name = nameOf(method, target, headers)
    calls.push(name)
    if (options.intercept?.(name, request, response) === true) return
    const ignores = new Set(options.ignores)
    const call: Call = {
      storage,
      subresources,
      locks,
      target,
      bucket: target.bucket ?? '',
      key: target.key ?? '',
      query: (parameter) =>
        parameter === 'versionId' && ignores.has('version-ids') ? undefined : target.query.get(parameter),
      headers,
      body: () =>
        requestBody({
          body: request,
          method,
          headers,
          payload,
          maxBytes: 2 ** 40,
          checksumsOf: method === 'POST' ? 'object' : 'body',
        }),
      ignores,
      maxCopyBytes: options.maxCopyBytes ?? 5 * 1024 ** 3,
    }
    const operation = OPERATIONS[name]
    if (operation === undefined) throw new SealgateError('NotImplemented')
    await write(response, await operation(call))
  }
  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => fail(request, response, error))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    accessKeyId: ACCESS_KEY_ID,
    secretAccessKey: SECRET_ACCESS_KEY,
    storage,
    subresources,
    counted() {
      const counted = calls
      calls = []
      return counted
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await files.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function nameOf(method: string, { bucket, key, query }: Target, headers: RequestHeaders): string {
  if (bucket === null) return 'ListBuckets'
  const copies = headers.get('x-amz-copy-source') !== undefined
  if (subresourceIn(query) !== undefined) return `${SUBRESOURCE[method]}Subresource`
  if (key === null) {
    if (query.has('versioning')) return method === 'PUT' ? 'PutBucketVersioning' : 'GetBucketVersioning'
    if (method === 'POST' && query.has('delete')) return 'DeleteObjects'
    if (method !== 'GET') return `${BUCKET[method]}Bucket`
    if (query.has('uploads')) return 'ListMultipartUploads'
    if (query.has('versions')) return 'ListObjectVersions'
    return query.has('list-type') ? 'ListObjectsV2' : 'GetBucketSetting'
  }
  if (query.has('uploads')) return 'CreateMultipartUpload'
  if (!query.has('uploadId')) return method === 'PUT' && copies ? 'CopyObject' : `${OBJECT[method]}Object`
  if (method === 'PUT') return copies ? 'UploadPartCopy' : 'UploadPart'
  return { GET: 'ListParts', POST: 'CompleteMultipartUpload', DELETE: 'AbortMultipartUpload' }[method] ?? ''
}

const SUBRESOURCE: Readonly<Record<string, string>> = { PUT: 'Put', GET: 'Get', DELETE: 'Delete' }

function subresourceIn(query: Target['query']): string | undefined {
  return SUBRESOURCE_NAMES.find((name) => query.has(name))
}

const BUCKET: Readonly<Record<string, string>> = { PUT: 'Create', HEAD: 'Head', DELETE: 'Delete' }
const OBJECT: Readonly<Record<string, string>> = { PUT: 'Put', GET: 'Get', HEAD: 'Head', DELETE: 'Delete' }

const OPERATIONS: Readonly<Record<string, (call: Call) => Promise<Answer>>> = {
  async ListBuckets({ storage }) {
    const buckets = await storage.listBuckets()
    const Bucket = buckets.map(({ name, createdAt }) => ({ Name: name, CreationDate: iso(createdAt) }))
    return xml('ListAllMyBucketsResult', { Buckets: { Bucket } })
  },
  async GetBucketVersioning(call) {
    const status = await versioningOf(call).getBucketVersioning(call.bucket)
    return xml('VersioningConfiguration', { Status: status ?? undefined })
  },
  async PutBucketVersioning(call) {
    const status = childText(parseXml(await readSmallBody(call.body(), 65_536)), 'Status')
    assert.ok(status === 'Enabled' || status === 'Suspended')
    await versioningOf(call).putBucketVersioning(call.bucket, status)
    return {}
  },
  async GetBucketSetting() {
    throw new SealgateError('NotImplemented')
  },
  async GetSubresource(call) {
    const at = await subresourceOf(call)
    if (at.isTagging) {
      const { document, headers } = await tagsOf(call).readSubresource(at)
      return { headers, body: writeXml(document as XmlElement) }
    }
    const { text, headers } = call.subresources.get(at)
    return { headers: { ...headers, 'content-type': 'application/xml' }, body: text }
  },
  async PutSubresource(call) {
    const { headers } = call
    if (headers.get('content-md5') === undefined) throw new SealgateError('InvalidDigest')
    const bytes = await readSmallBody(call.body(), 1024 * 1024)
    const at = await subresourceOf(call)
    if (at.isTagging) return { headers: await tagsOf(call).writeSubresource(at, parseXml(bytes)) }
    if (at.name === 'retention') call.locks.checkRetention({ ...at, versionId: at.id }, headers)
    const told = headers.names().filter((name) => /^x-amz-(transition|bypass|confirm|acl|grant)/.test(name))
    const kept = Object.fromEntries(told.map((name) => [name, headers.get(name) ?? '']))
    call.subresources.put(at, bytes, kept)
    return {}
  },
  async DeleteSubresource(call) {
    const at = await subresourceOf(call)
    if (at.isTagging) return { status: 204, headers: await tagsOf(call).removeSubresource(at) }
    call.subresources.remove(at)
    return { status: 204 }
  },
  async CreateBucket({ storage, bucket, headers, locks }) {
    await storage.createBucket(bucket)
    if (headers.get('x-amz-bucket-object-lock-enabled') !== 'true') return {}
    await storage.versioning?.putBucketVersioning(bucket, 'Enabled')
    locks.enable(bucket)
    return {}
  },
  async HeadBucket({ storage, bucket }) {
    await storage.headBucket(bucket)
    return {}
  },
  async DeleteBucket({ storage, subresources, bucket }) {
    await storage.deleteBucket(bucket)
    subresources.forget(bucket)
    return { status: 204 }
  },
  async PutObject(call) {
    const { storage, bucket, key } = call
    call.locks.checkWrite(bucket, call.headers)
    const body = call.body()
    const { etag, versionId } = await storage.putObject({
      ...{ bucket, key, body, size: body.size },
      ...attributes(call),
      condition: await condition(call, 'put'),
    })
    call.locks.written({ bucket, key, versionId }, call.headers)
    return { headers: { etag: `"${etag}"`, ...version(versionId) } }
  },
  async HeadObject({ storage, bucket, key, query, locks }) {
    const object = await storage.headObject({ bucket, key, versionId: query('versionId') })
    const lock = locks.shown({ bucket, key, ...object })
    return { headers: { ...shown(object), ...lock, 'content-length': String(object.size) } }
  },
  async GetObject({ storage, bucket, key, headers, query, locks }) {
    const [, start, end] = /^bytes=(\d*)-(\d*)$/.exec(headers.get('range') ?? '') ?? []
    const ifMatch = unquoted(headers.get('if-match'))
    const range =
      start === undefined
        ? undefined
        : start === ''
          ? { suffix: Number(end) }
          : { start: Number(start), end: Number(end) }
    const found = await storage.getObject({ bucket, key, range, ifMatch, versionId: query('versionId') })
    const length = { 'content-length': String(found.end - found.start + 1) }
    const where = { 'content-range': `bytes ${found.start}-${found.end}/${found.object.size}` }
    return {
      status: range === undefined ? 200 : 206,
      headers: {
        ...shown(found.object),
        ...locks.shown({ bucket, key, ...found.object }),
        ...length,
        ...(range === undefined ? {} : where),
      },
      body: found.body,
    }
  },
  async DeleteObject(call) {
    const { storage, bucket, key, headers, query } = call
    const conditional = await condition(call, 'delete')
    const ifMatch = conditional !== undefined && 'ifMatch' in conditional ? conditional.ifMatch : undefined
    call.locks.checkDeletion({ bucket, key, versionId: query('versionId') }, headers)
    const deleted = await storage.deleteObject({ bucket, key, ifMatch, versionId: query('versionId') })
    const marker = deleted.isDeleteMarker ? { 'x-amz-delete-marker': 'true' } : {}
    return { status: 204, headers: { ...version(deleted.versionId), ...marker } }
  },
  async DeleteObjects(call) {
    const document = parseXml(await readSmallBody(call.body(), 4 * 1024 * 1024))
    for (const object of childrenOf(document, 'Object'))
      await call.storage.deleteObject({ bucket: call.bucket, key: childText(object, 'Key') ?? '' })
    return xml('DeleteResult', {})
  },
  async CopyObject(call) {
    const { storage, bucket, key } = call
    const source = await sourceOf(call)
    checkCopySize(call, source.size)
    call.locks.checkWrite(bucket, call.headers)
    const copied = await storage.copyObject({
      ...{ bucket, key, source, sourceEtag: source.etag, sourceSize: source.size },
      ...attributes(call),
      condition: await condition(call, 'copy'),
    })
    call.locks.written({ bucket, key, versionId: copied.versionId }, call.headers)
    const result = { ETag: `"${copied.etag}"`, LastModified: iso(copied.lastModified) }
    return xml('CopyObjectResult', result, version(copied.versionId))
  },
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
    return xml('ListBucketResult', {
      EncodingType: 'url',
      IsTruncated: page.next !== undefined,
      NextContinuationToken: page.next,
      Contents: page.objects.map((object) => ({
        Key: encodeURIComponent(object.key),
        LastModified: iso(object.lastModified),
        ETag: `"${object.etag}"`,
        Size: object.size,
        StorageClass: object.storageClass,
      })),
      CommonPrefixes: page.commonPrefixes.map((prefix) => ({ Prefix: encodeURIComponent(prefix) })),
    })
  },
  async ListObjectVersions(call) {
    const { bucket, query } = call
    const page = await versioningOf(call).listObjectVersions({
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
  async ListMultipartUploads({ storage, bucket, query, ignores }) {
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

/** What the document belongs to must be there. */
async function subresourceOf({ storage, bucket, key, target, query, subresources }: Call) {
  const name = subresourceIn(target.query) ?? ''
  await storage.headBucket(bucket)
  if (key === '') return { bucket, key, name, id: query('id'), isTagging: false }
  const versionId = query('versionId')
  const object = await storage.headObject({ bucket, key, versionId })
  if (name !== 'tagging' && !subresources.has({ bucket, key: '', name: 'object-lock', id: undefined }))
    throw new SealgateError('InvalidRequest')
  return { bucket, key, name, id: object.versionId, versionId, isTagging: name === 'tagging' }
}

/** Tags of objects are kept by the store beneath, with the versions. */
function tagsOf({ storage }: Call): Subresources {
  assert.ok(storage.subresources)
  return storage.subresources
}

function part({ bucket, key, query }: Call) {
  return { bucket, key, uploadId: query('uploadId') ?? '', partNumber: Number(query('partNumber') ?? 0) }
}

const storageList = (storage: Storage, request: ListObjectsRequest) => storage.listObjects(request)

/** The marker if it is the number of a part, and otherwise one that nothing is behind. */
async function knownPart(call: Call, marker: number): Promise<number> {
  const { parts } = await call.storage.listParts({ ...part(call), partNumberMarker: 0, maxParts: 1000 })
  return marker === 0 || parts.some(({ partNumber }) => partNumber === marker) ? marker : 10_000
}

async function sourceOf(call: Call, { twice } = { twice: false }) {
  const [name = '', versionId] = (call.headers.get('x-amz-copy-source') ?? '').split('?versionId=')
  const decoded = decodeURIComponent(name.replace(/^\//, ''))
  const path = twice ? decodeURIComponent(decoded) : decoded
  const [bucket, key] = [path.slice(0, path.indexOf('/')), path.slice(path.indexOf('/') + 1)]
  const { etag, size } = await call.storage.headObject({ bucket, key, versionId })
  const wanted = unquoted(call.headers.get('x-amz-copy-source-if-match'))
  if (wanted !== undefined && wanted !== etag && !call.ignores.has('copy-source-if-match'))
    throw new SealgateError('PreconditionFailed')
  return { bucket, key, versionId, etag, size }
}

function checkCopySize({ maxCopyBytes }: Call, size: number): void {
  if (size > maxCopyBytes)
    throw new SealgateError(
      'InvalidRequest',
      `The specified copy source is larger than the maximum allowable size for a copy source: ${maxCopyBytes}`,
    )
}

async function condition(call: Call, write: Ignored): Promise<WriteCondition | undefined> {
  const { headers, ignores, storage, bucket } = call
  if (ignores.has(write)) return undefined
  if (ignores.has('versioned-conditions') && (await storage.versioning?.getBucketVersioning(bucket)) != null)
    return undefined
  if (headers.get('if-none-match') === '*') return { ifNoneMatch: '*' }
  const ifMatch = unquoted(headers.get('if-match'))
  return ifMatch === undefined ? undefined : { ifMatch }
}

const KEPT =
  /^(cache-control|content-(disposition|encoding|language|type)|expires|x-amz-website-redirect-location)$/

function attributes({ headers, ignores }: Call): ObjectAttributes & { readonly marks: ObjectMarks } {
  const kept = (name: string) => (ignores.has('underscores') ? name.replaceAll('_', '-') : name)
  const entries = headers.names().map((name) => [name, headers.get(name) ?? ''] as const)
  const metadata = entries.filter(([name]) => name.startsWith('x-amz-meta-'))
  return {
    headers: Object.fromEntries(entries.filter(([name]) => KEPT.test(name))),
    metadata: Object.fromEntries(metadata.map(([name, value]) => [kept(name.slice(11)), value])),
    marks: tagged(headers),
    storageClass: headers.get('x-amz-storage-class') ?? 'STANDARD',
  }
}

/** A copy has its source's tags unless its directive says otherwise. */
function tagged(headers: RequestHeaders): ObjectMarks {
  const isCopy = headers.get('x-amz-copy-source') !== undefined
  if (isCopy && headers.get('x-amz-tagging-directive') !== 'REPLACE') return {}
  const tags = [...new URLSearchParams(headers.get('x-amz-tagging') ?? '')]
  return { tags: tags.map(([key, value]) => ({ key, value })) }
}

function shown(object: StoredObject): Record<string, string> {
  const metadata = Object.entries(object.metadata).map(([name, value]) => [`x-amz-meta-${name}`, value])
  return {
    ...object.headers,
    ...(object.tagCount === undefined ? {} : { 'x-amz-tagging-count': String(object.tagCount) }),
    ...(Object.fromEntries(metadata) as Record<string, string>),
    etag: `"${object.etag}"`,
    'last-modified': new Date(object.lastModified).toUTCString(),
    ...version(object.versionId),
  }
}

function version(versionId: string | undefined): Record<string, string> {
  return versionId === undefined ? {} : { 'x-amz-version-id': versionId }
}

function versioningOf({ storage, ignores }: Call): Versioning {
  if (storage.versioning === null || ignores.has('versions')) throw new SealgateError('NotImplemented')
  return storage.versioning
}

function xml(root: string, content: XmlTree, headers: Readonly<Record<string, string>> = {}): Answer {
  return { headers: { 'content-type': 'application/xml', ...headers }, body: xmlDocument(root, content) }
}

async function write(response: ServerResponse, { status = 200, headers = {}, body }: Answer): Promise<void> {
  response.writeHead(status, headers)
  if (typeof body === 'string' || body === undefined) return void response.end(body)
  await pipeline(body, response)
}

function fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.writableEnded) return void response.destroy()
  const known = isError(error) ? error : new SealgateError('InternalError', String(error))
  // A connection that closes on unread bytes takes the answer with it.
  request.resume()
  response.writeHead(known.status, { ...known.headers, 'content-type': 'application/xml' })
  response.end(
    request.method === 'HEAD'
      ? undefined
      : `<Error><Code>${known.kind}</Code>${regionElement(known)}</Error>`,
  )
}

function unquoted(etag: string | undefined): string | undefined {
  return etag?.replaceAll('"', '')
}

function iso(time: number): string {
  return new Date(time).toISOString()
}

/** What S3 says to those who signed for another region. */
function regionElement({ details }: SealgateError): string {
  const { Region } = details
  return Region === undefined ? '' : `<Region>${Region}</Region>`
}
