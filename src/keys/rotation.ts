import { randomUUID } from 'node:crypto'
import { bucketPattern } from './bucket-pattern.ts'
import type { KeyRecords } from './key-records.ts'

/** Orders to end epochs: `v1/rotate/<base64url of the pattern>`, with a random text in it. What says that there is an order is that the record changed. */
export const ROTATE_PREFIX = 'v1/rotate/'
const PATTERN = /^[A-Za-z0-9._*-]{1,63}$/
/** Records that are looked at; of orders for single buckets there can be some, and the collector removes old ones. */
const MAX_RECORDS = 1000
/** More orders than this between two looks are an order for all buckets. */
const MAX_ORDERS = 50

/** True if it can be ordered for: a bucket's name, or a pattern of names with `*`. */
export function isRotatable(pattern: string): boolean {
  return PATTERN.test(pattern)
}

/** Orders every gateway of the deployment to end the epochs of the buckets that the pattern means. */
export async function orderRotation(records: KeyRecords, pattern: string): Promise<void> {
  if (!isRotatable(pattern)) throw new RangeError('expected a bucket name or a pattern with *')
  const name = `${ROTATE_PREFIX}${Buffer.from(pattern).toString('base64url')}`
  await records.replace(name, Buffer.from(randomUUID()))
}

export interface RotationWatchOptions {
  readonly records: KeyRecords
  /** Longest time between two looks. */
  readonly pollMs: number
  readonly onOrder: (matches: (bucket: string) => boolean) => void
  /** A look that failed; the next one comes in its time. */
  readonly onFailure: (error: unknown) => void
  readonly random?: () => number
}

/**
 * Looks for orders to rotate now and then. It compares what it sees with what it saw the last time, and asks no clock: those of replicas
 * differ. What lay there before the first look concerns no key of this process.
 */
export class RotationWatch {
  readonly #o: RotationWatchOptions
  #seen: ReadonlyMap<string, string> | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(options: RotationWatchOptions) {
    this.#o = options
  }

  /** To be awaited before the first key is made. */
  async start(): Promise<void> {
    await this.look()
    this.#schedule()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  async look(): Promise<void> {
    const found = await this.#read()
    const seen = this.#seen
    this.#seen = found
    if (seen === undefined) return
    const ordered = [...found].filter(([pattern, revision]) => seen.get(pattern) !== revision)
    if (ordered.length === 0) return
    const matchers = ordered.map(([pattern]) => bucketPattern(pattern))
    this.#o.onOrder(
      matchers.length > MAX_ORDERS ? () => true : (bucket) => matchers.some((matches) => matches(bucket)),
    )
  }

  /** Revisions by pattern. */
  async #read(): Promise<Map<string, string>> {
    const found = new Map<string, string>()
    let records = 0
    for await (const { name, revision } of this.#o.records.list(ROTATE_PREFIX)) {
      if (++records > MAX_RECORDS) break
      const pattern = Buffer.from(name.slice(ROTATE_PREFIX.length), 'base64url').toString()
      if (isRotatable(pattern)) found.set(pattern, revision)
    }
    return found
  }

  /** Not all replicas at the same moment. */
  #schedule(): void {
    if (this.#stopped) return
    const pauseMs = this.#o.pollMs * (0.75 + 0.25 * (this.#o.random ?? Math.random)())
    this.#timer = setTimeout(() => {
      this.look()
        .catch((error: unknown) => {
          // The store is closed behind a watch that has stopped.
          if (!this.#stopped) this.#o.onFailure(error)
        })
        .finally(() => this.#schedule())
    }, pauseMs).unref()
  }
}
