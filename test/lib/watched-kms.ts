import { randomBytes } from 'node:crypto'
import { type EncryptionContext, type Kms, LocalKms } from '../../src/keys/index.ts'
import { KmsError, type KmsFault } from '../../src/keys/kms/kms-error.ts'

export interface KmsCall {
  readonly action: 'generateDataKey' | 'encrypt' | 'decrypt'
  readonly cmkId: string
}

/** A KMS in memory that counts its calls, and whose CMKs can be taken away. */
export class WatchedKms implements Kms {
  readonly calls: KmsCall[] = []
  /** How calls fail: by CMK, or for all of them. */
  readonly faults = new Map<string, KmsFault>()
  /** Awaited by each call before it answers. */
  delay: () => Promise<unknown> = async () => undefined
  readonly #local: LocalKms

  constructor(realm: string, cmkIds: readonly [string, ...string[]]) {
    const keys = new Map(cmkIds.map((id) => [id, randomBytes(32)]))
    this.#local = new LocalKms({ realm, current: cmkIds[0], keys })
  }

  count(action: KmsCall['action']): number {
    return this.calls.filter((call) => call.action === action).length
  }

  /** The CMKs of all calls, in order. */
  cmks(): string[] {
    return this.calls.map(({ cmkId }) => cmkId)
  }

  async generateDataKey(cmkId: string, context: EncryptionContext) {
    await this.#enter('generateDataKey', cmkId)
    return this.#local.generateDataKey(cmkId, context)
  }

  async encrypt(cmkId: string, plaintext: Uint8Array, context: EncryptionContext) {
    await this.#enter('encrypt', cmkId)
    return this.#local.encrypt(cmkId, plaintext, context)
  }

  async decrypt(cmkId: string, wrapped: Uint8Array, context: EncryptionContext) {
    await this.#enter('decrypt', cmkId)
    return this.#local.decrypt(cmkId, wrapped, context)
  }

  /** Wraps without being counted, and whatever the faults. */
  wrap(cmkId: string, plaintext: Uint8Array, context: EncryptionContext): Promise<Buffer> {
    return this.#local.encrypt(cmkId, plaintext, context)
  }

  /** The same the other way. */
  unwrap(cmkId: string, wrapped: Uint8Array, context: EncryptionContext): Promise<Buffer> {
    return this.#local.decrypt(cmkId, wrapped, context)
  }

  async #enter(action: KmsCall['action'], cmkId: string): Promise<void> {
    this.calls.push({ action, cmkId })
    await this.delay()
    const fault = this.faults.get(cmkId) ?? this.faults.get('*')
    if (fault !== undefined) throw new KmsError(fault, 'Watched', `${action} with ${cmkId}`)
  }
}
