import type { IncomingBody } from '../storage.ts'
import type { BodyIntegrity } from './upload-body.ts'

export type Query = Readonly<Record<string, string | number | undefined>>

export interface StoreCall {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** The store's own name of it. */
  readonly bucket?: string | undefined
  readonly key?: string | undefined
  readonly query?: Query
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: Buffer | StreamedBody | undefined
  /** Doing it twice is the same as once, so it may be sent again when its answer was lost. */
  readonly idempotent: boolean
  readonly answerTimeoutMs?: number | undefined
  /** What it asks for is the client's own document: a 400 is about that, and not about the gateway's dealings. */
  readonly ofClient?: boolean
  readonly signal?: AbortSignal | undefined
}

export interface StreamedBody {
  readonly size: number
  readonly body: IncomingBody
  /** For probes: instead of what the client uses. */
  readonly integrity?: BodyIntegrity
  /** For probes: instead of the true one. */
  readonly checksum?: string
}
