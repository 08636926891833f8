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

/** The code where a service lets nobody in: no key has anything to do with it, and each further try may count against the gateway. */
export const SIGN_IN_REFUSED = 'SignInRefused'

/**
 * A call to a key service that failed. The message is for the log; it names no secret. It has no cause either: errors of clients and SDKs hold
 * what came over the wire, and a service or a proxy before it may send back what it was sent. What it says goes through `saidCode` and `saidText`.
 */
export class KmsError extends Error {
  override readonly name = 'KmsError'
  readonly fault: KmsFault
  /** The service's own code, such as `ResourceUnavailable.CmkDisabled`. */
  readonly code: string

  constructor(fault: KmsFault, code: string, message: string) {
    super(`${code}: ${message}`)
    this.fault = fault
    this.code = code
  }

  /** True if the same call may succeed a little later. */
  get passing(): boolean {
    return this.fault === 'throttled' || this.fault === 'unavailable'
  }
}

const MAX_TEXT = 500
/** Base64 or hex of half a key and more. */
const LIKE_A_KEY = /[A-Za-z0-9+/=]{32,}|[A-Za-z0-9_-]{43,}/g

/** What a service says of a call that held no key, without whatever looks like one and without what would move a terminal's cursor. */
export function saidText(text: unknown): string {
  const cut = typeof text === 'string' ? text.slice(0, MAX_TEXT) : ''
  return cut.replace(/\p{Cc}+/gu, ' ').replace(LIKE_A_KEY, '[left out]')
}

/** Instead of what a service says of a call that held a key. */
export const NOT_SAID = 'what the service says of a call with a key in it is not repeated'
