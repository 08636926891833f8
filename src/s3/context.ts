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
  readonly accessKeyId: string
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal
  /** The checked body. Reading it is what lets a client that waits for 100 Continue go on. */
  readonly body: (maxBytes: number) => PlainBody
}

/** What an operation answers; the handler writes it. */
export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string | number | undefined>>
  /** A document, or a stream of exactly content-length bytes. */
  readonly body?: string | AsyncIterable<Uint8Array>
}

export type Operation = (context: Context) => Promise<Answer>
