import { tmpdir } from 'node:os'
import { type Config, loadConfig } from '../config/config.ts'
import { openOffline, openOfflineStore } from '../offline.ts'
import {
  type ClearDescription,
  describeEnvelope,
  describeOpened,
  type OpenedDescription,
} from '../recovery/describe.ts'
import { spool } from '../recovery/file-source.ts'
import { decodeEnvelope, type LogicalName, openSealed, sizeOf } from '../recovery/open-sealed.ts'
import { readTail } from '../recovery/read-tail.ts'
import { RecoveryError } from '../recovery/recovery-error.ts'
import type { SealedObject } from '../recovery/sealed-object.ts'
import { sealedInStore } from '../recovery/store-source.ts'
import { describeForPeople } from './inspect-text.ts'
import { inspectTree } from './inspect-tree.ts'
import {
  type Location,
  locate,
  logicalName,
  metadataAlone,
  openDownloaded,
  type RecoveryOptions,
} from './recovery-input.ts'
import { keysFor, offlineOptions, recoveryKeys } from './recovery-keys.ts'
import { exitStatus, refusal } from './refusal.ts'

export interface InspectOptions extends RecoveryOptions {
  /** False: the key service is left alone. */
  readonly kms: boolean
}

/** What was found out; `opened` is authentic, the rest is what the store says. */
export interface Inspection {
  readonly clear: ClearDescription
  readonly opened: OpenedDescription | null
  /** Why it was not opened, or not tried. */
  readonly reason: { readonly finding: string; readonly message: string } | null
}

/** Shows what an object is: its envelope without any key, and with the key service also its footer. */
export async function inspect(source: string | undefined, options: InspectOptions): Promise<void> {
  const location = source === undefined ? null : locate(source, options)
  if (location?.kind === 'tree') return inspectTree(location, options)
  const config = loadConfig(options.config, process.env)
  const subject = await open(config, location, options)
  try {
    const envelope = decodeEnvelope(subject)
    const clear = describeEnvelope(subject.name, envelope, subject.size)
    const { opened, reason, status } = await openIfWanted(config, location, subject, options)
    const inspection = { clear, opened, reason }
    console.log(
      options.json === true
        ? JSON.stringify({ ...clear, opened, reason })
        : describeForPeople(inspection, options.kms),
    )
    process.exitCode = status
  } finally {
    await subject.close()
  }
}

/** An object, or its envelope and no more. */
interface Subject extends Pick<SealedObject, 'name' | 'envelope' | 'attributes'> {
  readonly size: number | null
  readonly sealed: SealedObject | null
  close(): Promise<void>
}

type Single = Exclude<Location, { kind: 'tree' }>

async function open(config: Config, location: Single | null, options: InspectOptions): Promise<Subject> {
  if (location === null) return { ...(await metadataAlone(options)), sealed: null, close: async () => {} }
  if (location.kind === 'object') {
    const storage = await openOfflineStore(config, {})
    const close = () => storage.close()
    try {
      const sealed = await sealedInStore(storage, location)
      return { ...sealed, sealed, close }
    } catch (error) {
      await close()
      throw error
    }
  }
  const input = await openDownloaded(location, options)
  if (input.kind === 'object') return { ...input.sealed, sealed: input.sealed, close: input.close }
  const { stream } = input
  const file = await spool(stream.body, tmpdir())
  const sealed = { ...stream, ...file }
  return { ...sealed, sealed, close: file.close }
}

interface Outcome extends Omit<Inspection, 'clear'> {
  readonly status: number
}

async function openIfWanted(
  config: Config,
  location: Single | null,
  subject: Subject,
  options: InspectOptions,
): Promise<Outcome> {
  const untried = { opened: null, reason: null, status: 0 }
  if (!options.kms) return untried
  const fromStore = location?.kind === 'object'
  // For a downloaded object the names are asked for only if it shall be opened.
  if (!fromStore && options.bucket === undefined && options.key === undefined) return untried
  const name = logicalName(location ?? { kind: 'stdin' }, options)
  try {
    const opened = await openWithKeys(config, fromStore, name, subject, options)
    return { opened, reason: null, status: opened.metadata === 'changed' ? 1 : 0 }
  } catch (error) {
    const message = refusal(error)
    if (message === null) throw error
    const finding = error instanceof RecoveryError ? error.finding : 'key-service'
    return { opened: null, reason: { finding, message }, status: exitStatus(error) }
  }
}

async function openWithKeys(
  config: Config,
  fromStore: boolean,
  name: LogicalName,
  subject: Subject,
  options: InspectOptions,
): Promise<OpenedDescription> {
  const { keys, close } = await openKeys(config, fromStore, subject, options)
  try {
    const object = await openSealed(keys, name, subject, { ignoreMetadata: true })
    try {
      if (subject.size !== null) sizeOf(object, subject.size)
      const tail = subject.sealed === null ? null : await readTail(object, subject.sealed)
      return describeOpened(object, tail)
    } finally {
      object.objectKey.destroy()
    }
  } finally {
    await close()
  }
}

async function openKeys(config: Config, fromStore: boolean, subject: Subject, options: InspectOptions) {
  if (!fromStore) {
    const keys = await keysFor(config, options, subject.envelope)
    return { keys, close: async () => keys.close() }
  }
  const offline = await openOffline(config, offlineOptions(options))
  return { keys: recoveryKeys(offline, options), close: offline.close }
}
