import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Gateway } from '../gateway/gateway.ts'
import type { PlainBody } from '../gateway/plain-body.ts'
import type { RequestHeaders } from './headers.ts'
import type { Target } from './target.ts'

/** One authenticated request on its way through its operation. */
export interface Context {
  readonly gateway: Gateway
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly requestId: string
  readonly target: Target
  readonly headers: RequestHeaders
  /** Empty for operations on the service. */
  readonly bucket: string
  /** Empty for operations on a bucket. */
  readonly key: string
  readonly region: string
  /** Whether requests for other regions are refused. */
  readonly strictRegion: boolean
  readonly accessKeyId: string
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal
  /** The checked body. Reading it is what lets a client that waits for 100 Continue go on.
   * `checksumsOf` says what x-amz-checksum-* headers speak of: CompleteMultipartUpload's are the finished object's. */
  readonly body: (maxBytes: number, checksumsOf?: 'body' | 'object') => PlainBody
}

/** What an operation answers; the handler writes it. */
export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string | number | undefined>>
  /** A document, or a stream of exactly content-length bytes. */
  readonly body?: string | AsyncIterable<Uint8Array>
}

export type Operation = (context: Context) => Promise<Answer>
