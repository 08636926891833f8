import { randomBytes } from 'node:crypto'
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { hasFiles, openStore, StartupError, storeDirectory, storeName } from '../app.ts'
import type { Config } from '../config/config.ts'
import { isError, type SealgateError } from '../errors.ts'
import { isInUse, LostRealmError, storedRealm } from '../gateway/realm.ts'
import { deleteSystemObjects, putSystemObject, readSystemObject } from '../gateway/system-bucket.ts'
import { openOfflineStore } from '../offline.ts'
import { SCRATCH_PREFIX, type Storage } from '../storage/storage.ts'
import { createLog } from '../telemetry/log.ts'
import { capabilityTable } from './capability-table.ts'
import type { Capability, Finding } from './finding.ts'
import { storeHint } from './store-hint.ts'

export interface CheckedStore {
  readonly findings: readonly Finding[]
  /** Null where nothing can be tried. */
  readonly capabilities: readonly Capability[] | null
  readonly realm: string | null
  readonly buckets: readonly string[]
}

const NOTHING = { capabilities: null, realm: null, buckets: [] } as const

/** Makes nothing that a start would make; on scratch keys of the system bucket it tries what a start tries. */
export async function checkStore(config: Config): Promise<CheckedStore> {
  const missing = config.store === 'fs' ? missingFiles(config) : await missingBucket(config)
  if (missing !== null) return { ...NOTHING, findings: missing }
  const warnings: string[] = []
  let storage: Storage
  try {
    storage =
      config.store === 'fs'
        ? await openOfflineStore(config, { write: true })
        : await openStore(config, createLog('silent'), {
            waitMs: 0,
            warn: (message) => warnings.push(message),
          })
  } catch (error) {
    return { ...NOTHING, findings: [failed(config.store === 'fs' ? 'store' : partOf(error), error)] }
  }
  try {
    const checked = await checkOpened(config, storage)
    const told = warnings.map(
      (message): Finding => ({ part: 'system bucket', status: 'warning', what: `${capital(message)}.` }),
    )
    return {
      ...checked,
      findings: [...checked.findings, ...told],
      capabilities: capabilityTable(storage.capabilities),
    }
  } finally {
    await storage.close()
  }
}

function missingFiles(config: Config): readonly Finding[] | null {
  if (hasFiles(config)) return null
  const directory = storeDirectory(config)
  let above = directory
  while (!existsSync(above)) above = dirname(above)
  if (!isUsable(above)) {
    return [
      {
        part: 'store',
        status: 'failed',
        what: `There is no store in ${directory}, and this user may not make one in ${above}.`,
        hint: 'Run this as the user of the gateway, give that user the directory, or name another by dataDir / SEALGATE_DATA_DIR.',
      },
    ]
  }
  return [
    {
      part: 'store',
      status: 'skipped',
      what: `There is no store in ${directory} yet: the first start makes it.`,
    },
  ]
}

function isUsable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK)
    return statSync(directory).isDirectory()
  } catch {
    return false
  }
}

/** To look at an S3 server for writing would make the system bucket. */
async function missingBucket(config: Config): Promise<readonly Finding[] | null> {
  let storage: Storage | undefined
  try {
    storage = await openStore(config, createLog('silent'), { readOnly: true, waitMs: 0 })
    await storage.headBucket(config.systemBucket)
    return null
  } catch (error) {
    if (!isError(error, 'NoSuchBucket')) return [failed('store', error, config)]
    return [
      { part: 'store', status: 'ok', what: `${storeName(config)} answers.` },
      {
        part: 'system bucket',
        status: 'skipped',
        what: `There is no bucket ${config.systemBucket} yet: the first start makes it, and tries what the store can do.`,
        hint: 'The credentials need to be allowed to make it; or make it yourself, without versions, Object Lock and lifecycle rules.',
      },
    ]
  } finally {
    await storage?.close()
  }
}

async function checkOpened(
  config: Config,
  storage: Storage,
): Promise<Pick<CheckedStore, 'findings' | 'realm' | 'buckets'>> {
  const { systemBucket } = config
  const findings: Finding[] = []
  const buckets = await bucketsOf(config, storage, findings)
  try {
    const realm = await storedRealm(storage, systemBucket)
    if (realm === null && (await isInUse(storage, systemBucket))) throw new LostRealmError(systemBucket)
    findings.push(
      realm === null
        ? {
            part: 'system bucket',
            status: 'skipped',
            what: `${systemBucket} is no deployment's yet: the first start makes it one.`,
          }
        : {
            part: 'system bucket',
            status: 'ok',
            what: `${systemBucket} is that of the deployment ${realm}.`,
          },
    )
    if (realm !== null || config.store !== 'fs') await tryWrite(storage, systemBucket)
    return { findings, realm, buckets }
  } catch (error) {
    findings.push(failed('system bucket', error, config))
    return { findings, realm: null, buckets }
  }
}

async function bucketsOf(config: Config, storage: Storage, findings: Finding[]): Promise<readonly string[]> {
  const name = storeName(config)
  try {
    const buckets = (await storage.listBuckets()).map((bucket) => bucket.name)
    const clients = buckets.filter((bucket) => bucket !== config.systemBucket)
    findings.push({
      part: 'store',
      status: 'ok',
      what: `${name} answers; ${clients.length === 1 ? '1 bucket' : `${clients.length} buckets`} of clients.`,
    })
    return clients
  } catch (error) {
    if (!isError(error, 'AccessDenied')) {
      findings.push(failed('store', error, config))
      return []
    }
    findings.push({
      part: 'store',
      status: 'warning',
      what: `${name} answers, and does not let the gateway list its buckets.`,
      hint: 'Clients that list buckets need it: grant ListAllMyBuckets to the credentials of the store.',
    })
    return []
  }
}

/** A record goes there and comes back as it was. */
async function tryWrite(storage: Storage, systemBucket: string): Promise<void> {
  const key = `${SCRATCH_PREFIX}${randomBytes(8).toString('hex')}/check`
  const bytes = randomBytes(1024)
  const system = { storage, systemBucket }
  await putSystemObject(system, key, bytes)
  const back = await readSystemObject(system, key, bytes.length)
  await deleteSystemObjects(system, [key])
  if (back?.equals(bytes) === true) return
  throw new StartupError(`What was written to ${systemBucket} did not come back as it was.`)
}

function partOf(error: unknown): Finding['part'] {
  return error instanceof Error && error.message.startsWith('The system bucket') ? 'system bucket' : 'store'
}

function failed(part: Finding['part'], error: unknown, config?: Config): Finding {
  if (error instanceof StartupError || error instanceof LostRealmError)
    return { part, status: 'failed', what: error.message }
  if (!isError(error) || config === undefined) throw error
  const reason = reasonOf(error)
  const hint = storeHint(config, reason)
  return { part, status: 'failed', what: `${storeName(config)}: ${reason}.`, hint }
}

function reasonOf({ kind, message, reason }: SealgateError): string {
  return (reason ?? `${kind}: ${message}`).replace(/\.$/, '')
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
