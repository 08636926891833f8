import type { StoreCall } from './call.ts'
import type { WireRequest, WireResponse } from './connections.ts'
import type { StoreFailure } from './errors.ts'

/**
 * How one kind of server is spoken to: where its buckets are, how requests are signed and bodies framed, and in which words. Calls and
 * answers are in those of S3 on this side of it.
 */
export interface Dialect {
  /** Whether connections are encrypted. */
  readonly secure: boolean
  /** Where a new bucket is asked for; null where its address says so. */
  readonly location: string | null
  /** Whether it keeps this sub-resource at all; what it keeps it may still refuse. */
  keeps(on: 'bucket' | 'object', name: string): boolean
  /** Whether the tags of an object are removed by deleting them; otherwise by putting none. */
  readonly deletesTags: boolean
  /** Throws for a key that no object of such a server can have. */
  checkKey(key: string): void
  /** The request that a call is, signed for now: each attempt has one of its own. */
  prepare(call: StoreCall): Promise<PreparedCall>
  /** Whether the refusal of this attempt taught something (where the bucket is, new credentials) by which the next one may succeed. */
  learn(failure: StoreFailure, refused: PreparedCall): Promise<boolean>
}

export interface PreparedCall {
  readonly request: WireRequest
  /** The region that it is signed for, where that counts. */
  readonly region?: string
  /** The answer as S3 gives it. Throws, and destroys the answer, if that does not confirm what was sent. */
  answered(response: WireResponse): WireResponse
  /** What a refusal is called by S3. */
  refused(failure: StoreFailure): StoreFailure
}
