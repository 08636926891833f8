import type { Logger } from 'pino'
import { ERRORS, type ErrorKind } from '../errors.ts'

/** What came of a request; every other field is logged as it is. */
export interface LoggedRequest {
  readonly durationMs: number
  readonly error?: string | undefined
  readonly reason?: string | undefined
  readonly cause?: unknown
}

/**
 * One line a request. Its level follows the error and not the status, which may have been sent before the error was found: a body that
 * breaks at a forged segment began as 200.
 */
export function logRequest(log: Logger, { cause, durationMs, ...outcome }: LoggedRequest): void {
  const line = { ...outcome, durationMs: Math.round(durationMs * 100) / 100 }
  const level = levelOf(outcome)
  if (level === 'info') log.info(line, 'request')
  else log[level]({ ...line, err: cause }, 'request failed')
}

/** What is the operator's to see: faults, a key service that refuses, and objects that nobody sealed. The rest is between the client and its request. */
function levelOf({ error, reason }: Omit<LoggedRequest, 'durationMs'>): 'info' | 'warn' | 'error' {
  if (error === undefined || error === 'NotImplemented') return 'info'
  const status = Object.hasOwn(ERRORS, error) ? ERRORS[error as ErrorKind].status : 500
  if (status >= 500) return 'error'
  return /^(KMS|plaintext): /.test(reason ?? '') ? 'warn' : 'info'
}
