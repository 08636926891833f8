import type { StoreFailure } from '../wire/errors.ts'
import { FORBID_OVERWRITE } from './words.ts'

/** What COS calls otherwise than S3 (COS API documentation, "Error Codes"). */
const CODES: Readonly<Record<string, string>> = {
  EntitySizeNotMatch: 'IncompleteBody',
  FileAlreadyExists: 'PreconditionFailed',
  InvalidDigest: 'BadDigest',
  KeyTooLong: 'KeyTooLongError',
  KmsFreqControl: 'SlowDown',
  NoSuchCopySource: 'NoSuchKey',
  // Others write the same key at this moment.
  PathConflict: 'OperationAborted',
  // One key is uploaded too often.
  UploadConflict: 'SlowDown',
}

/** The refusal in S3's words. */
export function refusedByS3(failure: StoreFailure, sent: Readonly<Record<string, string>>): StoreFailure {
  const { status, code, message } = failure
  const isOfKey = status === 409 || code === 'FileAlreadyExists' || code === 'PathConflict'
  if (isOfKey && sent[FORBID_OVERWRITE] !== undefined) return { ...failure, ...ofCondition(code) }
  // A clock is wrong, here or there.
  if (code === 'AccessDenied' && /expired/i.test(message)) return { ...failure, code: 'RequestTimeTooSkewed' }
  return { ...failure, code: CODES[code] ?? code }
}

/** What a write that must not overwrite is told: by one code or another that there is something, or that others are at it. */
function ofCondition(code: string): Pick<StoreFailure, 'status' | 'code'> {
  if (code === 'PathConflict') return { status: 409, code: 'ConditionalRequestConflict' }
  return { status: 412, code: 'PreconditionFailed' }
}
