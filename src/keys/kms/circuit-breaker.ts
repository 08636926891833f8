import { KmsError } from './kms-error.ts'

export interface BreakerOptions {
  /** Calls in a row that failed, tries and all, before what they went to is left alone. */
  readonly failures: number
  /** How long it is left alone; then one call goes to see. */
  readonly restMs: number
  readonly now: () => number
}

/** Counts failures in a row, and answers for what failed too often: callers then need not wait, and it is not met by a crowd when it comes back. */
export class CircuitBreaker {
  readonly #o: BreakerOptions
  #failedInRow = 0
  #restUntil = 0
  #probing = false

  constructor(options: BreakerOptions) {
    this.#o = options
  }

  /** Before a call; true for the one call that goes to see whether it works again. Throws KmsError when there is to be none. */
  enter(): boolean {
    if (this.#failedInRow < this.#o.failures) return false
    if (this.#probing || this.#o.now() < this.#restUntil)
      throw new KmsError(
        'unavailable',
        'CircuitOpen',
        'the KMS failed several times in a row and is left alone for a while',
      )
    this.#probing = true
    return true
  }

  /** After each call that `enter` let through, with what it returned. */
  leave(isProbe: boolean, { failed }: { failed: boolean }): void {
    if (isProbe) this.#probing = false
    this.#failedInRow = failed ? this.#failedInRow + 1 : 0
    if (this.#failedInRow >= this.#o.failures) this.#restUntil = this.#o.now() + this.#o.restMs
  }
}
