import { SealgateError } from '../../errors.ts'

export interface BucketNameOptions {
  /** Without the prefix at the store. */
  readonly systemBucket: string
  /** In front of every name that is not in the map. */
  readonly prefix: string
  /** Name for clients -> name at the store. */
  readonly map: ReadonlyMap<string, string>
  /** Behind every name that is not in the map. Default none. */
  readonly suffix?: string
  /** What names can be like at the store. */
  readonly form?: BucketNameForm
}

export interface BucketNameForm {
  /** Of the store's name, for the one that clients use. */
  maxLength(bucket: string): number
  readonly pattern: RegExp
}

/** S3 says more of them, and servers say it themselves. */
const ANY_FORM: BucketNameForm = { maxLength: () => 63, pattern: /^/ }

/** Buckets in which something is tried at a start, and that are gone again soon, have names that begin so. */
export function probeBucketPrefix(systemBucket: string): string {
  return `${systemBucket.slice(0, 40)}-probe-`
}

/**
 * The names of buckets at the store. Every bucket of a client has one of its own: two names for one bucket would let its objects be
 * taken for each other's, and the system bucket has none.
 */
export class BucketNames {
  readonly #o: BucketNameOptions
  readonly #mapped: ReadonlyMap<string, string>
  readonly #suffix: string
  readonly form: BucketNameForm

  /** Throws TypeError if two names mean one bucket, or one means the system bucket. */
  constructor(options: BucketNameOptions) {
    this.#o = options
    this.#suffix = options.suffix ?? ''
    this.form = options.form ?? ANY_FORM
    this.#mapped = new Map([...options.map].map(([name, stored]) => [stored, name]))
    if (this.#mapped.size !== options.map.size) throw new TypeError('two buckets are mapped to one')
    if (this.#mapped.has(options.systemBucket + this.#suffix) || options.map.has(options.systemBucket))
      throw new TypeError('the system bucket is mapped')
  }

  /**
   * The store's name. NoSuchBucket if the name is taken, by a mapped bucket or by the system bucket, and where it is known that no bucket can
   * have it there: a host that is made of it might be another one.
   */
  stored(bucket: string): string {
    const stored = this.proposed(bucket)
    if (this.isSystem(bucket) || this.#o.map.has(bucket)) return stored
    if (this.isTaken(stored) || (this.#o.form !== undefined && !this.isPossible(bucket)))
      throw new SealgateError('NoSuchBucket', undefined, { details: { BucketName: bucket } })
    return stored
  }

  /** What the store's name would be. */
  proposed(bucket: string): string {
    const { systemBucket, map, prefix } = this.#o
    if (bucket === systemBucket) return bucket + this.#suffix
    return map.get(bucket) ?? prefix + bucket + this.#suffix
  }

  /** Whether a bucket can have that name there. */
  isPossible(bucket: string): boolean {
    const stored = this.proposed(bucket)
    return stored.length <= this.form.maxLength(bucket) && this.form.pattern.test(stored)
  }

  /** The name that clients use, or null if the bucket is none of this deployment's. */
  shown(stored: string): string | null {
    const { systemBucket, prefix } = this.#o
    if (stored === systemBucket + this.#suffix) return systemBucket
    const mapped = this.#mapped.get(stored)
    if (mapped !== undefined) return mapped
    if (!stored.startsWith(prefix) || !stored.endsWith(this.#suffix) || this.isTaken(stored)) return null
    const name = stored.slice(prefix.length, stored.length - this.#suffix.length)
    // Empty also where prefix and suffix lie in one another.
    return name === '' || this.#o.map.has(name) || name === systemBucket ? null : name
  }

  isSystem(bucket: string): boolean {
    return bucket === this.#o.systemBucket
  }

  /** Whether a name at the store belongs to another name here. */
  isTaken(stored: string): boolean {
    const { systemBucket } = this.#o
    const isOurs =
      stored === systemBucket + this.#suffix || stored.startsWith(probeBucketPrefix(systemBucket))
    return isOurs || this.#mapped.has(stored)
  }
}
