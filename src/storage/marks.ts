import type { Tag } from './tagging.ts'

/**
 * What S3 keeps beside an object and lets change while the object stays. No envelope binds it: the store says what it likes of it.
 */
export interface ObjectMarks {
  /** Of a copy: instead of the source's. */
  readonly tags?: readonly Tag[] | undefined
  readonly lock?: ObjectLock | undefined
  /** Who may do what with it at the store: `x-amz-acl` or `x-amz-grant-…`, lower-case names. */
  readonly acl?: AclHeaders | undefined
}

export type AclHeaders = Readonly<Record<string, string>>

/** Only in buckets with Object Lock; without it the bucket's default retention counts. */
export interface ObjectLock {
  readonly retention?: Retention | undefined
  readonly legalHold?: boolean | undefined
}

export interface Retention {
  readonly mode: 'GOVERNANCE' | 'COMPLIANCE'
  readonly until: number
}

/** What is told of an object's marks beside the object itself. */
export interface ShownMarks {
  /** There only if the object has tags. */
  readonly tagCount?: number | undefined
  readonly lock?: ObjectLock | undefined
}
