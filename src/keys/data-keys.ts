import { SealgateError } from '../errors.ts'
import { DecryptingKeys, type WrappedDataKey } from './decrypting-keys.ts'
import { type DataKey, EncryptingKeys, type EpochLimits } from './encrypting-keys.ts'
import { type KeyPolicy, meansCmk } from './key-policy.ts'
import type { KeyRing } from './key-ring.ts'
import type { Kms } from './kms/kms.ts'
import type { DataKeySource } from './new-data-key.ts'
import { steadyNow } from './steady-clock.ts'

/** Keys whose time is over are in memory for no longer than this. */
const SWEEP_MS = 60_000

export interface DataKeysOptions {
  readonly kms: Kms
  readonly realm: string
  readonly policy: KeyPolicy
  /** Null only for reading what no retired CMK sealed: nothing is encrypted under a DEK without a record. */
  readonly ring: KeyRing | null
  readonly epoch: EpochLimits
  readonly decryptCache: { readonly maxEntries: number; readonly maxAgeMs: number }
  /** How long keys may be used beyond their age while the KMS does not answer; default 0. */
  readonly graceMs?: number
  /** Where data keys are made: `kms` asks for them (GenerateDataKey), `local` makes them here and has them wrapped (Encrypt). Default kms. */
  readonly source?: DataKeySource
  /** Asked before a data key is made: rejects if there is no such bucket. */
  readonly admit?: (bucket: string) => Promise<unknown>
  /** A clock that is never set back. */
  readonly now?: () => number
}

/** The data keys of every bucket: one encrypting key per epoch, and a cache of decrypting keys. */
export class DataKeys {
  readonly #policy: KeyPolicy
  readonly #encrypting: EncryptingKeys | null
  readonly #decrypting: DecryptingKeys
  readonly #sweeps: NodeJS.Timeout
  #closed = false

  constructor(options: DataKeysOptions) {
    const { kms, realm, policy, ring, epoch, decryptCache: cache } = options
    const { graceMs = 0, source = 'kms', admit = async () => undefined, now = steadyNow } = options
    const common = { kms, realm, policy, graceMs, now }
    const decrypting = new DecryptingKeys({ ...common, ring, cache })
    this.#policy = policy
    this.#decrypting = decrypting
    this.#encrypting =
      ring === null
        ? null
        : new EncryptingKeys({
            ...common,
            ring,
            epoch,
            source,
            admit,
            onMade: (bucket, dek, plaintext) => decrypting.remember(bucket, dek, plaintext),
          })
    this.#sweeps = setInterval(() => {
      decrypting.sweep()
      this.#encrypting?.sweep()
    }, SWEEP_MS).unref()
  }

  /** The id of the CMK that new objects of the bucket are encrypted under. */
  cmkOf(bucket: string): string {
    return this.#policy(bucket).cmk
  }

  /** True if a client that names this key means the bucket's CMK. */
  meansCmk(bucket: string, keyId: string): boolean {
    return meansCmk(this.#policy(bucket), keyId)
  }

  /** The key for one more object of about `bytes` bytes. */
  async encrypting(bucket: string, bytes: number): Promise<DataKey> {
    this.#assertOpen()
    if (this.#encrypting === null) throw new TypeError('expected a key ring, which encrypting needs')
    return this.#encrypting.take(bucket, bytes)
  }

  /** More bytes of an object that was begun under this data key. */
  count(bucket: string, dekId: Buffer, bytes: number): void {
    this.#encrypting?.count(bucket, dekId, bytes)
  }

  /** Opens a wrapped key; what it returns is the caller's own to zero. Rejects with ObjectIntegrityError, or SlowDown when too many are unknown. */
  async decrypting(bucket: string, dek: WrappedDataKey): Promise<Uint8Array> {
    this.#assertOpen()
    const key = await this.#decrypting.open(bucket, dek)
    if (!this.#closed) return key
    key.fill(0)
    throw new SealgateError('ServiceUnavailable')
  }

  /** Ends the epochs of these buckets. */
  rotate(matches: (bucket: string) => boolean): void {
    this.#encrypting?.rotate(matches)
  }

  /** Zeroes every key; nothing works afterwards. */
  close(): void {
    this.#closed = true
    clearInterval(this.#sweeps)
    this.#encrypting?.close()
    this.#decrypting.close()
  }

  #assertOpen(): void {
    if (this.#closed) throw new TypeError('the data keys are closed')
  }
}
