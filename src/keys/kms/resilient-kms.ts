import { setTimeout as sleep } from 'node:timers/promises'
import type { EncryptionContext, GeneratedDataKey, Kms, ReEncryptingKms } from './kms.ts'
import { KmsError } from './kms-error.ts'

export interface ResilienceOptions {
  /** Tries of one call, the first included. */
  readonly attempts: number
  /** Longest pause before the second try; it doubles with each, and a random part of it is waited. */
  readonly pauseMs: number
  /** Calls in a row that failed, tries and all, before the service is left alone. */
  readonly failures: number
  /** How long it is left alone; then one call goes to see. */
  readonly restMs: number
  readonly now?: () => number
  readonly random?: () => number
}

/**
 * Tries passing faults again, with pauses that grow and differ between replicas, and leaves a service that is down alone for a while: callers
 * then get their answer at once instead of waiting, and the service is not met by a crowd when it comes back.
 */
export class ResilientKms implements Kms {
  readonly #kms: Kms
  readonly #o: ResilienceOptions
  readonly #now: () => number
  #failedInRow = 0
  #restUntil = 0
  #probing = false

  constructor(kms: Kms, options: ResilienceOptions) {
    this.#kms = kms
    this.#o = options
    this.#now = options.now ?? Date.now
  }

  generateDataKey(cmkId: string, context: EncryptionContext): Promise<GeneratedDataKey> {
    return this.run(() => this.#kms.generateDataKey(cmkId, context))
  }

  encrypt(cmkId: string, plaintext: Uint8Array, context: EncryptionContext): Promise<Buffer> {
    return this.run(() => this.#kms.encrypt(cmkId, plaintext, context))
  }

  decrypt(cmkId: string, wrapped: Uint8Array, context: EncryptionContext): Promise<Buffer> {
    return this.run(() => this.#kms.decrypt(cmkId, wrapped, context))
  }

  /** Any call to the service. */
  async run<T>(call: () => Promise<T>): Promise<T> {
    const isProbe = this.#enter()
    try {
      const result = await this.#retry(call, isProbe ? 1 : this.#o.attempts)
      this.#failedInRow = 0
      return result
    } catch (error) {
      // A throttled service is there; so is one that refuses a key.
      if (error instanceof KmsError && error.fault === 'unavailable') this.#noteFailure()
      else this.#failedInRow = 0
      throw error
    } finally {
      if (isProbe) this.#probing = false
    }
  }

  /** True for the one call that goes to see whether the service is back. */
  #enter(): boolean {
    if (this.#failedInRow < this.#o.failures) return false
    if (this.#probing || this.#now() < this.#restUntil) {
      throw new KmsError(
        'unavailable',
        'CircuitOpen',
        'the KMS failed several times in a row and is left alone for a while',
      )
    }
    this.#probing = true
    return true
  }

  #noteFailure(): void {
    this.#failedInRow += 1
    if (this.#failedInRow >= this.#o.failures) this.#restUntil = this.#now() + this.#o.restMs
  }

  async #retry<T>(call: () => Promise<T>, attempts: number): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await call()
      } catch (error) {
        if (!(error instanceof KmsError) || !error.passing || attempt >= attempts) throw error
        await sleep(this.#o.pauseMs * 2 ** (attempt - 1) * (this.#o.random ?? Math.random)())
      }
    }
  }
}

/** The same for a service with the power to re-encrypt. */
export class ResilientReEncryptingKms extends ResilientKms implements ReEncryptingKms {
  readonly #kms: ReEncryptingKms

  constructor(kms: ReEncryptingKms, options: ResilienceOptions) {
    super(kms, options)
    this.#kms = kms
  }

  canReEncrypt(from: string, to: string): boolean {
    return this.#kms.canReEncrypt(from, to)
  }

  reEncrypt(wrapped: Uint8Array, from: string, to: string, context: EncryptionContext): Promise<Buffer> {
    return this.run(() => this.#kms.reEncrypt(wrapped, from, to, context))
  }
}
