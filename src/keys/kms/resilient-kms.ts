import { setTimeout as sleep } from 'node:timers/promises'
import { steadyNow } from '../steady-clock.ts'
import { type BreakerOptions, CircuitBreaker } from './circuit-breaker.ts'
import type { EncryptionContext, GeneratedDataKey, Kms, ReEncryptingKms } from './kms.ts'
import { KmsError } from './kms-error.ts'

export interface ResilienceOptions extends Omit<BreakerOptions, 'now'> {
  /** Tries of one call, the first included. */
  readonly attempts: number
  /** Longest pause before the second try; it doubles with each, and a random part of it is waited. */
  readonly pauseMs: number
  /** A clock that is never set back. */
  readonly now?: () => number
  readonly random?: () => number
}

/**
 * Tries passing faults again, with pauses that grow and differ between replicas, and leaves alone for a while what is down: each CMK by itself, as
 * they may lie in several regions, or in key stores of their own.
 */
export class ResilientKms implements Kms {
  readonly #kms: Kms
  readonly #o: ResilienceOptions
  /** By CMK; those that may be asked for are bounded by the configuration. */
  readonly #breakers = new Map<string, CircuitBreaker>()

  constructor(kms: Kms, options: ResilienceOptions) {
    this.#kms = kms
    this.#o = options
  }

  generateDataKey(cmkId: string, context: EncryptionContext): Promise<GeneratedDataKey> {
    return this.run(() => this.#kms.generateDataKey(cmkId, context), cmkId)
  }

  encrypt(cmkId: string, plaintext: Uint8Array, context: EncryptionContext): Promise<Buffer> {
    return this.run(() => this.#kms.encrypt(cmkId, plaintext, context), cmkId)
  }

  decrypt(cmkId: string, wrapped: Uint8Array, context: EncryptionContext): Promise<Buffer> {
    return this.run(() => this.#kms.decrypt(cmkId, wrapped, context), cmkId)
  }

  /** Any call to the service; `about` is the CMK that it is about, if there is one. */
  async run<T>(call: () => Promise<T>, about = ''): Promise<T> {
    const breaker = this.#breaker(about)
    const isProbe = breaker.enter()
    let failed = false
    try {
      return await this.#retry(call, isProbe ? 1 : this.#o.attempts)
    } catch (error) {
      // A throttled service is there; so is one that refuses a key.
      failed = error instanceof KmsError && error.fault === 'unavailable'
      throw error
    } finally {
      breaker.leave(isProbe, { failed })
    }
  }

  #breaker(cmkId: string): CircuitBreaker {
    const { failures, restMs, now = steadyNow } = this.#o
    const known = this.#breakers.get(cmkId) ?? new CircuitBreaker({ failures, restMs, now })
    this.#breakers.set(cmkId, known)
    return known
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
    return this.run(() => this.#kms.reEncrypt(wrapped, from, to, context), from)
  }
}
