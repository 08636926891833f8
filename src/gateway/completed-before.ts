import { ENVELOPE_METADATA_NAME } from '../envelope/index.ts'
import { isError, type SealgateError } from '../errors.ts'
import { checksumsOf, type ObjectChecksum } from './checksum.ts'
import type { EncryptionAnswer } from './encryption.ts'
import { toClientEtag } from './etag.ts'
import type { Gateway } from './gateway.ts'
import { confirmMarks } from './marks.ts'
import { pinnedVersion } from './object-version.ts'
import { readEnvelope, readFooter } from './open-object.ts'
import { readDone, readInit, removeState, requireUpload, type UploadName, writeDone } from './upload-state.ts'

/* What an upload came to: noted when it is completed, so that a Complete that is sent again after its answer was lost gets the same answer. */

export interface CompleteMultipartUploadOutput {
  readonly encryption: EncryptionAnswer
  readonly etag: string
  readonly lastModified: number
  readonly versionId?: string | undefined
  readonly checksums: readonly ObjectChecksum[]
}

/** The object is there: whatever fails from here on is logged and left to the collector. */
export async function finish(
  gateway: Gateway,
  upload: UploadName,
  output: CompleteMultipartUploadOutput,
): Promise<void> {
  try {
    const checksums = output.checksums.map((checksum) => ({
      ...checksum,
      value: checksum.value.toString('base64'),
    }))
    await writeDone(gateway, upload, { ...output, checksums })
    await removeState(gateway, upload)
  } catch (error) {
    gateway.warn('state of a completed upload is left behind', error)
  }
}

/**
 * `done` says what an earlier Complete answered; before that is written, the object itself tells by its envelope. The earlier
 * one may be just at that point, hence the second look.
 */
export async function answerOfEarlier(
  gateway: Gateway,
  upload: UploadName,
): Promise<CompleteMultipartUploadOutput | null> {
  return (
    (await answerOfRecord(gateway, upload)) ??
    (await answerOfObject(gateway, upload)) ??
    (await answerOfRecord(gateway, upload))
  )
}

async function answerOfRecord(
  gateway: Gateway,
  upload: UploadName,
): Promise<CompleteMultipartUploadOutput | null> {
  const done = await readDone(gateway, upload)
  if (done === null) return null
  const checksums = done.checksums.map((checksum) => ({
    ...checksum,
    value: Buffer.from(checksum.value, 'base64'),
  }))
  return { ...done, checksums }
}

/**
 * An upload that is over may have become a version that is not the newest any more; then that is the answer, and no second one is made. What
 * went wrong is thrown if the upload is not over, or ended otherwise.
 */
export async function answerOfOlderVersion(
  gateway: Gateway,
  upload: UploadName,
  failure: SealgateError,
): Promise<CompleteMultipartUploadOutput> {
  try {
    await requireUpload(gateway, upload)
  } catch (error) {
    if (!isError(error, 'NoSuchUpload')) throw error
    for (const versionId of await olderVersions(gateway, upload)) {
      const answer = await answerOfObject(gateway, upload, versionId)
      if (answer !== null) return answer
    }
    throw error
  }
  throw failure
}

/** Of those behind the newest, as many as other writers may have made while one waited for its answer. */
const OLDER_VERSIONS = 20

async function olderVersions(gateway: Gateway, { bucket, key }: UploadName): Promise<readonly string[]> {
  const { versioning } = gateway.storage
  if (versioning === null) return []
  const page = await versioning.listObjectVersions({
    bucket,
    prefix: key,
    delimiter: '',
    keyMarker: '',
    versionIdMarker: '',
    maxKeys: OLDER_VERSIONS,
  })
  return page.versions.flatMap((version) =>
    version.key === key && !version.isDeleteMarker && !version.isLatest ? [version.versionId] : [],
  )
}

/** No upload, no object, or one that is none of this upload, be it foreign or damaged. */
const NOT_OURS = [
  'NoSuchUpload',
  'NoSuchKey',
  'NoSuchVersion',
  'PreconditionFailed',
  'ObjectIntegrityError',
] as const

async function answerOfObject(
  gateway: Gateway,
  upload: UploadName,
  versionId?: string,
): Promise<CompleteMultipartUploadOutput | null> {
  try {
    const init = await readInit(gateway, upload)
    const { bucket, key } = upload
    const stored = await gateway.storage.headObject({ bucket, key, versionId })
    if (stored.metadata[ENVELOPE_METADATA_NAME] !== init.envelope) return null
    // The same envelope that was sealed here: what it holds is known, whoever's key it is under.
    const { objectKey, encryption } = init
    const version = pinnedVersion(versionId, stored)
    const object = { bucket, key, stored, version, ...readEnvelope(stored), objectKey, encryption }
    const checksums = checksumsOf(await readFooter(gateway, object))
    const { etag, lastModified } = stored
    const output = {
      etag: toClientEtag(etag),
      lastModified,
      versionId: stored.versionId,
      encryption,
      checksums,
    }
    await confirmMarks(gateway, { ...upload, versionId: version, etag }, init.marks)
    await finish(gateway, upload, output)
    return output
  } catch (error) {
    if (isError(error, ...NOT_OURS)) return null
    throw error
  }
}
