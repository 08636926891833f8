/** One thing that was looked at. */
export interface Finding {
  readonly part: 'configuration' | 'store' | 'system bucket' | 'keys'
  /** `skipped`: could not be looked at, because of another finding or because the first start makes it. */
  readonly status: 'ok' | 'warning' | 'failed' | 'skipped'
  readonly what: string
  /** What to do about it. */
  readonly hint?: string
}

/** One thing that a store can do or not. */
export interface Capability {
  readonly name: string
  readonly has: boolean
  /** What it means that it is missing. */
  readonly without: string
}
