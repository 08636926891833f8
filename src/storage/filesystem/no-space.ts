import { isError, SealgateError } from '../../errors.ts'
import { isDiskFull } from './sqlite-error.ts'

const NO_SPACE = 'no space left'

/** A full disk is no fault of the request, and may be mended while clients try again. */
export function noSpaceLeft(cause?: unknown): SealgateError {
  return new SealgateError('ServiceUnavailable', 'The store has no space left.', { cause, reason: NO_SPACE })
}

/** What a full disk made the system or SQLite throw, as clients are told it; every other error as it is. */
export function readable(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code
  const isFull = code === 'ENOSPC' || code === 'EDQUOT' || isDiskFull(error)
  return isFull ? noSpaceLeft(error) : error
}

export function isNoSpace(error: unknown): boolean {
  const told = readable(error)
  return isError(told, 'ServiceUnavailable') && told.reason === NO_SPACE
}
