/** Primary result codes of SQLite (sqlite.org/rescode.html) that mean something here. */
const SQLITE = { busy: 5, readOnly: 8, full: 13, cannotOpen: 14 } as const

/** True if SQLite threw this, with one of the given codes; the low byte of an extended result code is the primary one. */
export function isSqliteError(error: unknown, ...codes: readonly (keyof typeof SQLITE)[]): boolean {
  const code = (error as { errcode?: unknown } | null)?.errcode
  return typeof code === 'number' && codes.some((name) => SQLITE[name] === (code & 0xff))
}

/** SQLITE_IOERR_SHMSIZE: the file of shared memory beside the log could not be made as large as it must be. */
const SHARED_MEMORY_SIZE = 4874

/** True if SQLite met a full disk. */
export function isDiskFull(error: unknown): boolean {
  return (
    isSqliteError(error, 'full') || (error as { errcode?: unknown } | null)?.errcode === SHARED_MEMORY_SIZE
  )
}
