import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isSqliteError } from './sqlite-error.ts'

export const LOCK_FILE = 'server.lock'

/**
 * Takes the exclusive right to serve `directory` (made if absent) until `release`, or until the process dies.
 * The lock is SQLite's on a file of its own, so the kernel drops it also after kill -9.
 * Throws DirectoryLockedError if another holder, in this process or another, has it.
 */
export async function lockDirectory(directory: string): Promise<{ release(): void }> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const database = new DatabaseSync(join(directory, LOCK_FILE), { timeout: 0 })
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    throw isSqliteError(error, 'busy') ? new DirectoryLockedError(directory, error) : error
  }
  return {
    release: () => {
      if (database.isOpen) database.close()
    },
  }
}

/** Whether somebody holds the lock of a directory that has been locked before. Any number may ask at once. */
export function isLocked(directory: string): boolean {
  const database = new DatabaseSync(join(directory, LOCK_FILE), { timeout: 0 })
  try {
    database.exec('SELECT 1 FROM sqlite_master')
    return false
  } catch (error) {
    if (isSqliteError(error, 'busy')) return true
    throw error
  } finally {
    database.close()
  }
}

/** Another server runs on the same directory. */
export class DirectoryLockedError extends Error {
  override readonly name = 'DirectoryLockedError'
  readonly code = 'DIRECTORY_LOCKED'

  constructor(directory: string, cause: unknown) {
    super(`the directory ${directory} is in use by another server`, { cause })
  }
}
