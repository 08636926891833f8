/**
 * What a server enforces is not told by its version or its name, and what it ignores it answers with success: so it is tried, on
 * scratch keys of the system bucket, once at every start. Each line asks for something that must be refused, and something that must
 * not.
 */

import { encodePath } from '../../base/uri-encode.ts'
import { childrenOf, childText, type XmlElement } from '../../base/xml-reader.ts'
import type { ConditionSupport } from '../capabilities.ts'
import { UNPROBED, type WireCapabilities } from './capabilities.ts'
import { readAll, type StoreClient } from './client.ts'
import { completionOf, readResult } from './documents.ts'
import { ConnectionError } from './errors.ts'
import type { STORED_HEADERS } from './headers.ts'
import { probeEmptyParts, probeLeadingSlash, probeUnprintableNames } from './probe-names.ts'
import { rootOf, Scratch } from './scratch.ts'

const MORE_METADATA_BYTES = 4096
const OTHER_ETAG = '"00000000000000000000000000000000"'
const HEADER_VALUES: Readonly<Record<(typeof STORED_HEADERS)[number], string>> = {
  'cache-control': 'max-age=1',
  'content-disposition': 'attachment; filename="a b"',
  'content-encoding': 'gzip',
  'content-language': 'de',
  'content-type': 'text/x-probe; charset="utf-8"',
  expires: 'Thu, 01 Dec 1994 16:00:00 GMT',
  'x-amz-website-redirect-location': '/elsewhere',
}

/** What is tried; of a server's lists and numbers of parts it would prove nothing. */
export type Probed = Omit<WireCapabilities, 'versionedConditions' | keyof Facts>

/** What is known of a kind of server. */
export type Facts = Pick<WireCapabilities, 'partGaps' | 'pagesByToken' | 'anyDelimiter' | 'punctuation'>

/** All but what holds in buckets with versions; see probe-versions.ts. */
export async function probe(
  client: StoreClient,
  bucket: string,
  probeIntegrity: (scratch: Scratch) => Promise<WireCapabilities['integrity']>,
): Promise<Probed> {
  const scratch = new Scratch(client, bucket)
  const probes = [
    probeIntegrity(scratch),
    probePut(scratch),
    probeDelete(scratch),
    probeCopy(scratch),
    probePartSource(scratch),
    probeComplete(scratch),
    probeUploads(scratch),
    probeAttributes(scratch),
    probeLeadingSlash(scratch),
    probeEmptyParts(scratch),
    probeUnprintableNames(scratch),
    probeVersions(client, bucket),
  ] as const
  try {
    const [
      integrity,
      put,
      remove,
      copy,
      parts,
      complete,
      uploads,
      kept,
      leadingSlash,
      emptyParts,
      unprintableNames,
      versions,
    ] = await Promise.all(probes)
    return {
      conditions: conditionsOf(put.conditions, remove, complete, copy),
      ...copy,
      ...parts,
      integrity,
      bareIfMatch: put.bareIfMatch,
      ...uploads,
      leadingSlash,
      emptyParts,
      unprintableNames,
      versions,
      ...kept,
    }
  } finally {
    // One that fails leaves the others under way, and what they make after this would stay.
    await Promise.allSettled(probes)
    await scratch.clear()
  }
}

/** A copy goes by one of these ways, the first that keeps its condition. */
function conditionsOf(
  put: ConditionSupport,
  remove: ConditionSupport,
  complete: ConditionSupport,
  { copySourceIfMatch, copyObject }: Pick<WireCapabilities, 'copySourceIfMatch' | 'copyObject'>,
): WireCapabilities['conditions'] {
  const copy = (kind: keyof ConditionSupport) =>
    (copySourceIfMatch && copyObject[kind]) || complete[kind] || put[kind]
  return {
    put,
    delete: remove,
    complete,
    copy: { ifMatch: copy('ifMatch'), ifNoneMatch: copy('ifNoneMatch') },
  }
}

const small = Buffer.from('probe')

export async function probePut(
  scratch: Scratch,
): Promise<{ conditions: ConditionSupport; bareIfMatch: boolean }> {
  const etag = await scratch.put('put')
  const put = async (key: string, headers: Readonly<Record<string, string>>) =>
    (await scratch.ask(key, { method: 'PUT', headers, body: small })).status
  const ifNoneMatch =
    (await put('put', { 'if-none-match': '*' })) === 412 &&
    (await put('put-new', { 'if-none-match': '*' })) === 200
  const refusesOther = (await put('put', { 'if-match': OTHER_ETAG })) === 412
  const ifMatch = (await put('put', { 'if-match': etag })) === 200
  const bareIfMatch = !ifMatch && (await put('put', { 'if-match': etag.replaceAll('"', '') })) === 200
  return { conditions: { ifNoneMatch, ifMatch: refusesOther && (ifMatch || bareIfMatch) }, bareIfMatch }
}

export async function probeDelete(scratch: Scratch): Promise<ConditionSupport> {
  const etag = await scratch.put('delete')
  const remove = async (ifMatch: string) =>
    (await scratch.ask('delete', { method: 'DELETE', headers: { 'if-match': ifMatch } })).status
  const there = async () => (await scratch.ask('delete', { method: 'HEAD' })).status === 200
  const ifMatch = (await remove(OTHER_ETAG)) === 412 && (await there()) && (await remove(etag)) < 300
  return { ifMatch, ifNoneMatch: false }
}

export async function probeCopy(
  scratch: Scratch,
): Promise<Pick<WireCapabilities, 'copySourceIfMatch' | 'copyObject'>> {
  const etag = await scratch.put('source')
  const { bucket, key } = scratch.name('source')
  const copy = async (to: string, headers: Readonly<Record<string, string>>) => {
    const source = {
      'x-amz-copy-source': encodePath(`/${bucket}/${key}`),
      'x-amz-metadata-directive': 'REPLACE',
    }
    return (await scratch.ask(to, { method: 'PUT', headers: { ...source, ...headers } })).status
  }
  const copySourceIfMatch =
    (await copy('copy', { 'x-amz-copy-source-if-match': OTHER_ETAG })) === 412 &&
    (await copy('copy', { 'x-amz-copy-source-if-match': etag })) === 200
  await scratch.put('target')
  const copyObject = {
    ifMatch: (await copy('target', { 'if-match': OTHER_ETAG })) === 412,
    ifNoneMatch: (await copy('target', { 'if-none-match': '*' })) === 412,
  }
  return { copySourceIfMatch, copyObject }
}

async function probePartSource(scratch: Scratch): Promise<Pick<WireCapabilities, 'decodesPartSource'>> {
  await scratch.put('per%25cent')
  const { bucket, key } = scratch.name('per%25cent')
  const path = encodePath(`/${bucket}/${key}`)
  const target = 'of a part'
  const uploadId = await beginUpload(scratch, target)
  const copies = async (source: string) => {
    const query = { uploadId, partNumber: 1 }
    const headers = { 'x-amz-copy-source': source }
    return (await scratch.ask(target, { method: 'PUT', query, headers })).status === 200
  }
  const decodesPartSource = !(await copies(path)) && (await copies(encodePath(path)))
  await scratch.ask(target, { method: 'DELETE', query: { uploadId } })
  return { decodesPartSource }
}

export async function probeComplete(scratch: Scratch): Promise<ConditionSupport> {
  const existing = await scratch.put('complete')
  return {
    ifNoneMatch: (await tryComplete(scratch, { 'if-none-match': '*' })) === 412,
    ifMatch:
      (await tryComplete(scratch, { 'if-match': OTHER_ETAG })) === 412 &&
      (await tryComplete(scratch, { 'if-match': existing })) === 200,
  }
}

async function probeUploads(
  scratch: Scratch,
): Promise<
  Pick<
    WireCapabilities,
    'listsUploads' | 'encodesUploads' | 'foldsUploads' | 'listsBehindNoPart' | 'abortsUnknown'
  >
> {
  const key = 'to list'
  const uploadId = await beginUpload(scratch, key)
  await scratch.ask(key, { method: 'PUT', query: { uploadId, partNumber: 2 }, body: small })
  const behind = await scratch.ask(key, { method: 'GET', query: { uploadId, 'part-number-marker': 1 } })
  const query = { uploads: '', 'encoding-type': 'url', 'max-uploads': 1000 }
  const list = readResult(await scratch.list({ ...query, 'key-marker': scratch.prefix }), UPLOADS)
  const isOurs = (upload: XmlElement) => childText(upload, 'UploadId') === uploadId
  const page = { uploads: '', 'key-marker': `${scratch.prefix}${key}`, 'upload-id-marker': uploadId }
  const pages = (await scratch.ask(key, { method: 'GET', query: page, key: undefined })).status === 200
  const found = childrenOf(list, 'Upload').find(isOurs)
  // Some find none by part of a key, and without a prefix only what they have in memory.
  const below = readResult(await scratch.list({ ...query, prefix: scratch.prefix }), UPLOADS)
  const shown = found === undefined ? key : (childText(found, 'Key') ?? '')
  const folding = { uploads: '', prefix: `${scratch.prefix}to`, delimiter: ' ' }
  const folded = readResult(await scratch.list(folding), UPLOADS)
  const abort = async () => (await scratch.ask(key, { method: 'DELETE', query: { uploadId } })).status
  await abort()
  return {
    listsUploads: pages && found !== undefined && childrenOf(below, 'Upload').some(isOurs),
    foldsUploads: childrenOf(folded, 'CommonPrefixes').some((prefix) => childText(prefix, 'Prefix')),
    listsBehindNoPart:
      behind.status === 200 && childrenOf(readResult(behind.bytes, 'ListPartsResult'), 'Part').length === 1,
    encodesUploads: childText(list, 'EncodingType') !== 'url' && !shown.endsWith(key),
    abortsUnknown: (await abort()) < 300,
  }
}

const UPLOADS = 'ListMultipartUploadsResult'

async function beginUpload(scratch: Scratch, key: string): Promise<string> {
  const { bytes } = await scratch.ask(key, { method: 'POST', query: { uploads: '' } })
  return childText(readResult(bytes, 'InitiateMultipartUploadResult'), 'UploadId') ?? ''
}

/** An upload of one part, completed under a condition; what is left of it goes. */
async function tryComplete(scratch: Scratch, condition: Readonly<Record<string, string>>): Promise<number> {
  const uploadId = await beginUpload(scratch, 'complete')
  const part = await scratch.ask('complete', {
    method: 'PUT',
    query: { uploadId, partNumber: 1 },
    body: small,
  })
  const { status } = await scratch.ask('complete', {
    method: 'POST',
    query: { uploadId },
    headers: condition,
    body: completionOf([{ partNumber: 1, etag: part.headers['etag'] ?? '' }]),
  })
  if (status !== 200) await scratch.ask('complete', { method: 'DELETE', query: { uploadId } })
  return status
}

async function probeAttributes(
  scratch: Scratch,
): Promise<Pick<WireCapabilities, 'headers' | 'listsWrites' | 'underscores' | 'metadataBytes'>> {
  const headers: Record<string, boolean> = {}
  for (const [name, value] of Object.entries(HEADER_VALUES)) {
    const { status } = await scratch.ask('headers', {
      method: 'PUT',
      headers: { [name]: value },
      body: small,
    })
    const head = await scratch.ask('headers', { method: 'HEAD' })
    headers[name] = status === 200 && head.headers[name] === value
  }
  const list = readResult(
    await scratch.list({ 'list-type': 2, prefix: `${scratch.prefix}headers` }),
    'ListBucketResult',
  )
  const listsWrites = childrenOf(list, 'Contents').some((object) =>
    childText(object, 'Key')?.endsWith('/headers'),
  )
  const underscore = { 'x-amz-meta-under_score': 'kept' }
  const { status } = await scratch.ask('headers', { method: 'PUT', headers: underscore, body: small })
  const head = await scratch.ask('headers', { method: 'HEAD' })
  const underscores = status === 200 && head.headers['x-amz-meta-under_score'] === 'kept'
  return { headers, listsWrites, underscores, metadataBytes: await probeMetadata(scratch) }
}

/** Where there is room behind S3's 2 KiB the envelope takes none of the client's. */
async function probeMetadata(scratch: Scratch): Promise<number> {
  const name = 'x-amz-meta-room'
  const value = 'r'.repeat(MORE_METADATA_BYTES - 'room'.length)
  try {
    const put = await scratch.ask('metadata', { method: 'PUT', headers: { [name]: value }, body: small })
    const head = await scratch.ask('metadata', { method: 'HEAD' })
    if (put.status === 200 && head.headers[name] === value) return MORE_METADATA_BYTES
  } catch (error) {
    // Headers that are too long for it may end the connection.
    if (!(error instanceof ConnectionError)) throw error
  }
  return UNPROBED.metadataBytes
}

/** The system bucket never gets versions, so it is only asked whether it has them; a server without versions does not know the question. */
async function probeVersions(client: StoreClient, bucket: string): Promise<boolean> {
  const { status, body } = await client.once({
    method: 'GET',
    bucket,
    query: { versioning: '' },
    idempotent: true,
  })
  const bytes = await readAll(body, 64 * 1024)
  // What the credentials may not ask of this bucket they may of others.
  return status === 403 || (status === 200 && rootOf(bytes) === 'VersioningConfiguration')
}
