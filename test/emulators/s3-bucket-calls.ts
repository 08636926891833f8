import assert from 'node:assert/strict'
import type { XmlElement } from '../../src/base/xml-reader.ts'
import { writeXml } from '../../src/base/xml-writer.ts'
import { SealgateError } from '../../src/errors.ts'
import { readSmallBody } from '../../src/s3/request-body.ts'
import { childText, parseXml } from '../../src/s3/xml.ts'
import type { Subresources } from '../../src/storage/subresources.ts'
import { type Call, iso, type Operations, versioningOf, xml } from './s3-call.ts'
import { subresourceIn } from './s3-call-names.ts'

/** Buckets, and the documents of buckets and objects. */
export const BUCKET_CALLS: Operations = {
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
