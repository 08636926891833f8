import { createReadStream, existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  cannotUse,
  dataKeys,
  keyRing,
  keyringPath,
  kmsOptions,
  openStore,
  otherDeployment,
  StartupError,
  storeDirectory,
  storeName,
} from './app.ts'
import type { Config } from './config/config.ts'
import { isError } from './errors.ts'
import { type CollectedGarbage, type CollectOptions, collectGarbage } from './gateway/collect-garbage.ts'
import { systemKeyRecords } from './gateway/key-records.ts'
import { claimRealm, storedRealm } from './gateway/realm.ts'
import {
  backupRecords,
  checkBackup,
  type DataKeys,
  type KeyPolicy,
  type KeyRecords,
  KeyRing,
  keyPolicy,
  type OpenedKms,
  openKms,
  RingError,
} from './keys/index.ts'
import type { Storage } from './storage/storage.ts'
import { createLog } from './telemetry/log.ts'

/** The keys of a deployment, for a command that runs without its gateway. */
export interface OfflineKeys {
  readonly kms: OpenedKms
  readonly realm: string
  readonly policy: KeyPolicy
  readonly keys: DataKeys
}

/** Its keys and its store, with the key ring in it. */
export interface Offline extends OfflineKeys {
  readonly storage: Storage
  readonly ring: KeyRing
  close(): Promise<void>
}

export interface OfflineOptions {
  /** Write access is for commands that keep records; the others leave the store exactly as it is. Default false. */
  readonly write?: boolean | undefined
  /** Instead of what a backup of the ring, the keyring or the store says. */
  readonly realm?: string | undefined
  /** A backup of the key ring, instead of the one in the store. */
  readonly ringFile?: string | undefined
}

/**
 * A configuration becomes keys and a store: no server, no exclusive lock, so also beside a running gateway. Nothing is made: a store or
 * a keyring that is not there is a StartupError.
 */
export async function openOffline(config: Config, options: OfflineOptions = {}): Promise<Offline> {
  const release = new AsyncDisposableStack()
  try {
    const kms = release.adopt(await openOfflineKms(config), (opened) => opened.close())
    const storage = release.adopt(await openOfflineStore(config, options), (opened) => opened.close())
    const backup = await openBackup(kms, options)
    const realm = backup?.realm ?? options.realm ?? (await realmOf(config, kms, storage))
    const ring = backup ?? keyRing(config, realm, storage)
    const opened = await withPolicy(config, kms, realm, ring)
    release.defer(() => opened.keys.close())
    return { ...opened, storage, ring, close: () => release.disposeAsync() }
  } catch (error) {
    await release.disposeAsync()
    throw error
  }
}

/** The keys alone, for sealed bytes that lie elsewhere. The store is asked only for a realm that nothing else names. */
export async function openOfflineKeys(
  config: Config,
  options: Pick<OfflineOptions, 'realm' | 'ringFile'> = {},
): Promise<OfflineKeys> {
  const kms = await openOfflineKms(config)
  try {
    const ring = await openBackup(kms, options)
    const realm = ring?.realm ?? options.realm ?? kms.realm ?? (await realmInStore(config, kms))
    return await withPolicy(config, kms, realm, ring)
  } catch (error) {
    kms.close()
    throw error
  }
}

/** The key ring of a backup, which also knows the realm. */
async function openBackup(kms: OpenedKms, { realm, ringFile }: OfflineOptions): Promise<KeyRing | null> {
  if (ringFile === undefined) return null
  const backup = await checkBackup(createReadStream(ringFile)).catch((error: unknown) => {
    throw error instanceof RingError
      ? new StartupError(`${ringFile}: ${error.message}.`, { cause: error })
      : error
  })
  const known = realm ?? kms.realm ?? backup.realm
  if (known !== backup.realm)
    throw new StartupError(
      `${ringFile} is the key ring of the deployment ${backup.realm}, and ${realm === undefined ? 'the keyring is of' : '--realm names'} ${known}: they do not belong together.`,
    )
  return new KeyRing({ records: backupRecords(() => createReadStream(ringFile)), realm: known })
}

async function realmInStore(config: Config, kms: OpenedKms): Promise<string> {
  try {
    const storage = await openOfflineStore(config, {})
    return await realmOf(config, kms, storage).finally(() => storage.close())
  } catch (error) {
    if (!(error instanceof StartupError)) throw error
    throw new StartupError(
      `${error.message} The deployment's realm would be there; --realm ID names it as well.`,
      { cause: error },
    )
  }
}

/** What the keys of a deployment keep in its store. */
export interface OfflineRecords {
  readonly storage: Storage
  readonly records: KeyRecords
  /** Null if the store does not belong to a deployment yet. */
  readonly realm: string | null
  /** Makes the store that of a deployment, if it is of none; false if it is of another one. */
  claim(realm: string): Promise<boolean>
  close(): Promise<void>
}

/** The records without the keys, for commands that ask no key service. */
export async function openOfflineRecords(
  config: Config,
  options: Pick<OfflineOptions, 'write'> = {},
): Promise<OfflineRecords> {
  const { systemBucket } = config
  const storage = await openOfflineStore(config, options)
  try {
    return {
      storage,
      records: systemKeyRecords({ storage, systemBucket }),
      realm: await realmInside(config, storage),
      claim: (realm) => claimRealm(storage, systemBucket, realm, { isNamed: true }),
      close: () => storage.close(),
    }
  } catch (error) {
    await storage.close()
    throw error
  }
}

/**
 * Removes the state of uploads that are over, as the gateways do by themselves, beside them. Needs no keys. On an S3 server what it can do is
 * tried on scratch keys, also for a dry run: a server that does not list all its uploads must not have any taken for over.
 */
export async function collectOffline(
  config: Config,
  options: CollectOptions,
): Promise<CollectedGarbage & { readonly listsUploads: boolean }> {
  const { systemBucket } = config
  await requireRealm(config)
  const isTried = config.store !== 'fs'
  const storage = await openOfflineStore(config, { write: options.dryRun !== true || isTried })
  try {
    const { listsUploads } = storage.capabilities
    return { ...(await collectGarbage({ storage, systemBucket, now: Date.now }, options)), listsUploads }
  } catch (error) {
    if (!isError(error)) throw error
    throw new StartupError(
      `The collector stopped: ${storeName(config)}: ${error.reason ?? error.message}. What it has removed was garbage; run it again when the cause is gone.`,
      { cause: error },
    )
  } finally {
    await storage.close()
  }
}

/** Makes nothing, where to open an S3 server for writing would make the system bucket. */
async function requireRealm(config: Config): Promise<void> {
  const storage = await openOfflineStore(config, {})
  try {
    if ((await realmInside(config, storage)) === null) throw noRealm(config)
  } finally {
    await storage.close()
  }
}

/** The first call to an S3 server, which is opened without one. */
async function realmInside(config: Config, storage: Storage): Promise<string | null> {
  try {
    return await storedRealm(storage, config.systemBucket)
  } catch (error) {
    throw isError(error) ? cannotUse(config, error) : error
  }
}

function openOfflineKms(config: Config): Promise<OpenedKms> {
  const path = keyringPath(config)
  if (config.kms.provider === 'local' && !existsSync(path))
    throw new StartupError(
      `There is no keyring ${path}. Name the deployment's keyring by kms.keyring / SEALGATE_KEYRING, or its key service by kms.provider / SEALGATE_KMS.`,
    )
  return openKms(kmsOptions(config), process.env)
}

/** The store alone: for a look at what needs no key. */
export async function openOfflineStore(config: Config, { write = false }: OfflineOptions): Promise<Storage> {
  if (config.store === 'fs') {
    const index = join(storeDirectory(config), 'index.sqlite')
    if (!existsSync(index))
      throw new StartupError(
        `There is no store in ${storeDirectory(config)}. Name the data directory by dataDir / SEALGATE_DATA_DIR.`,
      )
    if (write) requireOwner(index)
  }
  return openStore(config, createLog('silent'), { readOnly: !write })
}

/** What another user makes in the store, the gateway could neither read nor remove. */
function requireOwner(path: string): void {
  const [user, owner] = [process.getuid?.(), statSync(path).uid]
  if (user !== undefined && user !== owner)
    throw new StartupError(
      `${path} belongs to the user with the id ${owner}: run this as that user, as the gateway does (sudo -u '#${owner}' …).`,
    )
}

async function realmOf(config: Config, kms: OpenedKms, storage: Storage): Promise<string> {
  const stored = await realmInside(config, storage)
  if (kms.realm !== null && stored !== null && stored !== kms.realm) throw otherDeployment(config)
  const realm = kms.realm ?? stored
  if (realm !== null) return realm
  throw noRealm(config)
}

export function noRealm({ systemBucket }: Config): StartupError {
  return new StartupError(
    `The store's system bucket ${systemBucket} holds no realm: it is not a store of this deployment, or the bucket has another name (systemBucket / SEALGATE_SYSTEM_BUCKET).`,
  )
}

async function withPolicy(
  config: Config,
  kms: OpenedKms,
  realm: string,
  ring: KeyRing | null,
): Promise<OfflineKeys> {
  const policy = await keyPolicy(config.buckets, kms)
  return { kms, realm, policy, keys: dataKeys(config, { kms, realm, policy, ring }) }
}
