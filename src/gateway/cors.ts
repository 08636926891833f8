import { LRUCache } from 'lru-cache'
import { childrenOf, childText, type XmlElement } from '../base/xml-reader.ts'
import { isError, SealgateError } from '../errors.ts'

/*
 * Cross-origin requests, judged by the bucket's CORS rules as Amazon S3 does it (User Guide, "Using cross-origin resource sharing"): the first rule that
 * fits the origin, the method and every header counts.
 */

export interface CorsRule {
  readonly origins: readonly string[]
  readonly methods: readonly string[]
  readonly headers: readonly string[]
  readonly exposed: readonly string[]
  readonly maxAgeSeconds: string | undefined
}

export interface CorsRequest {
  readonly origin: string
  readonly method: string
  /** Those that a preflight announces. */
  readonly headers: readonly string[]
}

export function rulesOf(document: XmlElement): readonly CorsRule[] {
  return childrenOf(document, 'CORSRule').map((rule) => {
    const texts = (name: string) => childrenOf(rule, name).map(({ text }) => text)
    return {
      origins: texts('AllowedOrigin'),
      methods: texts('AllowedMethod'),
      headers: texts('AllowedHeader').map((header) => header.toLowerCase()),
      exposed: texts('ExposeHeader'),
      maxAgeSeconds: childText(rule, 'MaxAgeSeconds'),
    }
  })
}

/** What the answer says to the browser, or null if no rule fits. */
export function allowedBy(
  rules: readonly CorsRule[],
  request: CorsRequest,
): Readonly<Record<string, string>> | null {
  for (const rule of rules) {
    const origin = rule.origins.find((allowed) => fits(allowed, request.origin))
    if (origin === undefined || !rule.methods.includes(request.method)) continue
    const asked = request.headers.map((header) => header.toLowerCase())
    if (!asked.every((header) => rule.headers.some((allowed) => fits(allowed, header)))) continue
    return headersOf(rule, origin === '*' ? '*' : request.origin, asked)
  }
  return null
}

/** One asterisk stands for any characters. */
function fits(allowed: string, value: string): boolean {
  const star = allowed.indexOf('*')
  if (star < 0) return allowed === value
  const [head, tail] = [allowed.slice(0, star), allowed.slice(star + 1)]
  return value.length >= head.length + tail.length && value.startsWith(head) && value.endsWith(tail)
}

function headersOf(
  { methods, exposed, maxAgeSeconds }: CorsRule,
  origin: string,
  asked: readonly string[],
): Record<string, string> {
  return {
    'access-control-allow-origin': origin,
    'access-control-allow-methods': methods.join(', '),
    ...(asked.length === 0 ? {} : { 'access-control-allow-headers': asked.join(', ') }),
    ...(exposed.length === 0 ? {} : { 'access-control-expose-headers': exposed.join(', ') }),
    ...(maxAgeSeconds === undefined ? {} : { 'access-control-max-age': maxAgeSeconds }),
    ...(origin === '*' ? {} : { 'access-control-allow-credentials': 'true' }),
    vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
  }
}

const KEPT_MS = 10_000
const MOST_BUCKETS = 1000
const MOST_LOADS = 16

/**
 * The rules of buckets, kept for a moment: a page makes many requests, and each has to be judged. Preflights carry no signature, so how many buckets are
 * looked up at once is bounded.
 */
export class CorsRules {
  readonly #kept = new LRUCache<string, Promise<readonly CorsRule[]>>({ max: MOST_BUCKETS, ttl: KEPT_MS })
  readonly #load: (bucket: string) => Promise<XmlElement>
  #loads = 0

  constructor(load: (bucket: string) => Promise<XmlElement>) {
    this.#load = load
  }

  /** None where the bucket has none, is not there, or the store keeps none. */
  of(bucket: string): Promise<readonly CorsRule[]> {
    const kept = this.#kept.get(bucket)
    if (kept !== undefined) return kept
    if (this.#loads >= MOST_LOADS)
      return Promise.reject(new SealgateError('SlowDown', undefined, { headers: { 'retry-after': '1' } }))
    const loading = this.#rules(bucket)
    this.#kept.set(bucket, loading)
    loading.catch(() => this.#kept.delete(bucket))
    return loading
  }

  /** They have just been changed here. */
  forget(bucket: string): void {
    this.#kept.delete(bucket)
  }

  async #rules(bucket: string): Promise<readonly CorsRule[]> {
    this.#loads++
    try {
      return rulesOf(await this.#load(bucket))
    } catch (error) {
      if (isError(error, ...NONE)) return []
      throw error
    } finally {
      this.#loads--
    }
  }
}

const NONE = [
  'AccessDenied',
  'InvalidBucketName',
  'NoSuchBucket',
  'NoSuchCORSConfiguration',
  'NotImplemented',
] as const
