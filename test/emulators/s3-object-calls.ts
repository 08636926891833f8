import { readSmallBody } from '../../src/s3/request-body.ts'
import { childrenOf, childText, parseXml } from '../../src/s3/xml.ts'
import type { StoredObject } from '../../src/storage/storage.ts'
import { attributes, condition, iso, type Operations, unquoted, version, xml } from './s3-call.ts'
import { checkCopySize, sourceOf } from './s3-copy-sources.ts'

export const OBJECT_CALLS: Operations = {
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
