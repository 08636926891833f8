import { existsSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from './config/config.ts'
import { collectGarbage, lastCollected } from './gateway/collect-garbage.ts'
import { createGateway, type Gateway } from './gateway/gateway.ts'
import { systemKeyRecords } from './gateway/key-records.ts'
import { claimRealm, isInUse, ownRealm } from './gateway/realm.ts'
import { createHttpServer, drain } from './http/index.ts'
import {
  bucketPattern,
  createKeyring,
  DataKeys,
  type DataKeysOptions,
  KeyRing,
  type KmsOptions,
  keyPolicy,
  type OpenedKms,
  openKms,
  RotationWatch,
} from './keys/index.ts'
import { hasFiles, openStore, StartupError, storeName } from './open-store.ts'
import { createS3Handler } from './s3/handler.ts'
import type { StorageCapabilities } from './storage/capabilities.ts'
import type { Storage } from './storage/storage.ts'
import { logRequest } from './telemetry/request-log.ts'

export { LostRealmError } from './gateway/realm.ts'
export { cannotUse, hasFiles, openStore, StartupError, storeDirectory, storeName } from './open-store.ts'

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

/** Of the local key service. */
export function keyringPath(config: Config): string {
  return config.kms.keyring ?? join(config.dataDir, 'keyring.json')
}

/**
 * What has to be in order before a process serves: the keys (a keyring is made if this is the first start, never if data exists that
 * another one sealed), and a store that belongs to this deployment; what that can do is for `startApp`, so that no process has to try it again.
 */
export async function prepare(config: Config, log: Logger): Promise<StorageCapabilities> {
  // Whether an S3 server holds data has to be asked; a directory is not made before the keys are in order.
  let storage = config.store === 'fs' ? null : await openStore(config, log)
  try {
    if (config.kms.provider === 'local') await makeKeyring(config, storage)
    const kms = await openKms(kmsOptions(config), process.env)
    await keyPolicy(config.buckets, kms).finally(() => kms.close())
    storage ??= await openStore(config, log)
    const isNamed = config.realm !== null
    if (kms.realm === null) await ownRealm(storage, config.systemBucket)
    else if (!(await claimRealm(storage, config.systemBucket, kms.realm, { isNamed })))
      throw otherDeployment(config)
    return storage.capabilities
  } finally {
    await storage?.close()
  }
}

export function otherDeployment(config: Config): StartupError {
  const another = config.store === 'fs' ? 'another data directory' : 'another system bucket and other buckets'
  const [what, instead] =
    config.realm === null
      ? [`is not the one of the keyring ${keyringPath(config)}`, 'Use the keyring that belongs to it']
      : [`is not ${config.realm}, which realm / SEALGATE_REALM names`, 'Name the realm that belongs to it']
  return new StartupError(
    `${storeName(config)} belongs to another deployment: its realm ${what}. ${instead}, or ${another}.`,
  )
}

/** @param storage null for a directory, which is not opened yet */
async function makeKeyring(config: Config, storage: Storage | null): Promise<void> {
  const path = keyringPath(config)
  if (existsSync(path)) return
  const hasData = storage === null ? hasFiles(config) : await isInUse(storage, config.systemBucket)
  if (hasData) {
    throw new StartupError(
      `The keyring ${path} is missing, but ${storeName(config)} holds data that it sealed. Restore the keyring from your backup (or name it by kms.keyring / SEALGATE_KEYRING); without it the data cannot be read.`,
    )
  }
  createKeyring(path, { passphrase: config.kms.passphrase, realm: config.realm ?? undefined })
}

/** The keyring is there if it is the default, is named, or lies where it would be made: it may hold retired CMKs. */
export function kmsOptions({ kms, ...config }: Config): KmsOptions {
  const keyring = keyringPath({ kms, ...config })
  const isThere = kms.provider === 'local' || kms.keyring !== null || existsSync(keyring)
  return {
    ...kms,
    realm: config.realm,
    local: isThere ? { keyring, passphrase: kms.passphrase } : null,
  }
}

/** The composition root: a configuration and credentials become a running gateway. `prepare` has been called before. */
export async function startApp(config: Config, found: Prepared, log: Logger): Promise<RunningApp> {
  const release = new AsyncDisposableStack()
  try {
    return await start(config, { ...found, log, release })
  } catch (error) {
    await release.disposeAsync()
    throw error
  }
}

/** What one process has found or made for all that serve. */
export interface Prepared {
  readonly credentials: Credentials
  readonly capabilities?: StorageCapabilities | undefined
}

interface Start extends Prepared {
  readonly log: Logger
  /** Holds all that is open, also when a later step fails. */
  readonly release: AsyncDisposableStack
}

async function start(
  config: Config,
  { credentials, capabilities, log, release }: Start,
): Promise<RunningApp> {
  const kms = release.adopt(await openKms(kmsOptions(config), process.env), (opened) => opened.close())
  const policy = await keyPolicy(config.buckets, kms)
  const storage = release.adopt(await openStore(config, log, { known: capabilities }), (opened) =>
    opened.close(),
  )
  const realm = kms.realm ?? (await ownRealm(storage, config.systemBucket))
  const ring = keyRing(config, realm, storage)
  const keys = dataKeys(config, { kms, realm, policy, ring, admit: (bucket) => storage.headBucket(bucket) })
  release.defer(() => keys.close())
  const gateway = createGateway({
    storage,
    keys,
    realm,
    systemBucket: config.systemBucket,
    readsPlaintext: readsPlaintext(config),
    forward: new Set(config.s3?.forward),
    warn: (message, error) => log.warn({ err: error }, message),
  })
  const handler = createS3Handler({
    gateway,
    credentials: (id) => (id === credentials.accessKeyId ? credentials.secretAccessKey : undefined),
    region: config.region ?? 'us-east-1',
    strictRegion: config.region !== null,
    signatureV2: config.signatureV2 === 'accept',
    domains: config.domains,
    idleTimeoutMs: config.limits.idleTimeoutMs,
    onRequest: (outcome) => logRequest(log, outcome),
  })
  warnOfConcessions(config, log)
  const server = createHttpServer({ handler, limits: config.limits })
  release.defer(collectByItself(gateway, log))
  const watch = rotationWatch(config, gateway, log)
  release.defer(() => watch.stop())
  await watch.start()
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(config, error)))
    server.listen(config.listen.port, config.listen.host, () => resolve())
  })
  const close = async () => {
    await drain(server, config.shutdownGraceMs)
    await release.disposeAsync()
  }
  const { address, port } = server.address() as AddressInfo
  return { host: address, port, close }
}

/** What the configuration gives up is told at every start. */
function warnOfConcessions(config: Config, log: Logger): void {
  if (config.signatureV2 === 'accept')
    log.warn(
      'signatureV2: accept takes requests whose bodies nobody signed, by a hash that is given up elsewhere (docs/security.md)',
    )
  if (config.plaintext.some((rule) => rule.plaintext === 'read'))
    log.warn(
      { buckets: config.plaintext },
      'buckets with plaintext: read serve what nobody sealed; set it back once all is copied in (docs/security.md)',
    )
}

/** By the first rule that says something of it. */
export function readsPlaintext({ plaintext }: Config): (bucket: string) => boolean {
  const rules = plaintext.map((rule) => ({
    matches: bucketPattern(rule.match),
    reads: rule.plaintext === 'read',
  }))
  return (bucket) => rules.find(({ matches }) => matches(bucket))?.reads ?? false
}

export type KeysContext = Pick<DataKeysOptions, 'realm' | 'policy' | 'ring' | 'admit'> & {
  readonly kms: OpenedKms
}

export function dataKeys(config: Config, { kms, ...context }: KeysContext): DataKeys {
  return new DataKeys({
    ...context,
    kms: kms.kms,
    epoch: config.epoch,
    decryptCache: config.decryptCache,
    graceMs: config.kms.graceMs,
    source: config.kms.dataKeys,
  })
}

export function keyRing({ systemBucket }: Config, realm: string, storage: Storage): KeyRing {
  return new KeyRing({ records: systemKeyRecords({ storage, systemBucket }), realm })
}

function rotationWatch({ epoch }: Config, gateway: Gateway, log: Logger): RotationWatch {
  return new RotationWatch({
    records: systemKeyRecords(gateway),
    pollMs: epoch.pollMs,
    onOrder(matches) {
      gateway.keys.rotate(matches)
      log.info('epochs ended, as ordered by sealgate rotate')
    },
    onFailure: (error) =>
      log.warn({ err: error }, 'cannot look for orders to rotate; it will be tried again'),
  })
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
