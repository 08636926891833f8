import { existsSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { BucketRule, Config } from './config/config.ts'
import { collectGarbage, lastCollected } from './gateway/collect-garbage.ts'
import { createGateway, type Gateway } from './gateway/gateway.ts'
import { claimRealm } from './gateway/realm.ts'
import { createHttpServer, drain } from './http/index.ts'
import { createKeyring, DataKeys, type Keyring, LocalKms, loadKeyring } from './keys/index.ts'
import { createS3Handler, type RequestOutcome } from './s3/handler.ts'
import { openFilesystemStorage } from './storage/filesystem.ts'
import type { Storage } from './storage/storage.ts'

/** Why Sealgate does not start, in a sentence for the operator. */
export class StartupError extends Error {
  override readonly name = 'StartupError'
}

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface RunningApp {
  readonly host: string
  readonly port: number
  /** Stops accepting, lets requests under way end within the configured grace, wipes the keys. */
  close(): Promise<void>
}

const DECRYPT_CACHE = { maxEntries: 10_000, maxAgeMs: 3_600_000 }

export function storeDirectory(config: Config): string {
  return join(config.dataDir, 'store')
}

export function keyringPath(config: Config): string {
  return config.keyring ?? join(config.dataDir, 'keyring.json')
}

/**
 * What has to be in order before a process serves: a keyring (made if this is the first start, never if data exists that
 * another keyring sealed), and a store that belongs to this deployment.
 */
export async function prepare(config: Config, log: Logger): Promise<void> {
  const path = keyringPath(config)
  const hasData = existsSync(join(storeDirectory(config), 'index.sqlite'))
  if (!existsSync(path)) {
    if (hasData) {
      throw new StartupError(
        `The keyring ${path} is missing, but ${storeDirectory(config)} holds data that it sealed. Restore the keyring from your backup (or name it by kms.keyring / SEALGATE_KEYRING); without it the data cannot be read.`,
      )
    }
    createKeyring(path)
  }
  const keyring = loadKeyring(path)
  checkRules(config.buckets, keyring, path)
  const storage = await openStore(config, log)
  try {
    if (!(await claimRealm(storage, config.systemBucket, keyring.realm))) {
      throw new StartupError(
        `${storeDirectory(config)} belongs to another deployment: its realm is not the one of the keyring ${path}. Use the keyring that belongs to it, or another data directory.`,
      )
    }
  } finally {
    await storage.close()
  }
}

/** A rule that names a key which is not there would only be noticed by the first client that writes. */
function checkRules(rules: readonly BucketRule[], keyring: Keyring, path: string): void {
  for (const { match, cmk, retired } of rules) {
    const missing = [cmk, ...retired].find((id) => !keyring.keys.has(id))
    if (missing === undefined) continue
    throw new StartupError(
      `The rule for buckets "${match}" names the key ${missing}, which the keyring ${path} does not hold. It holds: ${[...keyring.keys.keys()].join(', ')}.`,
    )
  }
}

/** The composition root: a configuration and credentials become a running gateway. `prepare` has been called before. */
export async function startApp(config: Config, credentials: Credentials, log: Logger): Promise<RunningApp> {
  const keyring = loadKeyring(keyringPath(config))
  const storage = await openStore(config, log)
  const keys = new DataKeys({
    kms: new LocalKms(keyring),
    realm: keyring.realm,
    policy: keyPolicy(config.buckets, keyring),
    epoch: config.epoch,
    decryptCache: DECRYPT_CACHE,
  })
  const gateway = createGateway({
    storage,
    keys,
    realm: keyring.realm,
    systemBucket: config.systemBucket,
    warn: (message, error) => log.warn({ err: error }, message),
  })
  const handler = createS3Handler({
    gateway,
    credentials: (id) => (id === credentials.accessKeyId ? credentials.secretAccessKey : undefined),
    region: config.region ?? 'us-east-1',
    strictRegion: config.region !== null,
    domains: config.domains,
    idleTimeoutMs: config.limits.idleTimeoutMs,
    onRequest: (outcome) => logRequest(log, outcome),
  })
  const server = createHttpServer({ handler, limits: config.limits })
  const stopCollecting = collectByItself(gateway, log)
  const close = async () => {
    stopCollecting()
    await drain(server, config.shutdownGraceMs)
    keys.close()
    await storage.close()
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(config, error)))
    server.listen(config.listen.port, config.listen.host, () => resolve())
  }).catch(async (error: unknown) => {
    stopCollecting()
    keys.close()
    await storage.close()
    throw error
  })
  const { address, port } = server.address() as AddressInfo
  return { host: address, port, close }
}

const COLLECT_EVERY_MS = 6 * 3_600_000

/** Runs the collector now and then, at random times, so that of many replicas one does it for all. */
function collectByItself(gateway: Gateway, log: Logger): () => void {
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  const schedule = () => {
    if (!stopped) timer = setTimeout(run, COLLECT_EVERY_MS * (0.1 + Math.random())).unref()
  }
  const run = () => {
    runCollector(gateway, log)
      .catch((error: unknown) => log.warn({ err: error }, 'the collector failed; it will try again'))
      .finally(schedule)
  }
  schedule()
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}

async function runCollector(gateway: Gateway, log: Logger): Promise<void> {
  if (gateway.now() - (await lastCollected(gateway)) < COLLECT_EVERY_MS / 2) return
  const result = await collectGarbage(gateway)
  log.info(result, 'collected the state of uploads that are over')
}

/** The allow-list of a bucket comes from configuration or, without a rule, from the keyring; never from objects. */
function keyPolicy(
  rules: readonly BucketRule[],
  keyring: Keyring,
): (bucket: string) => { cmk: string; retired: readonly string[] } {
  const patterns = rules.map((rule) => ({
    rule,
    pattern: new RegExp(`^${rule.match.split('*').map(escapeRegExp).join('.*')}$`),
  }))
  const others = [...keyring.keys.keys()].filter((id) => id !== keyring.current)
  const fallback = { cmk: keyring.current, retired: others }
  return (bucket) => patterns.find(({ pattern }) => pattern.test(bucket))?.rule ?? fallback
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

function openStore(config: Config, log: Logger): Promise<Storage> {
  return openFilesystemStorage({ directory: storeDirectory(config), log: (message) => log.info(message) })
}

function logRequest(log: Logger, { cause, ...outcome }: RequestOutcome): void {
  if (outcome.status >= 500) log.error({ ...outcome, err: cause }, 'request failed')
  else log.info(outcome, 'request')
}

function listenError(config: Config, error: NodeJS.ErrnoException): Error {
  const { host, port } = config.listen
  const hints: Readonly<Record<string, string>> = {
    EADDRINUSE:
      'another program listens there; stop it or choose another address by listen / SEALGATE_LISTEN',
    EACCES: 'this user may not use that port; choose one above 1023 by listen / SEALGATE_LISTEN',
    EADDRNOTAVAIL: 'this machine has no such address; change listen / SEALGATE_LISTEN',
    ENOTFOUND: 'the host name is not known; change listen / SEALGATE_LISTEN',
  }
  const hint = error.code === undefined ? undefined : hints[error.code]
  return hint === undefined ? error : new StartupError(`Cannot listen on ${host}:${port}: ${hint}.`)
}
