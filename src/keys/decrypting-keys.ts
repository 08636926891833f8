import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { SingleFlight } from '../base/single-flight.ts'
import { SealgateError } from '../errors.ts'
import { dekContext } from './dek-context.ts'
import { isRefusal, orGrace, type SpareKey } from './grace.ts'
import { allowsCmk, type BucketCmks, type KeyPolicy } from './key-policy.ts'
import type { KeyRing } from './key-ring.ts'
import { openRetired } from './key-ring-open.ts'
import { canonicalContext, type Kms, lengthPrefixed, WrappedKeyError } from './kms/kms.ts'
import { Refusals } from './refusals.ts'
import { inS3Terms } from './s3-terms.ts'
import { TokenBucket } from './token-bucket.ts'
import { copyOfKey, requireUsable } from './usable-key.ts'

/** Calls to the KMS for unknown DEKs, per second and bucket, so that made-up envelopes cannot flood it. */
const UNKNOWN_PER_SECOND = 100
const UNKNOWN_BURST = 1000
const MAX_BUCKETS = 10_000

/** A DEK as envelopes have it. */
export interface WrappedDataKey {
  readonly dekId: Buffer
  readonly cmkId: string
  readonly wrapped: Buffer
}

export interface DecryptingKeysOptions {
  readonly kms: Kms
  readonly realm: string
  readonly policy: KeyPolicy
  readonly ring: KeyRing | null
  readonly cache: { readonly maxEntries: number; readonly maxAgeMs: number }
  readonly graceMs: number
  readonly now: () => number
}

interface Opened extends SpareKey {
  readonly key: Buffer
  /** From then on the KMS is asked again. */
  readonly staleAtMs: number
}

/**
 * The DEKs that objects are opened with: each is unwrapped once and then remembered, so many and for so long. An entry is found by all that
 * was unwrapped, so that an envelope with another's DEK id and bytes of its own finds nothing.
 */
export class DecryptingKeys {
  readonly #o: DecryptingKeysOptions
  readonly #opened: LRUCache<string, Opened>
  readonly #refusals: Refusals
  readonly #unknown = new LRUCache<string, TokenBucket>({ max: MAX_BUCKETS })
  readonly #opening = new SingleFlight<Buffer>()
  #closed = false

  constructor(options: DecryptingKeysOptions) {
    this.#o = options
    this.#opened = new LRUCache({ max: options.cache.maxEntries, dispose: ({ key }) => key.fill(0) })
    this.#refusals = new Refusals(options.cache.maxEntries, options.now)
  }

  /** A copy for the caller. Rejects with ObjectIntegrityError, with SlowDown if too many are unknown, or as the KMS refuses. */
  async open(bucket: string, dek: WrappedDataKey): Promise<Buffer> {
    const cmks = this.#o.policy(bucket)
    if (!allowsCmk(cmks, dek.cmkId))
      throw integrity(
        `its CMK ${dek.cmkId} is not allowed for this bucket; if it is yours, name it under retired in the rule for the bucket`,
      )
    const id = this.#idOf(bucket, dek)
    const now = this.#o.now()
    const known = this.#opened.get(id)
    if (known !== undefined && now < Math.max(known.staleAtMs, known.graceUntilMs))
      return copyOfKey(known.key)
    const refusal = this.#refusals.get(id)
    if (refusal !== null) throw answerTo(refusal)
    const loading = this.#opening.run(id, () => this.#load(bucket, id, dek, cmks, known !== undefined))
    const spare = known !== undefined && now < known.staleAtMs + this.#o.graceMs ? known : undefined
    try {
      const key = await (spare === undefined ? loading : orGrace(loading, spare, this.#o.now))
      // Looked up again: while the KMS was asked it may have been dropped and zeroed.
      const usable = key ?? this.#opened.get(id)?.key
      if (usable === undefined)
        throw new SealgateError('SlowDown', undefined, { headers: { 'retry-after': '1' } })
      return copyOfKey(usable)
    } catch (error) {
      throw answerTo(error)
    }
  }

  /** A DEK that was made here opens without asking. */
  remember(bucket: string, dek: WrappedDataKey, plaintext: Uint8Array): void {
    this.#keep(this.#idOf(bucket, dek), plaintext)
  }

  /** Drops what has been opened too long ago, also if nobody asks for it again. */
  sweep(): void {
    const now = this.#o.now()
    for (const [id, { staleAtMs }] of [...this.#opened.entries()])
      if (now >= staleAtMs + this.#o.graceMs) this.#opened.delete(id)
  }

  close(): void {
    this.#closed = true
    this.#opened.clear()
  }

  async #load(bucket: string, id: string, dek: WrappedDataKey, cmks: BucketCmks, isKnown: boolean) {
    if (!isKnown) this.#permit(bucket)
    try {
      const key = await this.#unwrap(bucket, dek, cmks)
      requireUsable(key)
      this.#keep(id, key)
      // After those who wait for it have taken their copies: they run before the next turn of the event loop.
      setImmediate(() => key.fill(0))
      return key
    } catch (error) {
      if (isRefusal(error)) this.#opened.delete(id)
      this.#refusals.add(id, error)
      throw error
    }
  }

  #unwrap(bucket: string, dek: WrappedDataKey, cmks: BucketCmks): Promise<Buffer> {
    const { kms, realm, ring } = this.#o
    if (dek.cmkId === cmks.cmk || ring === null)
      return kms.decrypt(dek.cmkId, dek.wrapped, dekContext({ realm, bucket, ...dek }))
    const permit = () => this.#permit(bucket)
    return openRetired({ bucket, ...dek }, { kms, ring, cmks, permit })
  }

  #keep(id: string, key: Uint8Array): void {
    if (this.#closed) return
    const staleAtMs = this.#o.now() + this.#o.cache.maxAgeMs
    this.#opened.set(id, { key: Buffer.from(key), staleAtMs, graceUntilMs: 0 })
    this.#refusals.delete(id)
  }

  #permit(bucket: string): void {
    let tokens = this.#unknown.get(bucket)
    if (tokens === undefined) {
      tokens = new TokenBucket(UNKNOWN_PER_SECOND, UNKNOWN_BURST, this.#o.now)
      this.#unknown.set(bucket, tokens)
    }
    if (!tokens.take()) throw new SealgateError('SlowDown', undefined, { headers: { 'retry-after': '1' } })
  }

  #idOf(bucket: string, { dekId, cmkId, wrapped }: WrappedDataKey): string {
    const context = canonicalContext(dekContext({ realm: this.#o.realm, bucket, dekId }))
    return createHash('sha256')
      .update(lengthPrefixed([Buffer.from(cmkId), wrapped, context]))
      .digest('base64')
  }
}

function answerTo(error: unknown): unknown {
  return error instanceof WrappedKeyError ? integrity(error.message) : inS3Terms(error)
}

function integrity(reason: string): SealgateError {
  return new SealgateError('ObjectIntegrityError', undefined, { reason })
}
