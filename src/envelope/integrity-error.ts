import { SealgateError } from '../errors.ts'

/**
 * What every failed check of stored bytes becomes: one kind to the outside, whatever it was that failed.
 * @param reason finer reason for the audit log; a fixed string, never data
 */
export function integrityError(reason: string): SealgateError {
  return new SealgateError('ObjectIntegrityError', undefined, { reason })
}
