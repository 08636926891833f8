import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Config } from './config/config.ts'
import type { S3Config } from './config/s3-config.ts'
import { isError, type SealgateError } from './errors.ts'
import { openFilesystemStorage } from './storage/filesystem.ts'
import { StoreRefusal } from './storage/s3/errors.ts'
import { SystemBucketError } from './storage/s3/system-bucket.ts'
import { openS3Storage } from './storage/s3.ts'
import type { Storage } from './storage/storage.ts'

/** Why Sealgate does not start, in a sentence for the operator. */
export class StartupError extends Error {
  override readonly name = 'StartupError'
}

/** Of the fs store. */
export function storeDirectory(config: Config): string {
  return join(config.dataDir, 'store')
}

/** The store as the operator knows it. */
export function storeName({ s3, ...config }: Config): string {
  if (s3 === null) return storeDirectory({ s3, ...config })
  return `${s3.endpoint}${s3.bucketPrefix === '' ? '' : ` (buckets ${s3.bucketPrefix}…)`}`
}

/** Whether the fs store has been made. */
export function hasFiles(config: Config): boolean {
  return existsSync(join(storeDirectory(config), 'index.sqlite'))
}

export interface OpenStoreOptions {
  /** Makes and changes nothing. Default false. */
  readonly readOnly?: boolean
  /** How long an S3 server that does not answer is waited for; default 20 000. */
  readonly waitMs?: number
  /** Instead of the log. */
  readonly warn?: (message: string) => void
}

export function openStore(config: Config, log: Logger, options: OpenStoreOptions = {}): Promise<Storage> {
  const { readOnly = false } = options
  if (config.s3 !== null) return openS3(config, config.s3, log, options)
  return openFilesystemStorage({
    directory: storeDirectory(config),
    log: (message) => log.info(message),
    readOnly,
  })
}

/** A store that is just coming up is waited for: gateway and store are often started together. */
const WAIT_FOR_STORE_MS = 20_000
const LONGEST_PAUSE_MS = 5000

async function openS3(
  config: Config,
  s3: S3Config,
  log: Logger,
  { readOnly = false, waitMs = WAIT_FOR_STORE_MS, warn = (message) => log.warn(message) }: OpenStoreOptions,
): Promise<Storage> {
  const { endpoint, region, addressing, credentials, bucketPrefix, bucketSuffix } = s3
  const { maxConnections, connectTimeoutMs, answerTimeoutMs, idleTimeoutMs } = s3
  const options = {
    ...{ endpoint, region, addressing, credentials, bucketPrefix, bucketSuffix },
    ...{ maxConnections, connectTimeoutMs, answerTimeoutMs, idleTimeoutMs },
    tls: {
      ca: pem('s3.caFile', s3.caFile),
      cert: pem('s3.clientCertFile', s3.clientCertFile),
      key: pem('s3.clientKeyFile', s3.clientKeyFile),
    },
    systemBucket: config.systemBucket,
    buckets: new Map(s3.buckets),
    readOnly,
    warn,
  }
  const until = performance.now() + waitMs
  for (let pauseMs = 1000; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    try {
      return await openS3Storage(options)
    } catch (error) {
      const leftMs = until - performance.now()
      if (!mayPass(error) || leftMs <= 0) throw refused(s3, error)
      log.warn({ store: endpoint, reason: why(error) }, 'the store (s3.endpoint) is not ready; trying again')
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

function refused(s3: S3Config, error: unknown): unknown {
  if (error instanceof SystemBucketError) return new StartupError(error.message, { cause: error })
  if (!isError(error)) return error
  return cannotUse(s3.endpoint, error)
}

/** What the store says instead of an answer, and the fields that it may be about. */
export function cannotUse(store: string, error: SealgateError): StartupError {
  const check =
    'Check s3.endpoint, s3.region and the credentials for it (s3.accessKeyId, s3.secretAccessKey).'
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
