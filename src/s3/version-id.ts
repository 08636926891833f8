import { SealgateError } from '../errors.ts'
import type { Context } from './context.ts'

const MAX_VERSION_ID_LENGTH = 1024

/** The version that a request names by `versionId`; undefined for the newest. Which ids there are, the store knows. */
export function readVersionId(context: Context): string | undefined {
  const versionId = context.target.query.get('versionId')
  return versionId === undefined ? undefined : checkedVersionId(versionId)
}

/** @throws SealgateError InvalidArgument for what no store can have given, nor take */
export function checkedVersionId(versionId: string, argument = 'versionId'): string {
  if (versionId.length <= MAX_VERSION_ID_LENGTH && /^[!-~]+$/.test(versionId)) return versionId
  throw new SealgateError(
    'InvalidArgument',
    versionId === '' ? 'Version id cannot be the empty string' : 'Invalid version id specified',
    { details: { ArgumentName: argument, ArgumentValue: versionId } },
  )
}

/** The header of answers about an object, where its bucket has versions. */
export function versionHeaders(versionId: string | undefined): Record<string, string> {
  return versionId === undefined ? {} : { 'x-amz-version-id': versionId }
}

export function sourceVersionHeaders(versionId: string | undefined): Record<string, string> {
  return versionId === undefined ? {} : { 'x-amz-copy-source-version-id': versionId }
}
