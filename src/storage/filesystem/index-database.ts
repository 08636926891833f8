import { statSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { readable } from './no-space.ts'
import { isSqliteError } from './sqlite-error.ts'

/** The version of the index. An older one is brought up to date when it is opened for writing; any other is refused. */
const VERSION = '2'

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS bucket(name TEXT PRIMARY KEY, created INTEGER NOT NULL) WITHOUT ROWID;
  -- Keys are UTF-8 bytes, so that SQLite's order of blobs is S3's order of keys. extents: JSON [[blob id, size], ...].
  CREATE TABLE IF NOT EXISTS object(
    bucket TEXT NOT NULL, key BLOB NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, modified INTEGER NOT NULL,
    class TEXT NOT NULL, headers TEXT NOT NULL, metadata TEXT NOT NULL, extents TEXT NOT NULL,
    version TEXT NOT NULL DEFAULT 'null', PRIMARY KEY(bucket, key)) WITHOUT ROWID;
  -- Buckets that have or had versions, and what is not the newest version of its key, or is a delete marker; see object-versions.ts.
  CREATE TABLE IF NOT EXISTS versioning(bucket TEXT PRIMARY KEY, status TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS version(
    bucket TEXT NOT NULL, key BLOB NOT NULL, rank INTEGER NOT NULL, id TEXT NOT NULL, marker INTEGER NOT NULL,
    size INTEGER NOT NULL, etag TEXT NOT NULL, modified INTEGER NOT NULL, class TEXT NOT NULL, headers TEXT NOT NULL,
    metadata TEXT NOT NULL, extents TEXT NOT NULL, PRIMARY KEY(bucket, key, rank)) WITHOUT ROWID;
  CREATE UNIQUE INDEX IF NOT EXISTS version_id ON version(bucket, key, id);
  -- Documents of buckets, as JSON.
  CREATE TABLE IF NOT EXISTS setting(
    bucket TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY(bucket, name)) WITHOUT ROWID;
  -- A blob is a run of stored bytes: inline here if it is small, otherwise a file. Versions and parts count as references.
  CREATE TABLE IF NOT EXISTS blob(id INTEGER PRIMARY KEY, refs INTEGER NOT NULL, inline BLOB);
  CREATE TABLE IF NOT EXISTS upload(
    bucket TEXT NOT NULL, key BLOB NOT NULL, id TEXT NOT NULL, initiated INTEGER NOT NULL, class TEXT NOT NULL,
    headers TEXT NOT NULL, metadata TEXT NOT NULL, PRIMARY KEY(bucket, key, id)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS part(
    upload TEXT NOT NULL, number INTEGER NOT NULL, blob INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
    modified INTEGER NOT NULL, PRIMARY KEY(upload, number)) WITHOUT ROWID;
  -- Blob ids that a process may give to files; what a dead process leaves unrecorded in its leases is garbage.
  CREATE TABLE IF NOT EXISTS lease(lo INTEGER PRIMARY KEY, hi INTEGER NOT NULL, instance TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS garbage(blob INTEGER PRIMARY KEY);
  INSERT OR IGNORE INTO meta VALUES ('version', '${VERSION}'), ('next_blob', '1');
`

interface Write {
  readonly run: () => unknown
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

/**
 * The index of a store: one SQLite file that several processes share. Reads are synchronous and see the latest commit.
 * Writes that wait together are committed together: one fsync for all, each in a savepoint of its own, and none is
 * answered before it is durable.
 */
export class IndexDatabase {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  #waiting: Write[] = []
  #scheduled = false
  #closed = false
  readonly #readOnly: boolean

  constructor(file: string, { readOnly = false } = {}) {
    this.#readOnly = readOnly
    this.#database = readOnly ? openForReading(file) : openForWriting(file)
    const version = this.get<{ value: string }>("SELECT value FROM meta WHERE name = 'version'")?.value
    if (version !== VERSION) {
      this.#database.close()
      throw new Error(
        version === '1'
          ? `${file} has the index version 1, and this Sealgate needs version ${VERSION}. Start the gateway on it once: that brings it up to date.`
          : `${file} has the index version ${version}; this Sealgate knows version ${VERSION}. Use the Sealgate that wrote it.`,
      )
    }
    // From here on a busy database is waited for without blocking this thread.
    if (!readOnly) this.#database.exec('PRAGMA busy_timeout = 5')
  }

  get<T>(sql: string, ...values: SQLInputValue[]): T | undefined {
    return this.#statement(sql).get(...values) as T | undefined
  }

  all<T>(sql: string, ...values: SQLInputValue[]): T[] {
    return this.#statement(sql).all(...values) as T[]
  }

  /** Only inside `write`. */
  run(sql: string, ...values: SQLInputValue[]): void {
    this.#statement(sql).run(...values)
  }

  /** Runs in a transaction; resolves when it is on the disk. What the function throws undoes its own changes alone. */
  write<T>(run: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(new Error('the index is closed'))
    if (this.#readOnly) return Promise.reject(new Error('the store is open for reading only'))
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ run, resolve: resolve as (value: never) => void, reject })
      this.#schedule(0)
    })
  }

  /** All of it as it is at one moment, as a new file; other processes go on writing. */
  copyTo(file: string): void {
    this.#database.prepare('VACUUM INTO ?').run(file)
  }

  close(): void {
    this.#closed = true
    this.#fail(new Error('the index is closed'))
    this.#database.close()
  }

  #schedule(delayMs: number): void {
    if (this.#scheduled) return
    this.#scheduled = true
    const commit = () => {
      this.#scheduled = false
      this.#commit()
    }
    if (delayMs === 0) setImmediate(commit)
    else setTimeout(commit, delayMs)
  }

  #commit(): void {
    if (this.#waiting.length === 0 || this.#closed) return
    try {
      this.#database.exec('BEGIN IMMEDIATE')
    } catch (error) {
      if (isSqliteError(error, 'busy')) this.#schedule(1 + Math.random() * 4)
      else this.#fail(error)
      return
    }
    const batch = this.#waiting
    this.#waiting = []
    try {
      const results = batch.map((write) => this.#attempt(write))
      this.#database.exec('COMMIT')
      for (const settle of results) settle()
    } catch (error) {
      // A full or broken disk can end the transaction by itself, in any of its writes.
      this.#rollBack()
      for (const { reject } of batch) reject(readable(error))
    }
  }

  /** On a disk that fails even this may fail; the transaction is lost in any case, and those who wait must be told. */
  #rollBack(): void {
    try {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
    } catch {}
  }

  /** Runs one write in its savepoint and returns what to tell its caller once the whole is durable. */
  #attempt({ run, resolve, reject }: Write): () => void {
    this.#database.exec('SAVEPOINT w')
    try {
      const value = run()
      this.#database.exec('RELEASE w')
      return () => resolve(value as never)
    } catch (error) {
      if (!this.#database.isTransaction) throw error
      this.#database.exec('ROLLBACK TO w; RELEASE w')
      return () => reject(readable(error))
    }
  }

  #fail(error: unknown): void {
    const batch = this.#waiting
    this.#waiting = []
    for (const { reject } of batch) reject(readable(error))
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#database.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}

function openForWriting(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: 5000 })
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32768;')
  database.exec(`BEGIN IMMEDIATE; ${SCHEMA}`)
  if (database.prepare("SELECT 1 FROM meta WHERE name = 'version' AND value = '1'").get() !== undefined)
    database.exec(FROM_VERSION_1)
  database.exec('COMMIT')
  return database
}

const FROM_VERSION_1 = `
  ALTER TABLE object ADD COLUMN version TEXT NOT NULL DEFAULT 'null';
  UPDATE meta SET value = '2' WHERE name = 'version';
`

/**
 * Beside a running gateway, or on a copy. Where SQLite can make no file of shared memory (a backup that is mounted read-only), it reads a log
 * without one, but refuses an index that has no log: that is then read as a file that nobody changes.
 */
function openForReading(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { readOnly: true, timeout: 5000 })
  try {
    database.prepare('SELECT 1 FROM meta').get()
    return database
  } catch (error) {
    database.close()
    const log = statSync(`${file}-wal`, { throwIfNoEntry: false })
    // As the missing file of shared memory shows itself.
    if (!isSqliteError(error, 'cannotOpen', 'readOnly') || (log?.size ?? 0) > 0) throw error
    return new DatabaseSync(`${pathToFileURL(file).href}?immutable=1`, { readOnly: true })
  }
}
