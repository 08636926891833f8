/** Operations of single objects, and the deletion of many. */
import { childrenOf, childText } from '../../../src/base/xml-reader.ts'
import { Content } from './blobs.ts'
import type { Bucket, ObjectVersion } from './bucket.ts'
import {
  type Answer,
  attributesOf,
  type Call,
  checkKey,
  checkOverwrite,
  decimal,
  md5Of,
  shownHeaders,
  wantedMd5,
} from './call.ts'
import { newEtag } from './etag.ts'
import { CosRefusal } from './refusal.ts'
import { cosDocument, parseDocument } from './xml.ts'

const MAX_DELETED = 1000

export async function putObject(call: Call): Promise<Answer> {
  checkKey(call.key)
  const { bucket, key, service } = call
  const attributes = attributesOf(call)
  checkOverwrite(call)
  const blob = await call.receive()
  try {
    checkOverwrite(call)
  } catch (error) {
    await blob.release()
    throw error
  }
  const version: ObjectVersion = {
    ...attributes,
    ...bucket.next(),
    isDeleteMarker: false,
    etag: service.md5Etags ? blob.md5 : newEtag(),
    content: new Content([blob]),
  }
  await bucket.add(key, version)
  return {
    headers: {
      etag: `"${version.etag}"`,
      'x-cos-hash-crc64ecma': decimal(blob.crc64),
      ...(bucket.versioning === 'Enabled' ? { 'x-cos-version-id': version.versionId } : {}),
    },
  }
}

export function headObject(call: Call): Answer {
  const { status, headers } = read(call)
  return { status, headers }
}

export function getObject(call: Call): Answer {
  const { status, headers, object, start, end } = read(call)
  const overrides = ['type', 'language', 'disposition', 'encoding', 'md5']
    .map((name) => `content-${name}`)
    .concat('cache-control', 'expires')
    .flatMap((name) => {
      const value = call.query(`response-${name}`)
      return value === undefined ? [] : [[name, value] as const]
    })
  return {
    status,
    headers: { ...headers, ...Object.fromEntries(overrides) },
    body: object.content.slice(start, end),
  }
}

function read(call: Call) {
  const { bucket, key, query, headers } = call
  const object = bucket.find(key, query('versionId'))
  checkConditions(call, object)
  const shown = shownHeaders(object, bucket)
  const { size } = object.content
  const range = readRange(headers['range'], size)
  const [start, end] = range ?? [0, size]
  const part = range === null ? {} : { 'content-range': `bytes ${start}-${end - 1}/${size}` }
  return {
    object,
    start,
    end,
    status: range === null ? 200 : 206,
    headers: {
      'content-type': 'application/octet-stream',
      ...shown,
      ...part,
      'content-length': String(end - start),
    },
  }
}

/** One range only; of what is none no notice is taken. */
function readRange(header: string | undefined, size: number): [start: number, end: number] | null {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? []
  if (first === '' && last === '') return null
  const start = first === '' ? Math.max(size - Number(last), 0) : Number(first)
  const end = first === '' || last === '' ? size : Math.min(Number(last) + 1, size)
  if (start >= size || start >= end) throw new CosRefusal('InvalidRange')
  return [start, end]
}

function checkConditions({ headers }: Call, object: ObjectVersion): void {
  const fits = (list: string) =>
    list === '*' || list.split(',').some((etag) => etag.trim().replaceAll('"', '') === object.etag)
  const { 'if-match': match, 'if-none-match': noneMatch } = headers
  if (match !== undefined && !fits(match)) throw new CosRefusal('PreconditionFailed')
  const unmodified = Date.parse(headers['if-unmodified-since'] ?? '')
  if (match === undefined && object.lastModified > unmodified) throw new CosRefusal('PreconditionFailed')
  if (noneMatch !== undefined && fits(noneMatch)) throw new CosRefusal('NotModified')
  const modified = Date.parse(headers['if-modified-since'] ?? '')
  if (noneMatch === undefined && object.lastModified <= modified) throw new CosRefusal('NotModified')
}

export async function deleteObject(call: Call): Promise<Answer> {
  checkKey(call.key)
  const { versionId, isDeleteMarker } = await remove(call.bucket, call.key, call.query('versionId'))
  return {
    status: 204,
    headers: {
      ...(versionId === undefined ? {} : { 'x-cos-version-id': versionId }),
      ...(isDeleteMarker ? { 'x-cos-delete-marker': 'true' } : {}),
    },
  }
}

export async function deleteObjects(call: Call): Promise<Answer> {
  const { bucket } = call
  const bytes = await call.document()
  const md5 = wantedMd5(call.headers)
  if (md5 === null)
    throw new CosRefusal('InvalidRequest', 'Missing required header for this request: Content-MD5')
  if (md5 !== md5Of(bytes)) throw new CosRefusal('BadDigest')
  const document = parseDocument(bytes)
  const objects = childrenOf(document, 'Object')
  if (objects.length === 0 || objects.length > MAX_DELETED) throw new CosRefusal('MalformedXML')
  const Deleted = []
  for (const object of objects) {
    const [key, named] = [childText(object, 'Key') ?? '', childText(object, 'VersionId')]
    const gone = key.startsWith('/') ? { isDeleteMarker: false } : await remove(bucket, key, named)
    Deleted.push({
      Key: key,
      VersionId: named,
      DeleteMarker: gone.isDeleteMarker ? true : undefined,
      DeleteMarkerVersionId: gone.isDeleteMarker ? gone.versionId : undefined,
    })
  }
  const isQuiet = childText(document, 'Quiet') === 'true'
  return { body: cosDocument('DeleteResult', isQuiet ? {} : { Deleted }) }
}

interface Removed {
  readonly versionId?: string | undefined
  readonly isDeleteMarker: boolean
}

/** With a version that goes for ever; without one the key is hidden where the bucket has versions. */
async function remove(bucket: Bucket, key: string, versionId: string | undefined): Promise<Removed> {
  if (versionId !== undefined) {
    const version = bucket.named(key, versionId)
    if (version !== undefined) await bucket.remove(key, version)
    return { versionId, isDeleteMarker: version?.isDeleteMarker === true }
  }
  if (bucket.versioning === null) {
    for (const version of bucket.versions(key)) await bucket.remove(key, version)
    return { isDeleteMarker: false }
  }
  const marker = { ...bucket.next(), isDeleteMarker: true } as const
  await bucket.add(key, marker)
  return { versionId: marker.versionId, isDeleteMarker: true }
}
