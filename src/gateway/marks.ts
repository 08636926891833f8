import { xmlElement } from '../base/xml-reader.ts'
import { isError, SealgateError } from '../errors.ts'
import type { ObjectMarks, Retention } from '../storage/marks.ts'
import type { ObjectVersionName } from '../storage/storage.ts'
import type { SubresourceDocument } from '../storage/subresources.ts'
import { taggingDocument } from '../storage/tagging.ts'
import type { Gateway } from './gateway.ts'
import { checkTags } from './subresources/tags.ts'

export type { ObjectLock, ObjectMarks, Retention, ShownMarks } from '../storage/marks.ts'

/** Throws for what S3 would refuse, or the store does not keep: before the body of the write is read. */
export function checkMarks(gateway: Gateway, { tags = [], lock }: ObjectMarks = {}): void {
  checkTags(tags, 'object')
  if (tags.length > 0 && !keeps(gateway, 'tagging'))
    throw new SealgateError('NotImplemented', 'The storage behind the gateway keeps no tags of objects.', {
      details: { Header: 'x-amz-tagging' },
    })
  if (lock === undefined) return
  if (!keeps(gateway, 'retention')) throw lacksObjectLock()
  if (lock.retention !== undefined && lock.retention.until <= gateway.now())
    throw new SealgateError('InvalidArgument', 'The retain until date must be in the future!', {
      details: { ArgumentName: 'x-amz-object-lock-retain-until-date' },
    })
}

/**
 * Before a write that goes by an upload, where some servers say only when a lock is put on what is already written that the bucket has none: one
 * look, for writes that bring a lock.
 */
export async function requireObjectLock(
  { storage }: Gateway,
  bucket: string,
  { lock }: ObjectMarks = {},
): Promise<void> {
  if (lock === undefined) return
  try {
    await storage.subresources?.readSubresource({ bucket, name: 'object-lock' })
  } catch (error) {
    if (isError(error, 'ObjectLockConfigurationNotFoundError')) throw lacksObjectLock(error)
    // Whoever may not look may still be allowed to write.
    if (!isError(error, 'AccessDenied')) throw error
  }
}

function lacksObjectLock(cause?: unknown): SealgateError {
  return new SealgateError('InvalidRequest', 'Bucket is missing Object Lock Configuration', { cause })
}

export function hasMarks({ tags = [], lock }: ObjectMarks = {}): boolean {
  return tags.length > 0 || lock !== undefined
}

/**
 * After a write that went by an upload: there are servers that take the tags and locks of an upload and lose them. One look at the version that was
 * written tells, and what is not on it is put there; the write has not succeeded before that.
 * @param written of this ETag; what has come in its place by now is another's
 */
export async function confirmMarks(
  gateway: Gateway,
  written: ObjectVersionName & { readonly etag: string },
  { tags = [], lock = {} }: ObjectMarks = {},
): Promise<void> {
  const { retention, legalHold = false } = lock
  if (tags.length === 0 && retention === undefined && !legalHold) return
  const { bucket, key, versionId, etag } = written
  const stored = await gateway.storage.headObject({ bucket, key, versionId })
  if (stored.etag !== etag) return
  const put = (name: string, document: SubresourceDocument) =>
    gateway.storage.subresources?.writeSubresource({ bucket, key, versionId, name }, document)
  if (tags.length > 0 && stored.tagCount !== tags.length) await put('tagging', taggingDocument(tags))
  if (retention !== undefined && !isRetained(stored.lock?.retention, retention)) {
    const until = new Date(retention.until).toISOString()
    const parts = [xmlElement('Mode', retention.mode), xmlElement('RetainUntilDate', until)]
    await put('retention', xmlElement('Retention', parts))?.catch((error: unknown) => {
      // A stricter one is there already: the bucket's default.
      if (!isError(error, 'AccessDenied')) throw error
      gateway.warn('an upload has the retention of its bucket, which is stricter than its own', error)
    })
  }
  if (legalHold && stored.lock?.legalHold !== true)
    await put('legal-hold', xmlElement('LegalHold', [xmlElement('Status', 'ON')]))
}

/** Some stores keep whole seconds. */
function isRetained(found: Retention | undefined, wanted: Retention): boolean {
  return found?.mode === wanted.mode && Math.abs(found.until - wanted.until) <= 1000
}

function keeps(gateway: Gateway, name: string): boolean {
  return gateway.storage.subresources?.keeps('object', name) === true
}
