import { type Provider, providerOf } from './cmk-id.ts'
import {
  type EncryptionContext,
  type GeneratedDataKey,
  isReEncrypting,
  type Kms,
  type ReEncryptingKms,
} from './kms.ts'
import { KmsError } from './kms-error.ts'

/** Several key services as one: the id of the CMK says which of them is asked. */
export class KmsRouter implements Kms {
  readonly #services: ReadonlyMap<Provider, Kms>

  constructor(services: ReadonlyMap<Provider, Kms>) {
    this.#services = services
  }

  async generateDataKey(cmkId: string, context: EncryptionContext): Promise<GeneratedDataKey> {
    return this.#of(cmkId).generateDataKey(cmkId, context)
  }

  async encrypt(cmkId: string, plaintext: Uint8Array, context: EncryptionContext): Promise<Buffer> {
    return this.#of(cmkId).encrypt(cmkId, plaintext, context)
  }

  async decrypt(cmkId: string, wrapped: Uint8Array, context: EncryptionContext): Promise<Buffer> {
    return this.#of(cmkId).decrypt(cmkId, wrapped, context)
  }

  /** The service that can move a wrapped key between the two without giving its plaintext away; null if there is none. */
  reEncrypting(from: string, to: string): ReEncryptingKms | null {
    const provider = providerOf(from)
    const service = provider === null ? undefined : this.#services.get(provider)
    if (service === undefined || provider !== providerOf(to) || !isReEncrypting(service)) return null
    return service.canReEncrypt(from, to) ? service : null
  }

  /** A retired CMK may be one of a service that is no longer configured. */
  #of(cmkId: string): Kms {
    const provider = providerOf(cmkId)
    const service = provider === null ? undefined : this.#services.get(provider)
    if (service !== undefined) return service
    throw new KmsError('not-found', 'NoSuchService', `the key service of the CMK ${cmkId} is not configured`)
  }
}
