import { randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { SingleFlight } from '../base/single-flight.ts'
import type { WrappedDataKey } from './decrypting-keys.ts'
import { dekContext } from './dek-context.ts'
import { isRefusal, orGrace, type SpareKey } from './grace.ts'
import type { KeyPolicy } from './key-policy.ts'
import type { KeyRing } from './key-ring.ts'
import type { Kms } from './kms/kms.ts'
import { type DataKeySource, newDataKey } from './new-data-key.ts'
import { inS3Terms } from './s3-terms.ts'
import { copyOfKey, requireUsable, requireWrapped } from './usable-key.ts'

/** Buckets that have an epoch at a time; the one longest unused loses it. */
const MAX_BUCKETS = 10_000
/** The next epoch is made when this share of the current one is used up. */
const PREFETCH_AT = 0.9
const PREFETCH_RETRY_MS = 1000
/** What an epoch may hold in grace, by its limits: while the KMS is away they give way, but not without end. */
const GRACE_FACTOR = 2

export interface EpochLimits {
  readonly maxAgeMs: number
  readonly maxObjects: number
  readonly maxBytes: number
}

export interface DataKey extends WrappedDataKey {
  /** A copy that is the caller's own: zero it after use. */
  readonly plaintext: Uint8Array
}

export interface EncryptingKeysOptions {
  readonly kms: Kms
  readonly realm: string
  readonly policy: KeyPolicy
  /** Where every DEK is recorded before it is used. */
  readonly ring: KeyRing
  readonly epoch: EpochLimits
  readonly graceMs: number
  readonly source: DataKeySource
  /** Asked before a DEK is made: rejects if there is no such bucket. */
  readonly admit: (bucket: string) => Promise<unknown>
  readonly onMade: (bucket: string, dek: WrappedDataKey, plaintext: Uint8Array) => void
  readonly now: () => number
}

interface Epoch extends WrappedDataKey, SpareKey {
  readonly plaintext: Buffer
  /** When the KMS was asked for it; a little later if it was made ahead, so that this does not shorten it. */
  bornMs: number
  objects: number
  bytes: number
  next: Epoch | undefined
  /** By an order to rotate, and when. */
  endedAtMs: number | undefined
  /** The KMS refused to make the next one: no grace. */
  refused: boolean
  prefetchFromMs: number
}

/** The DEK that encrypts each bucket's new objects, for an epoch. */
export class EncryptingKeys {
  readonly #o: EncryptingKeysOptions
  readonly #epochs: LRUCache<string, Epoch>
  readonly #making = new SingleFlight<void>()
  /** Orders to rotate so far. */
  #rotations = 0
  #closed = false

  constructor(options: EncryptingKeysOptions) {
    this.#o = options
    this.#epochs = new LRUCache({ max: MAX_BUCKETS, dispose: wipe })
  }

  /** The DEK for one more object of about `bytes` bytes. */
  async take(bucket: string, bytes: number): Promise<DataKey> {
    for (;;) {
      if (this.#closed) throw new TypeError('the data keys are closed')
      const epoch = this.#current(bucket, bytes)
      if (epoch === undefined) {
        // Whatever came of it is looked at anew: between an answer and those who wait for it an epoch may end.
        await this.#renew(bucket, bytes)
        continue
      }
      epoch.objects += 1
      epoch.bytes += bytes
      this.#prefetch(bucket, epoch)
      const { dekId, cmkId, wrapped } = epoch
      return { dekId, cmkId, wrapped, plaintext: copyOfKey(epoch.plaintext) }
    }
  }

  /** More bytes of an object that was begun under this DEK. */
  count(bucket: string, dekId: Buffer, bytes: number): void {
    const epoch = this.#epochs.peek(bucket)
    if (epoch?.dekId.equals(dekId) === true) epoch.bytes += bytes
  }

  /** Ends the epochs of these buckets: their next object is sealed under a DEK that is made from now on. */
  rotate(matches: (bucket: string) => boolean): void {
    this.#rotations += 1
    for (const [bucket, epoch] of this.#epochs.entries()) {
      if (!matches(bucket)) continue
      epoch.endedAtMs ??= this.#o.now()
      dropNext(epoch)
    }
  }

  /** Drops the epochs under which nothing can be sealed any more, also if nobody asks for them again. */
  sweep(): void {
    const now = this.#o.now()
    for (const [bucket, epoch] of [...this.#epochs.entries()])
      if (now >= this.#graceEndMs(epoch) && this.#promote(bucket, epoch, 0) === undefined)
        this.#epochs.delete(bucket)
  }

  close(): void {
    this.#closed = true
    this.#epochs.clear()
  }

  #current(bucket: string, bytes: number): Epoch | undefined {
    const epoch = this.#epochs.get(bucket)
    if (epoch === undefined || this.#fits(epoch, bytes)) return epoch
    return this.#promote(bucket, epoch, bytes)
  }

  /** The epoch that was made ahead takes the place of one that has ended. */
  #promote(bucket: string, epoch: Epoch, bytes: number): Epoch | undefined {
    const { next } = epoch
    if (next === undefined || !this.#fits(next, bytes)) return undefined
    epoch.next = undefined
    // Not as if it were made now: it may have waited for nearly all its age.
    next.bornMs = Math.min(this.#o.now(), next.bornMs + (1 - PREFETCH_AT) * this.#o.epoch.maxAgeMs)
    this.#epochs.set(bucket, next)
    return next
  }

  /** An unused epoch takes an object of any size, or one above the limit could never be written. */
  #fits(epoch: Epoch, bytes: number): boolean {
    const now = this.#o.now()
    if (now < epoch.graceUntilMs) return this.#hasRoom(epoch, bytes, GRACE_FACTOR)
    return now < this.#endMs(epoch) && (epoch.objects === 0 || this.#hasRoom(epoch, bytes, 1))
  }

  #hasRoom(epoch: Epoch, bytes: number, factor: number): boolean {
    const { maxObjects, maxBytes } = this.#o.epoch
    return epoch.objects < maxObjects * factor && epoch.bytes + bytes <= maxBytes * factor
  }

  /** When it ends by its age or by an order. */
  #endMs(epoch: Epoch): number {
    return Math.min(epoch.endedAtMs ?? Number.POSITIVE_INFINITY, epoch.bornMs + this.#o.epoch.maxAgeMs)
  }

  #graceEndMs(epoch: Epoch): number {
    return this.#endMs(epoch) + (epoch.refused ? 0 : this.#o.graceMs)
  }

  /** Makes the next epoch; while the KMS does not answer, the old one goes on for the time of grace. */
  async #renew(bucket: string, bytes: number): Promise<void> {
    const making = this.#makeNext(bucket)
    const spare = this.#spare(bucket, bytes)
    try {
      await (spare === undefined ? making : orGrace(making, spare, this.#o.now))
    } catch (error) {
      throw inS3Terms(error)
    }
  }

  /** The epoch that has ended, if it may go on for the time of grace. */
  #spare(bucket: string, bytes: number): Epoch | undefined {
    const old = this.#epochs.peek(bucket)
    if (old === undefined || old.refused || !this.#hasRoom(old, bytes, GRACE_FACTOR)) return undefined
    return this.#o.now() < this.#graceEndMs(old) ? old : undefined
  }

  #prefetch(bucket: string, epoch: Epoch): void {
    const { maxAgeMs, maxObjects, maxBytes } = this.#o.epoch
    const now = this.#o.now()
    if (epoch.next !== undefined || now < epoch.prefetchFromMs) return
    const used = Math.max((now - epoch.bornMs) / maxAgeMs, epoch.objects / maxObjects, epoch.bytes / maxBytes)
    if (used < PREFETCH_AT) return
    this.#makeNext(bucket).catch(() => {
      // No error yet: the write that needs the next epoch asks again, and reports it.
      epoch.prefetchFromMs = this.#o.now() + PREFETCH_RETRY_MS
    })
  }

  /** One at a time for a bucket. */
  #makeNext(bucket: string): Promise<void> {
    return this.#making.run(bucket, async () => {
      try {
        await this.#make(bucket)
      } catch (error) {
        if (isRefusal(error)) this.#refuse(bucket)
        throw error
      }
    })
  }

  /** The current epoch goes on to its end and no further. */
  #refuse(bucket: string): void {
    const epoch = this.#epochs.peek(bucket)
    if (epoch === undefined) return
    epoch.refused = true
    epoch.graceUntilMs = 0
    if (!this.#fits(epoch, 0)) this.#epochs.delete(bucket)
  }

  /** The new epoch stands in line behind the current one, or is the current one if there is none. */
  async #make(bucket: string): Promise<void> {
    const rotation = this.#rotations
    await this.#o.admit(bucket)
    const epoch = await this.#newEpoch(bucket)
    if (this.#closed) return wipe(epoch)
    // An order to rotate that came meanwhile may mean this one.
    if (rotation !== this.#rotations) epoch.endedAtMs = this.#o.now()
    this.#o.onMade(bucket, epoch, epoch.plaintext)
    const current = this.#epochs.peek(bucket)
    if (current === undefined) {
      this.#epochs.set(bucket, epoch)
    } else {
      dropNext(current)
      current.next = epoch
    }
  }

  async #newEpoch(bucket: string): Promise<Epoch> {
    const { realm, policy, ring, now, kms, source } = this.#o
    const { cmk: cmkId } = policy(bucket)
    const dekId = randomBytes(16)
    const bornMs = now()
    const made = await newDataKey(kms, source, cmkId, dekContext({ realm, bucket, dekId }))
    const dek = { dekId, cmkId, ...made }
    try {
      requireUsable(dek.plaintext)
      requireWrapped(dek.wrapped)
      // Before anything is sealed under it: a DEK without a record could never leave its CMK.
      await ring.begin({ bucket, ...dek })
    } catch (error) {
      dek.plaintext.fill(0)
      throw error
    }
    return {
      ...dek,
      bornMs,
      objects: 0,
      bytes: 0,
      next: undefined,
      endedAtMs: undefined,
      refused: false,
      graceUntilMs: 0,
      prefetchFromMs: 0,
    }
  }
}

function wipe(epoch: Epoch): void {
  epoch.plaintext.fill(0)
  dropNext(epoch)
}

function dropNext(epoch: Epoch): void {
  epoch.next?.plaintext.fill(0)
  epoch.next = undefined
}
