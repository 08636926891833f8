/**
 * What a key service can answer instead of a key, in terms that all of them share:
 * - `throttled`, `unavailable`: passing; worth a retry, and no word about the key
 * - `denied`: the credentials may not use the key, or are no good
 * - `disabled`, `invalid-state` (archived, pending deletion or import), `not-found`: the key, until somebody changes it
 * - `key-usage`: a key that is not for encryption with a context
 * - `protocol`: an answer that this service does not give (cut, of another shape, under another key)
 */
export type KmsFault =
  | 'throttled'
  | 'unavailable'
  | 'denied'
  | 'disabled'
  | 'invalid-state'
  | 'not-found'
  | 'key-usage'
  | 'protocol'

/** A call to a key service that failed. The message is for the log; it names no secret. */
export class KmsError extends Error {
  override readonly name = 'KmsError'
  readonly fault: KmsFault
  /** The service's own code, such as `ResourceUnavailable.CmkDisabled`. */
  readonly code: string

  constructor(fault: KmsFault, code: string, message: string, cause?: unknown) {
    super(`${code}: ${message}`, cause === undefined ? undefined : { cause })
    this.fault = fault
    this.code = code
  }

  /** True if the same call may succeed a little later. */
  get passing(): boolean {
    return this.fault === 'throttled' || this.fault === 'unavailable'
  }
}
