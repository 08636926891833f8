import { createHash, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { SingleFlight } from '../base/single-flight.ts'
import { SealgateError } from '../errors.ts'
import type { KeyPolicy } from './key-policy.ts'
import {
  canonicalContext,
  type EncryptionContext,
  type GeneratedDataKey,
  type Kms,
  lengthPrefixed,
  WrappedKeyError,
} from './kms/kms.ts'
import { KmsError } from './kms/kms-error.ts'
import { inS3Terms } from './s3-terms.ts'
import { TokenBucket } from './token-bucket.ts'

const NEGATIVE_MS = 60_000
/** In grace the KMS is asked again this often. */
const GRACE_STEP_MS = 1000
const MAX_BUCKETS = 10_000
/** The next epoch is fetched when this share of the current one is used up. */
const PREFETCH_AT = 0.9
/** Unknown data keys per second and bucket, so that made-up envelopes cannot flood the KMS. */
const UNKNOWN_PER_SECOND = 100

export interface DataKey {
  readonly dekId: Buffer
  readonly cmkId: string
  readonly wrapped: Buffer
  /** A copy that is the caller's own: zero it after use. */
  readonly plaintext: Uint8Array
}

export interface WrappedDataKey {
  readonly dekId: Buffer
  readonly cmkId: string
  readonly wrapped: Buffer
}

export interface DataKeysOptions {
  readonly kms: Kms
  readonly realm: string
  readonly policy: KeyPolicy
  readonly epoch: { maxAgeMs: number; maxObjects: number; maxBytes: number }
  readonly decryptCache: { maxEntries: number; maxAgeMs: number }
  /** How long keys may be used beyond their age while the KMS does not answer; default 0. */
  readonly graceMs?: number
  /** Where data keys are made: `kms` asks for them (GenerateDataKey), `local` makes them here and has them wrapped (Encrypt). Default kms. */
  readonly source?: 'kms' | 'local'
  readonly now?: () => number
}

interface Epoch extends DataKey {
  readonly plaintext: Buffer
  readonly bornMs: number
  objects: number
  bytes: number
  next: Epoch | undefined
  /** The KMS did not answer: until then it is not asked again. */
  graceUntilMs: number
}

interface Opened {
  readonly key: Buffer
  readonly bornMs: number
  /** Used without asking until then. */
  freshUntilMs: number
}

/** The data keys of every bucket: one encrypting key per epoch, and a cache of decrypting keys. */
export class DataKeys {
  readonly #o: DataKeysOptions
  readonly #now: () => number
  readonly #epochs: LRUCache<string, Epoch>
  readonly #opened: LRUCache<string, Opened>
  readonly #refused: LRUCache<string, number>
  readonly #unknown = new LRUCache<string, TokenBucket>({ max: MAX_BUCKETS })
  readonly #making = new SingleFlight<Epoch>()
  readonly #opening = new SingleFlight<Buffer>()
  #closed = false

  constructor(options: DataKeysOptions) {
    this.#o = options
    this.#now = options.now ?? Date.now
    this.#epochs = new LRUCache({ max: MAX_BUCKETS, dispose: wipeEpoch })
    this.#opened = new LRUCache({ max: options.decryptCache.maxEntries, dispose: (e) => e.key.fill(0) })
    this.#refused = new LRUCache({ max: options.decryptCache.maxEntries })
  }

  /** The id of the CMK that new objects of the bucket are encrypted under. */
  cmkOf(bucket: string): string {
    return this.#o.policy(bucket).cmk
  }

  /** The key for one more object of about `bytes` bytes. */
  async encrypting(bucket: string, bytes: number): Promise<DataKey> {
    for (;;) {
      this.#assertOpen()
      const epoch = this.#current(bucket, bytes) ?? (await this.#renew(bucket))
      if (epoch === null) continue
      epoch.objects += 1
      epoch.bytes += bytes
      if (epoch.next === undefined && this.#used(epoch) >= PREFETCH_AT) this.#prefetch(bucket, epoch)
      // A copy: an eviction between our return and the caller's next turn must not hand out zeroes.
      return {
        dekId: epoch.dekId,
        cmkId: epoch.cmkId,
        wrapped: epoch.wrapped,
        plaintext: Buffer.from(epoch.plaintext),
      }
    }
  }

  /** Opens a wrapped key; what it returns is the caller's own to zero. Rejects with ObjectIntegrityError, or SlowDown when too many are unknown. */
  async decrypting(bucket: string, e: WrappedDataKey): Promise<Uint8Array> {
    this.#assertOpen()
    const { cmk, retired } = this.#o.policy(bucket)
    if (e.cmkId !== cmk && !retired.includes(e.cmkId))
      throw integrity('its CMK is not allowed for this bucket')
    const context = this.#context(bucket, e.dekId)
    const id = cacheId(e, context)
    const now = this.#now()
    const hit = this.#opened.get(id)
    if (hit !== undefined && now < hit.freshUntilMs) return Buffer.from(hit.key)
    const refusedUntil = this.#refused.get(id)
    if (refusedUntil !== undefined && now < refusedUntil) throw integrity('its data key cannot be opened')
    try {
      return Buffer.from(
        await this.#opening.run(id, () => this.#open(bucket, id, e, context, hit !== undefined)),
      )
    } catch (error) {
      if (hit === undefined || !this.#inGrace(error, hit.bornMs + this.#o.decryptCache.maxAgeMs))
        throw inS3Terms(error)
      hit.freshUntilMs = this.#now() + GRACE_STEP_MS
      return Buffer.from(hit.key)
    }
  }

  /** Zeroes every key; nothing works afterwards. */
  close(): void {
    this.#closed = true
    this.#epochs.clear()
    this.#opened.clear()
  }

  #current(bucket: string, bytes: number): Epoch | undefined {
    const epoch = this.#epochs.get(bucket)
    if (epoch === undefined || epoch.cmkId !== this.cmkOf(bucket)) return undefined
    if (this.#fits(epoch, bytes)) return epoch
    const next = epoch.next
    if (next === undefined || next.cmkId !== epoch.cmkId || !this.#fits(next, bytes)) return undefined
    epoch.next = undefined
    this.#epochs.set(bucket, next)
    return next
  }

  /** Makes the next epoch. While the KMS does not answer, the old one goes on for the time of grace; null means: look again. */
  async #renew(bucket: string): Promise<Epoch | null> {
    try {
      await this.#making.run(bucket, () => this.#make(bucket, true))
      return null
    } catch (error) {
      const old = this.#epochs.get(bucket)
      const usable = old !== undefined && old.cmkId === this.cmkOf(bucket)
      if (usable && this.#inGrace(error, old.bornMs + this.#o.epoch.maxAgeMs)) {
        old.graceUntilMs = this.#now() + GRACE_STEP_MS
        return old
      }
      throw inS3Terms(error)
    }
  }

  #inGrace(error: unknown, endMs: number): boolean {
    const passing = error instanceof KmsError && error.passing
    return passing && this.#now() < endMs + (this.#o.graceMs ?? 0)
  }

  /** An unused epoch takes an object of any size, or an object above the limit could never be written. */
  #fits(epoch: Epoch, bytes: number): boolean {
    const { maxAgeMs, maxObjects, maxBytes } = this.#o.epoch
    const now = this.#now()
    if (now < epoch.graceUntilMs) return true
    if (now - epoch.bornMs >= maxAgeMs) return false
    return epoch.objects === 0 || (epoch.objects < maxObjects && epoch.bytes + bytes <= maxBytes)
  }

  #used(epoch: Epoch): number {
    const { maxAgeMs, maxObjects, maxBytes } = this.#o.epoch
    return Math.max(
      (this.#now() - epoch.bornMs) / maxAgeMs,
      epoch.objects / maxObjects,
      epoch.bytes / maxBytes,
    )
  }

  #prefetch(bucket: string, epoch: Epoch): void {
    const keep = (next: Epoch) => {
      if (this.#epochs.peek(bucket) === epoch && !this.#closed) epoch.next = next
      else if (this.#epochs.peek(bucket) !== next) wipeEpoch(next)
    }
    // A failed prefetch is no error yet: the write that needs the next epoch asks again and reports it.
    this.#making.run(`next:${bucket}`, () => this.#make(bucket, false)).then(keep, () => undefined)
  }

  async #make(bucket: string, install: boolean): Promise<Epoch> {
    const cmkId = this.cmkOf(bucket)
    const dekId = randomBytes(16)
    const context = this.#context(bucket, dekId)
    const made = await (this.#o.source === 'local'
      ? this.#makeHere(cmkId, context)
      : this.#o.kms.generateDataKey(cmkId, context))
    assertUsable(made.plaintext)
    const epoch = {
      dekId,
      cmkId,
      ...made,
      bornMs: this.#now(),
      objects: 0,
      bytes: 0,
      next: undefined,
      graceUntilMs: 0,
    }
    if (this.#closed) wipeEpoch(epoch)
    else {
      if (install) this.#epochs.set(bucket, epoch)
      // What this process writes it opens again without asking.
      this.#remember(cacheId(epoch, context), made.plaintext)
    }
    return epoch
  }

  async #makeHere(cmkId: string, context: EncryptionContext): Promise<GeneratedDataKey> {
    const plaintext = randomBytes(32)
    return { plaintext, wrapped: await this.#o.kms.encrypt(cmkId, plaintext, context) }
  }

  async #open(
    bucket: string,
    id: string,
    e: WrappedDataKey,
    context: EncryptionContext,
    known: boolean,
  ): Promise<Buffer> {
    if (!known && !this.#tokens(bucket).take())
      throw new SealgateError('SlowDown', undefined, { headers: { 'retry-after': '1' } })
    try {
      const key = await this.#o.kms.decrypt(e.cmkId, e.wrapped, context)
      assertUsable(key)
      if (this.#closed) key.fill(0)
      this.#assertOpen()
      this.#remember(id, key)
      return key
    } catch (error) {
      if (!(error instanceof WrappedKeyError)) throw error
      this.#refused.set(id, this.#now() + NEGATIVE_MS)
      throw integrity(error.message)
    }
  }

  /** A copy: those who wait for this key may run after an eviction has zeroed the cached one. */
  #remember(id: string, key: Uint8Array): void {
    const bornMs = this.#now()
    this.#opened.set(id, {
      key: Buffer.from(key),
      bornMs,
      freshUntilMs: bornMs + this.#o.decryptCache.maxAgeMs,
    })
  }

  #tokens(bucket: string): TokenBucket {
    const known = this.#unknown.get(bucket)
    if (known !== undefined) return known
    const made = new TokenBucket(UNKNOWN_PER_SECOND, UNKNOWN_PER_SECOND * 10, this.#now)
    this.#unknown.set(bucket, made)
    return made
  }

  #context(bucket: string, dekId: Buffer): EncryptionContext {
    return { realm: this.#o.realm, bucket, dekId: dekId.toString('hex') }
  }

  #assertOpen(): void {
    if (this.#closed) throw new TypeError('the data keys are closed')
  }
}

function cacheId(e: WrappedDataKey, context: EncryptionContext): string {
  const input = lengthPrefixed([Buffer.from(e.cmkId), e.wrapped, canonicalContext(context)])
  return createHash('sha256').update(input).digest('base64')
}

function integrity(reason: string): SealgateError {
  return new SealgateError('ObjectIntegrityError', undefined, { reason })
}

/** Nothing is ever written under a short or a zero key, whatever the KMS says. */
function assertUsable(key: Uint8Array): void {
  if (key.length !== 32 || key.every((byte) => byte === 0)) throw new SealgateError('InternalError')
}

function wipeEpoch(epoch: Epoch): void {
  epoch.plaintext.fill(0)
  epoch.next?.plaintext.fill(0)
}
