import { ByteBudget } from '../base/byte-budget.ts'
import type { DataKeys } from '../keys/index.ts'
import type { Storage } from '../storage/storage.ts'
import { CorsRules } from './cors.ts'
import { FooterCache } from './footer-cache.ts'
import { PlaintextPolicy } from './plaintext-policy.ts'
import { readCors } from './subresources/read-cors.ts'
import { UploadKeyCache } from './upload-key-cache.ts'
import { UploadNameCache } from './upload-names.ts'

/**
 * What every operation of this room works with. Operations are plain functions `operation(gateway, input)`, one a
 * file: they know keys, the envelope and the store, and neither HTTP nor XML.
 */
export interface Gateway {
  readonly storage: Storage
  readonly keys: DataKeys
  /** Random id of this deployment, bound into every envelope. */
  readonly realm: string
  /** Holds the deployment's own records; no operation of a client reaches it. */
  readonly systemBucket: string
  readonly now: () => number
  /** For what goes wrong behind a finished answer (left-over state of an upload, say). */
  readonly warn: (message: string, error: unknown) => void
  readonly uploads: UploadKeyCache
  readonly uploadNames: UploadNameCache
  readonly footers: FooterCache
  /** Sub-resources that are handed on to the store though they let others in, or data out. */
  readonly forward: ReadonlySet<string>
  readonly cors: CorsRules
  /** For objects that are read whole before their first byte is answered. */
  readonly wholeReads: ByteBudget
  readonly plaintext: PlaintextPolicy
}

export interface GatewayOptions {
  readonly storage: Storage
  readonly keys: DataKeys
  readonly realm: string
  readonly systemBucket: string
  /** Whether objects of a bucket that nobody sealed are served; default: of none. */
  readonly readsPlaintext?: (bucket: string) => boolean
  /** Default none. */
  readonly forward?: ReadonlySet<string>
  readonly now?: () => number
  readonly warn?: (message: string, error: unknown) => void
}

const WHOLE_READ_BYTES = 64 * 1024 * 1024

export function createGateway(options: GatewayOptions): Gateway {
  const gateway: Gateway = {
    storage: options.storage,
    keys: options.keys,
    realm: options.realm,
    systemBucket: options.systemBucket,
    forward: options.forward ?? new Set(),
    now: options.now ?? Date.now,
    warn: options.warn ?? (() => undefined),
    uploads: new UploadKeyCache(),
    uploadNames: new UploadNameCache(),
    footers: new FooterCache(),
    wholeReads: new ByteBudget(WHOLE_READ_BYTES),
    plaintext: new PlaintextPolicy(options.readsPlaintext ?? (() => false)),
    cors: new CorsRules((bucket) => readCors(gateway, bucket)),
  }
  return gateway
}
