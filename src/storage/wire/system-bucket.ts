import { childrenOf, childText, readXml, type XmlElement } from '../../base/xml-reader.ts'
import { isError, SealgateError } from '../../errors.ts'
import { createBucket } from './buckets.ts'
import { readAll } from './client.ts'
import { badAnswer } from './errors.ts'
import { headBucket, type Store } from './store.ts'

/** Why the system bucket cannot be used, in a sentence for the operator. */
export class SystemBucketError extends Error {
  override readonly name = 'SystemBucketError'
}

/**
 * Makes the system bucket if it is missing, and looks whether something in its settings would keep, hide or remove records behind the
 * gateway's back. A setting that the credentials may not read is reported, and taken to be off.
 */
export async function prepareSystemBucket(
  store: Store,
  bucket: string,
  warn: (message: string) => void,
): Promise<void> {
  try {
    await headBucket(store, bucket)
  } catch (error) {
    if (!isError(error, 'NoSuchBucket')) throw error
    await createBucket(store, bucket)
    return
  }
  const versioning = await readSetting(store, bucket, 'versioning', warn)
  const status = versioning === null ? undefined : childText(versioning, 'Status')
  if (status === 'Enabled' || status === 'Suspended')
    throw refusal(bucket, 'is or was versioned: what the gateway deletes would stay there')
  const lock = await readSetting(store, bucket, 'object-lock', warn)
  if (lock !== null && childText(lock, 'ObjectLockEnabled') === 'Enabled')
    throw refusal(bucket, 'has Object Lock: what the gateway deletes would stay there')
  const lifecycle = await readSetting(store, bucket, 'lifecycle', warn)
  if (
    lifecycle !== null &&
    childrenOf(lifecycle, 'Rule').some((rule) => childText(rule, 'Status') === 'Enabled')
  )
    throw refusal(bucket, 'has lifecycle rules, which would remove records that are needed')
}

function refusal(bucket: string, why: string): SystemBucketError {
  return new SystemBucketError(
    `The system bucket ${bucket} ${why}. Name a bucket of its own by systemBucket / SEALGATE_SYSTEM_BUCKET (it is made if it is missing).`,
  )
}

/** A setting's document, or null if there is none: then stores answer 404, or that they do not know the setting. */
async function readSetting(
  store: Store,
  bucket: string,
  setting: string,
  warn: (message: string) => void,
): Promise<XmlElement | null> {
  const { status, body } = await store.client.once({
    method: 'GET',
    bucket: store.names.stored(bucket),
    query: { [setting]: '' },
    idempotent: true,
  })
  const bytes = await readAll(body, 64 * 1024)
  if (status === 403)
    warn(`the credentials of the store may not read ?${setting} of the system bucket; it is taken to be off`)
  if (status === 403 || status === 404 || status === 405 || status === 501) return null
  if (status === 400 || status >= 500)
    throw new SealgateError('ServiceUnavailable', undefined, {
      reason: `the store answered ${status} to ?${setting} of the system bucket`,
    })
  return bytes.length === 0
    ? null
    : readXml(bytes, (reason) => {
        throw badAnswer(reason)
      })
}
