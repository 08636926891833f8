import { KmsError } from './kms/kms-error.ts'

/** In grace the KMS is asked again this often. */
export const GRACE_STEP_MS = 1000

/** True if a key whose time ended at `endMs` may go on, because the KMS does not answer at the moment. */
export function isInGrace(error: unknown, endMs: number, graceMs: number, nowMs: number): boolean {
  return error instanceof KmsError && error.passing && nowMs < endMs + graceMs
}
