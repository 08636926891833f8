/**
 * Where the keys keep what all replicas of a deployment must see: small records under names with slashes. What is read may be
 * anything, as whoever writes the store writes these too.
 */
export interface KeyRecords {
  /** Writes a record that is not there yet, atomically; false, and nothing has changed, if there is one. */
  create(name: string, bytes: Buffer): Promise<boolean>
  /** Writes a record, whether there is one or not. */
  replace(name: string, bytes: Buffer): Promise<void>
  /** Null if it is not there, or longer than `limit` bytes. */
  read(name: string, limit: number): Promise<Buffer | null>
  /** The records whose names begin with `prefix`, in the order of their names. */
  list(prefix: string): AsyncIterable<ListedRecord>
}

export interface ListedRecord {
  readonly name: string
  /** Another text after each write. */
  readonly revision: string
}
