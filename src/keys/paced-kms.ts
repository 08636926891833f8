import { setTimeout as sleep } from 'node:timers/promises'
import { providerOf } from './kms/cmk-id.ts'
import type { EncryptionContext, GeneratedDataKey, Kms, ReEncryptingKms } from './kms/kms.ts'

/**
 * Makes so many calls a second, evenly: a service on the network has one quota for all, and the gateways have to live on it. Calls about a
 * keyring are not held up.
 */
export class PacedKms implements Kms {
  readonly #kms: Kms
  readonly #stepMs: number
  #nextAt = 0

  constructor(kms: Kms, perSecond: number) {
    this.#kms = kms
    this.#stepMs = 1000 / perSecond
  }

  async generateDataKey(cmkId: string, context: EncryptionContext): Promise<GeneratedDataKey> {
    await this.#turn(cmkId)
    return this.#kms.generateDataKey(cmkId, context)
  }

  async encrypt(cmkId: string, plaintext: Uint8Array, context: EncryptionContext): Promise<Buffer> {
    await this.#turn(cmkId)
    return this.#kms.encrypt(cmkId, plaintext, context)
  }

  async decrypt(cmkId: string, wrapped: Uint8Array, context: EncryptionContext): Promise<Buffer> {
    await this.#turn(cmkId)
    return this.#kms.decrypt(cmkId, wrapped, context)
  }

  /** The same for one of the services behind it. */
  async reEncrypt(
    service: ReEncryptingKms,
    wrapped: Uint8Array,
    from: string,
    to: string,
    context: EncryptionContext,
  ): Promise<Buffer> {
    await this.#turn(from)
    return service.reEncrypt(wrapped, from, to, context)
  }

  async #turn(cmkId: string): Promise<void> {
    if (providerOf(cmkId) === 'local') return
    const now = performance.now()
    const at = Math.max(now, this.#nextAt)
    this.#nextAt = at + this.#stepMs
    if (at > now) await sleep(at - now)
  }
}
