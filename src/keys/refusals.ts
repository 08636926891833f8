import { LRUCache } from 'lru-cache'
import { WrappedKeyError } from './kms/kms.ts'
import { KmsError, type KmsFault } from './kms/kms-error.ts'

/** What is not what a CMK wrapped will not become it. */
const FORGED_MS = 60_000
/** A CMK that is refused may be enabled again, and then clients shall not wait long. */
const LASTING_MS = 5000

interface Refusal {
  readonly untilMs: number
  /** Null: not what the CMK wrapped. */
  readonly fault: KmsFault | null
  readonly code: string
}

/**
 * Wrapped DEKs that the KMS refused to open, and its word: it is said again for a while without asking. Otherwise clients that ask for one
 * object again and again would use up the KMS's quota, and that of the bucket's other DEKs.
 */
export class Refusals {
  readonly #refusals: LRUCache<string, Refusal>
  readonly #now: () => number

  constructor(max: number, now: () => number) {
    this.#refusals = new LRUCache({ max })
    this.#now = now
  }

  /** What the KMS said a short while ago: WrappedKeyError or KmsError. */
  get(id: string): Error | null {
    const refusal = this.#refusals.get(id)
    if (refusal === undefined || this.#now() >= refusal.untilMs) return null
    const { fault, code } = refusal
    const message = 'the key service refused it a moment ago'
    return fault === null ? new WrappedKeyError(message) : new KmsError(fault, code, message)
  }

  add(id: string, error: unknown): void {
    if (error instanceof WrappedKeyError)
      this.#refusals.set(id, { untilMs: this.#now() + FORGED_MS, fault: null, code: '' })
    // A wrong answer is no word about the key: the next one may be right.
    else if (error instanceof KmsError && !error.passing && error.fault !== 'protocol')
      this.#refusals.set(id, { untilMs: this.#now() + LASTING_MS, fault: error.fault, code: error.code })
  }

  delete(id: string): void {
    this.#refusals.delete(id)
  }
}
