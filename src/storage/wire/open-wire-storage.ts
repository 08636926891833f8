import type { Storage } from '../storage.ts'
import type { BucketNames } from './bucket-names.ts'
import type { WireCapabilities } from './capabilities.ts'
import { StoreClient } from './client.ts'
import { Connections, type TlsOptions } from './connections.ts'
import type { Dialect } from './dialect.ts'
import { KnownBuckets, type Store, type WireLimits } from './store.ts'
import { prepareSystemBucket } from './system-bucket.ts'
import { WireStorage } from './wire-storage.ts'

/** What every server behind the gateway may be told. */
export interface WireOptions {
  readonly tls?: TlsOptions
  /** The name that clients would use. */
  readonly systemBucket: string
  readonly bucketPrefix?: string
  /** Names of buckets here and at the store, where they differ by more than the prefix. */
  readonly buckets?: ReadonlyMap<string, string>
  readonly maxConnections?: number
  readonly connectTimeoutMs?: number
  readonly idleTimeoutMs?: number
  readonly answerTimeoutMs?: number
  /** Makes nothing and finds out nothing: for commands that only read. Default false. */
  readonly readOnly?: boolean
  readonly warn?: (message: string) => void
  /** What another process, which opened the same store a moment ago, has found out; then nothing is tried again. */
  readonly known?: WireCapabilities | undefined
  /** Where the server's limits are not those of its kind. */
  readonly limits?: Partial<WireLimits>
}

export const ANSWER_TIMEOUT_MS = 60_000

export interface SpokenTo {
  readonly dialect: Dialect
  readonly names: BucketNames
  /** What holds of a server that nobody has asked. */
  readonly unprobed: WireCapabilities
  readonly limits: WireLimits
  /** @param bucket the store's own name of the system bucket, on scratch keys of which it may be tried what the server can do */
  probe(client: StoreClient, bucket: string, warn: (message: string) => void): Promise<WireCapabilities>
}

/** Looks at the system bucket, and finds out what the server can do, before anything is served from it. */
export async function openWireStorage(options: WireOptions, server: SpokenTo): Promise<Storage> {
  const connections = new Connections({
    maxConnections: options.maxConnections ?? 256,
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    idleTimeoutMs: options.idleTimeoutMs ?? 60_000,
    tls: options.tls ?? {},
  })
  const { dialect, names, unprobed } = server
  const client = new StoreClient(connections, dialect)
  const limits = { ...server.limits, ...options.limits }
  const store: Store = { client, names, capabilities: unprobed, limits, known: new KnownBuckets() }
  try {
    if (options.readOnly === true) return new WireStorage(store, connections)
    const warn = options.warn ?? (() => undefined)
    await prepareSystemBucket(store, options.systemBucket, warn)
    const capabilities =
      options.known ?? (await server.probe(client, names.stored(options.systemBucket), warn))
    const probed = { ...server.limits, maxMetadataBytes: capabilities.metadataBytes, ...options.limits }
    return new WireStorage({ ...store, capabilities, limits: probed }, connections)
  } catch (error) {
    await connections.close()
    throw error
  }
}
