/** The object that a copy is made of. */
import { SealgateError } from '../../src/errors.ts'
import { type Call, unquoted } from './s3-call.ts'

export async function sourceOf(call: Call, { twice } = { twice: false }) {
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

export function checkCopySize({ maxCopyBytes }: Call, size: number): void {
  if (size > maxCopyBytes)
    throw new SealgateError(
      'InvalidRequest',
      `The specified copy source is larger than the maximum allowable size for a copy source: ${maxCopyBytes}`,
    )
}
