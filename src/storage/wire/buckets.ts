import { xmlElement } from '../../base/xml-reader.ts'
import { writeXml } from '../../base/xml-writer.ts'
import { isError, SealgateError } from '../../errors.ts'
import { ListMarkers } from '../list-markers.ts'
import type { NewBucket } from '../storage.ts'
import type { StoreClient } from './client.ts'
import { badAnswer } from './errors.ts'
import { listMultipartUploads, listObjects } from './lists.ts'
import { abortMultipartUpload } from './multipart.ts'
import { headBucket, type Store } from './store.ts'
import { wireVersioning } from './versions.ts'

/** Stores differ in what they say of a bucket that one owns already, some of them success: so it is looked at first. */
export async function createBucket(store: Store, bucket: string, options: NewBucket = {}): Promise<void> {
  const stored = takenAware(store, bucket)
  const there = await headBucket(store, bucket).then(
    () => new SealgateError('BucketAlreadyOwnedByYou'),
    (error: unknown) => {
      if (isError(error, 'NoSuchBucket')) return null
      if (isError(error, 'AccessDenied'))
        return new SealgateError('BucketAlreadyExists', undefined, { cause: error })
      throw error
    },
  )
  if (there !== null) throw there
  try {
    await makeBucket(store.client, stored, options)
  } catch (error) {
    if (isError(error, 'NoSuchBucket')) throw invalidName(store, bucket, stored, error)
    throw error
  }
}

/** By the store's own name of it. */
export async function makeBucket(
  client: StoreClient,
  bucket: string,
  options: NewBucket = {},
): Promise<void> {
  try {
    await put(client, bucket, client.dialect.location, options)
  } catch (error) {
    // A store that knows no regions by name makes its buckets where it is.
    if (client.dialect.location === null || !isError(error, 'InternalError')) throw error
    await put(client, bucket, 'us-east-1', options)
  }
}

/** A name whose bucket at the store is another's cannot be had, nor one that is too long there. */
function takenAware(store: Store, bucket: string): string {
  const { names } = store
  if (!names.isPossible(bucket)) throw invalidName(store, bucket, names.proposed(bucket))
  try {
    return names.stored(bucket)
  } catch (error) {
    if (isError(error, 'NoSuchBucket'))
      throw new SealgateError('BucketAlreadyExists', undefined, { cause: error })
    throw error
  }
}

function invalidName({ names }: Store, bucket: string, stored: string, cause?: unknown): SealgateError {
  const maxLength = names.form.maxLength(bucket)
  const added = stored.length - bucket.length
  const message =
    stored.length > maxLength
      ? `The specified bucket is not valid. Behind this gateway the name of this bucket may have at most ${maxLength - added} characters.`
      : 'The specified bucket is not valid: the storage behind the gateway does not take that name.'
  return new SealgateError('InvalidBucketName', message, { cause, details: { BucketName: bucket } })
}

async function put(
  client: StoreClient,
  bucket: string,
  region: string | null,
  { objectLock = false, acl = {} }: NewBucket,
): Promise<void> {
  const where = (name: string) =>
    writeXml(xmlElement('CreateBucketConfiguration', [xmlElement('LocationConstraint', name)]))
  await client.done({
    method: 'PUT',
    bucket,
    headers: { ...acl, ...(objectLock ? { 'x-amz-bucket-object-lock-enabled': 'true' } : {}) },
    // us-east-1 has no name of its own here.
    ...(region === null || region === 'us-east-1' ? {} : { body: Buffer.from(where(region)) }),
    idempotent: true,
  })
}

export async function deleteBucket(store: Store, bucket: string): Promise<void> {
  store.known.forget(bucket)
  const remove = () =>
    store.client.done({ method: 'DELETE', bucket: store.names.stored(bucket), idempotent: false })
  try {
    await remove()
  } catch (error) {
    // Some servers keep a bucket for its uploads under way; with S3 they go with it.
    if (!isError(error, 'BucketNotEmpty') || !(await holdsOnlyUploads(store, bucket))) throw error
    await abortUploads(store, bucket)
    await remove()
  }
}

async function holdsOnlyUploads(store: Store, bucket: string): Promise<boolean> {
  const all = { bucket, prefix: '', delimiter: '' }
  const { objects } = await listObjects(store, { ...all, startAfter: '', maxKeys: 1 })
  if (objects.length > 0) return false
  if (!store.capabilities.versions) return true
  const { versions } = await wireVersioning(store).listObjectVersions({
    ...all,
    keyMarker: '',
    versionIdMarker: '',
    maxKeys: 1,
  })
  return versions.length === 0
}

async function abortUploads(store: Store, bucket: string): Promise<void> {
  const first = { bucket, prefix: '', delimiter: '', keyMarker: '', uploadIdMarker: '', maxUploads: 1000 }
  const markers = new ListMarkers('')
  for (;;) {
    // Always the first page: what was on it is gone.
    const { uploads, isTruncated } = await listMultipartUploads(store, first)
    for (const { key, uploadId } of uploads)
      await abortMultipartUpload(store, { bucket, key, uploadId }).catch((error: unknown) => {
        if (!isError(error, 'NoSuchUpload')) throw error
      })
    const [begin] = uploads
    if (!isTruncated || begin === undefined) return
    if (!markers.leadOn(uploads.length, begin.key, begin.uploadId))
      throw badAnswer('a list with an upload that was ended')
  }
}
