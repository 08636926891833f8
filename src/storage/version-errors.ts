import { SealgateError } from '../errors.ts'

/* How stores say that a version cannot be had; S3 tells some of it by headers (S3 User Guide, "Working with delete markers"). */

export function noSuchVersion(key: string, versionId: string, cause?: unknown): SealgateError {
  return new SealgateError('NoSuchVersion', undefined, { cause, details: { Key: key, VersionId: versionId } })
}

export function invalidVersionId(versionId: string, cause?: unknown): SealgateError {
  return new SealgateError('InvalidArgument', 'Invalid version id specified', {
    cause,
    details: { ArgumentName: 'versionId', ArgumentValue: versionId },
  })
}

/** The newest version of the key is a delete marker. */
export function hiddenKey(key: string, versionId: string): SealgateError {
  return new SealgateError('NoSuchKey', undefined, {
    details: { Key: key },
    headers: { 'x-amz-delete-marker': 'true', 'x-amz-version-id': versionId },
  })
}

/**
 * The version that was named is a delete marker, of which nothing can be had.
 *
 * @param lastModified NaN if the store does not tell it
 */
export function deleteMarkerNamed(versionId: string, lastModified: number, cause?: unknown): SealgateError {
  return new SealgateError('MethodNotAllowed', undefined, {
    cause,
    details: { ResourceType: 'DeleteMarker' },
    headers: {
      allow: 'DELETE',
      ...(Number.isNaN(lastModified) ? {} : { 'last-modified': new Date(lastModified).toUTCString() }),
      'x-amz-delete-marker': 'true',
      'x-amz-version-id': versionId,
    },
  })
}
