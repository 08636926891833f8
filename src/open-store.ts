import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Config } from './config/config.ts'
import type { CosConfig } from './config/cos-config.ts'
import type { S3Config } from './config/s3-config.ts'
import { isError, type SealgateError } from './errors.ts'
import type { StorageCapabilities } from './storage/capabilities.ts'
import { openCosStorage } from './storage/cos.ts'
import { openFilesystemStorage } from './storage/filesystem.ts'
import { openS3Storage } from './storage/s3.ts'
import type { Storage } from './storage/storage.ts'
import type { WireCapabilities } from './storage/wire/capabilities.ts'
import { StoreRefusal } from './storage/wire/errors.ts'
import type { WireOptions } from './storage/wire/open-wire-storage.ts'
import { SystemBucketError } from './storage/wire/system-bucket.ts'

/** Why Sealgate does not start, in a sentence for the operator. */
export class StartupError extends Error {
  override readonly name = 'StartupError'
}

/** Of the fs store. */
export function storeDirectory(config: Config): string {
  return join(config.dataDir, 'store')
}

/** The store as the operator knows it. */
export function storeName(config: Config): string {
  return remoteOf(config)?.name ?? storeDirectory(config)
}

/** Whether the fs store has been made. */
export function hasFiles(config: Config): boolean {
  return existsSync(join(storeDirectory(config), 'index.sqlite'))
}

export interface OpenStoreOptions {
  /** Makes and changes nothing. Default false. */
  readonly readOnly?: boolean
  /** How long a server that does not answer is waited for; default 20 000. */
  readonly waitMs?: number
  /** Instead of the log. */
  readonly warn?: (message: string) => void
  /** What another process of this deployment, which opened the store by the same configuration, has found out about it. */
  readonly known?: StorageCapabilities | undefined
}

export function openStore(config: Config, log: Logger, options: OpenStoreOptions = {}): Promise<Storage> {
  const { readOnly = false, warn = (message) => log.warn(message) } = options
  const remote = remoteOf(config)
  if (remote !== null) return openRemote(remote, log, { ...options, readOnly, warn })
  return openFilesystemStorage({
    directory: storeDirectory(config),
    log: (message) => log.info(message),
    readOnly,
  })
}

/** A server that keeps the objects. */
interface RemoteStore {
  /** For the operator, as the next ones are. */
  readonly name: string
  readonly address: string
  /** The field that says where it is. */
  readonly field: string
  /** The fields that a refusal may be about. */
  readonly fields: string
  open(options: Pick<WireOptions, 'readOnly' | 'warn' | 'known'>): Promise<Storage>
}

function remoteOf({ s3, cos, systemBucket }: Config): RemoteStore | null {
  if (s3 !== null) return remoteS3(s3, systemBucket)
  if (cos !== null) return remoteCos(cos, systemBucket)
  return null
}

function remoteS3(s3: S3Config, systemBucket: string): RemoteStore {
  const { endpoint, region, addressing, credentials, bucketSuffix } = s3
  return {
    name: `${endpoint}${prefixed(s3)}`,
    address: endpoint,
    field: 's3.endpoint',
    fields: 's3.endpoint, s3.region and the credentials for it (s3.accessKeyId, s3.secretAccessKey)',
    open: (options) =>
      openS3Storage({
        ...{ endpoint, region, addressing, credentials, bucketSuffix },
        ...common(s3, systemBucket),
        ...options,
        tls: {
          ca: pem('s3.caFile', s3.caFile),
          cert: pem('s3.clientCertFile', s3.clientCertFile),
          key: pem('s3.clientKeyFile', s3.clientKeyFile),
        },
      }),
  }
}

function remoteCos(cos: CosConfig, systemBucket: string): RemoteStore {
  const { region, appId, credentials, domain, connectTo } = cos
  const where = `Tencent COS in ${region}`
  return {
    name: `${where} (buckets ${cos.bucketPrefix}…-${appId})`,
    address: where,
    field: 'cos.region, cos.domain',
    fields: 'cos.region, cos.appId, cos.domain and the credentials for it (cos.secretId, cos.secretKey)',
    open: (options) =>
      openCosStorage({
        ...{ region, appId, credentials, domain, connectTo },
        ...common(cos, systemBucket),
        ...options,
        regions: new Map(cos.regions),
        environment: process.env,
        tls: { ca: pem('cos.caFile', cos.caFile) },
      }),
  }
}

/** What both are told alike. */
function common(
  remote: S3Config | CosConfig,
  systemBucket: string,
): Pick<WireOptions, 'systemBucket'> & Partial<WireOptions> {
  const { bucketPrefix, maxConnections, connectTimeoutMs, answerTimeoutMs, idleTimeoutMs } = remote
  return {
    ...{ systemBucket, bucketPrefix, maxConnections, connectTimeoutMs, answerTimeoutMs, idleTimeoutMs },
    buckets: new Map(remote.buckets),
  }
}

function prefixed({ bucketPrefix }: S3Config): string {
  return bucketPrefix === '' ? '' : ` (buckets ${bucketPrefix}…)`
}

/** A store that is just coming up is waited for: gateway and store are often started together. */
const WAIT_FOR_STORE_MS = 20_000
const LONGEST_PAUSE_MS = 5000

async function openRemote(
  remote: RemoteStore,
  log: Logger,
  {
    readOnly,
    warn,
    known,
    waitMs = WAIT_FOR_STORE_MS,
  }: OpenStoreOptions & Required<Pick<OpenStoreOptions, 'readOnly' | 'warn'>>,
): Promise<Storage> {
  const until = performance.now() + waitMs
  for (let pauseMs = 1000; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    try {
      // It was the same kind of store that found it out.
      return await remote.open({ readOnly, warn, known: known as WireCapabilities | undefined })
    } catch (error) {
      const leftMs = until - performance.now()
      if (!mayPass(error) || leftMs <= 0) throw refused(remote, error)
      log.warn(
        { store: remote.address, reason: why(error) },
        `the store (${remote.field}) is not ready; trying again`,
      )
      await sleep(Math.min(pauseMs, leftMs))
    }
  }
}

function mayPass(error: unknown): error is SealgateError {
  return (
    isError(error, 'ServiceUnavailable', 'SlowDown', 'OperationAborted') && !(error instanceof StoreRefusal)
  )
}

function why({ reason, message }: SealgateError): string {
  return reason ?? message
}

function refused(remote: RemoteStore, error: unknown): unknown {
  if (error instanceof SystemBucketError) return new StartupError(error.message, { cause: error })
  if (!isError(error)) return error
  return notUsable(remote.address, `Check ${remote.fields}.`, error)
}

/** What the store says instead of an answer, and the fields that it may be about. */
export function cannotUse(config: Config, error: SealgateError): StartupError {
  const { name, fields } = remoteOf(config) ?? { name: storeDirectory(config), fields: 'dataDir' }
  return notUsable(name, `Check ${fields}.`, error)
}

function notUsable(store: string, check: string, error: SealgateError): StartupError {
  return new StartupError(`The store ${store} cannot be used: ${why(error).replace(/\.$/, '')}. ${check}`, {
    cause: error,
  })
}

function pem(field: string, path: string | null): string | undefined {
  if (path === null) return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new StartupError(`${field}: ${path} cannot be read: ${(error as Error).message}.`, { cause: error })
  }
}
