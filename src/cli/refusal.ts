import { LostRealmError, StartupError } from '../app.ts'
import { ConfigError } from '../config/config.ts'
import { isError } from '../errors.ts'
import { KeyringError, KeySetupError, KmsError, RingError } from '../keys/index.ts'
import { RecoveryError } from '../recovery/recovery-error.ts'

/** What the system means, in words. A code that is not here is no operator's business. */
const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'this user has no permission',
  EPERM: 'the system does not permit it',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
  ENOENT: 'there is no such file or directory',
  ENOTDIR: 'a file is where a directory should be',
  EEXIST: 'a file is where a directory should be',
  EISDIR: 'a directory is where a file should be',
  ELOOP: 'symbolic links go round in a circle',
  EMFILE: 'too many files are open',
  EIO: 'the disk reports an error',
}

/** Errors that were written for an operator. */
const SENTENCES = [
  ConfigError,
  StartupError,
  KeyringError,
  RingError,
  KeySetupError,
  RecoveryError,
  LostRealmError,
]

/** The sentence for an error that an operator can mend, or null for a bug. */
export function refusal(error: unknown): string | null {
  if (SENTENCES.some((kind) => error instanceof kind)) return (error as Error).message
  if (error instanceof KmsError) return `The key service cannot be used: ${error.message.replace(/\.$/, '')}.`
  // A store that fails in the middle of a command; what does not fit together is no such thing.
  if (isError(error, 'AccessDenied', 'ServiceUnavailable', 'SlowDown', 'NoSuchBucket'))
    return `The store cannot be used: ${(error.reason ?? error.message).replace(/\.$/, '')}. Run this again when the cause is gone.`
  const { path, syscall, code, hostname } = error as NodeJS.ErrnoException & { hostname?: string }
  // Without a network the name is not unknown, but cannot be looked up: another code each time.
  if (syscall === 'getaddrinfo')
    return `Cannot listen on ${hostname}: the host name cannot be looked up (${code}); change listen / SEALGATE_LISTEN.`
  const words = inWords(error)
  if (words !== null && path !== undefined) return `${path}: ${words}.`
  if (isSqliteError(error)) return `The index of the store cannot be opened: ${error.message}.`
  return null
}

/** 2: could not be tried, and the sentence says what to do. 1: was tried and is not authentic, or a bug. */
export function exitStatus(error: unknown): number {
  if (error instanceof RecoveryError) return error.untried ? 2 : 1
  return refusal(error) === null ? 1 : 2
}

/** The words for a system error, or null if it is none or not a known one. */
export function inWords(error: unknown): string | null {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  return code === undefined ? null : (WORDS[code] ?? null)
}

/** The index is opened by SQLite, whose errors have no path. */
function isSqliteError(error: unknown): error is Error {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'ERR_SQLITE_ERROR'
}
