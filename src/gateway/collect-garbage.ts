import { isError } from '../errors.ts'
import { ROTATE_PREFIX } from '../keys/index.ts'
import { SCRATCH_PREFIX, type StoredUpload } from '../storage/storage.ts'
import type { Gateway } from './gateway.ts'
import { underWay } from './list-noted-uploads.ts'
import { checkBucket } from './names.ts'
import { storedUploads } from './stored-uploads.ts'
import { deleteSystemObjects, putSystemObject, readSystemObject, systemObjects } from './system-bucket.ts'
import { notedUploads, type PlacedUpload } from './upload-names.ts'
import { UPLOADS_PREFIX, uploadPrefix } from './upload-state.ts'

const DAY_MS = 86_400_000
const MEMORY_KEY = 'v1/gc'
const MEMORY_BYTES = 16 * 1024 * 1024

export interface CollectedGarbage {
  /** Uploads whose state was looked at. */
  readonly uploads: number
  /** Of these, those whose state was removed. */
  readonly collected: number
  /** Of these, those that are no upload of the store any more, but not for long enough. */
  readonly waiting: number
  /** Other records that were removed: orders to rotate that are carried out, and what was left of a try of the store. */
  readonly records: number
}

export interface CollectOptions {
  /** Only counts; nothing is removed, nor remembered for the next run. Default false. */
  readonly dryRun?: boolean
  /** After each upload. */
  readonly onProgress?: () => void
}

/** What a collector works with: no keys. */
export type Collector = Pick<Gateway, 'storage' | 'systemBucket' | 'now'>

/** What runs remember for the next one, whichever replica that is: when the state of an upload was first seen without it. */
interface Memory {
  readonly ranAt: number
  readonly orphans: Readonly<Record<string, number>>
}

/**
 * Removes the state of uploads that are over: the record of a completed one after a day (a Complete that is sent again asks for
 * it), and what crashes, lifecycle rules and deleted buckets left behind. State is an orphan only if the store does not list
 * its upload in two runs a day apart, both of which read their lists to the end: a list that lags must not cost a part. The key ring is
 * never garbage, also not that of a bucket that is gone: backups need it.
 */
export async function collectGarbage(
  collector: Collector,
  { dryRun = false, onProgress = () => undefined }: CollectOptions = {},
): Promise<CollectedGarbage> {
  const { orphans: known } = await readMemory(collector)
  const now = collector.now()
  const orphans: Record<string, number> = {}
  const remove = async (keys: readonly string[]) => {
    if (!dryRun) await deleteSystemObjects(collector, keys)
  }
  let [uploads, collected] = [0, 0]
  let bucket: string | null = null
  let { live, isKnown } = NOTHING_KNOWN
  for await (const state of uploadStates(collector)) {
    uploads += 1
    onProgress()
    if (state.bucket !== bucket) {
      bucket = state.bucket
      ;({ live, isKnown } = await knownUploads(collector, bucket))
    }
    if (live.has(state.prefix) || (state.doneAt === null && !isKnown(state.prefix))) continue
    const since = state.doneAt ?? known[state.prefix] ?? now
    if (now - since < DAY_MS) {
      if (state.doneAt === null) orphans[state.prefix] = since
    } else {
      await remove(state.keys)
      collected += 1
    }
  }
  const old = [
    ...(await olderThanADay(collector, ROTATE_PREFIX)),
    ...(await olderThanADay(collector, SCRATCH_PREFIX)),
  ]
  await remove(old)
  if (!dryRun)
    await putSystemObject(collector, MEMORY_KEY, Buffer.from(JSON.stringify({ ranAt: now, orphans })))
  return { uploads, collected, waiting: Object.keys(orphans).length, records: old.length }
}

/** Orders to rotate, which every gateway has seen by then, and scratch keys of starts that died. */
async function olderThanADay(collector: Collector, prefix: string): Promise<readonly string[]> {
  const old: string[] = []
  for await (const { key, lastModified } of systemObjects(collector, prefix))
    if (collector.now() - lastModified >= DAY_MS) old.push(key)
  return old
}

/** When a collector of any replica last ran to its end; 0 if none did. */
export async function lastCollected(collector: Collector): Promise<number> {
  return (await readMemory(collector)).ranAt
}

interface UploadState {
  readonly bucket: string
  readonly prefix: string
  readonly keys: readonly string[]
  /** When the upload was completed; null if there is no record of that. */
  readonly doneAt: number | null
}

/** Objects of one upload lie side by side in the list. */
async function* uploadStates(collector: Collector): AsyncGenerator<UploadState> {
  let state: { bucket: string; prefix: string; keys: string[]; doneAt: number | null } | undefined
  for await (const { key, lastModified } of systemObjects(collector, UPLOADS_PREFIX)) {
    const [bucket = '', id = ''] = key.slice(UPLOADS_PREFIX.length).split('/')
    const prefix = `${UPLOADS_PREFIX}${bucket}/${id}/`
    if (state?.prefix !== prefix) {
      if (state !== undefined) yield state
      state = { bucket, prefix, keys: [], doneAt: null }
    }
    state.keys.push(key)
    if (key === `${prefix}done`) state.doneAt = lastModified
  }
  if (state !== undefined) yield state
}

/** What the store says of the uploads of a bucket, by the prefixes of their state. */
interface KnownUploads {
  readonly live: ReadonlySet<string>
  /** Whether it would list that upload. */
  readonly isKnown: (prefix: string) => boolean
}

const NOTHING_KNOWN: KnownUploads = { live: new Set(), isKnown: () => false }

async function knownUploads(collector: Collector, bucket: string): Promise<KnownUploads> {
  const { storage, systemBucket } = collector
  // Whose name a bucket cannot have, nobody has begun an upload there; and no address is made of it.
  if (!isBucketOfClients(collector, bucket)) return { live: new Set(), isKnown: () => true }
  if (storage.capabilities.listsUploads)
    return { live: await liveUploads(collector, bucket), isKnown: () => true }
  // A store that is asked key by key says nothing of an upload whose key was not noted.
  const noted: PlacedUpload[] = []
  for await (const upload of notedUploads({ storage, systemBucket }, `${UPLOADS_PREFIX}${bucket}/`))
    noted.push(upload)
  const live = new Set<string>()
  for (const uploads of Map.groupBy(noted, ({ key }) => key).values()) {
    for (const { uploadId } of await underWay({ storage, systemBucket }, bucket, uploads).catch(
      noneWithoutBucket,
    ))
      live.add(uploadPrefix({ bucket, uploadId }))
  }
  const known = new Set(noted.map(({ prefix }) => prefix))
  return { live, isKnown: (prefix) => known.has(prefix) }
}

function isBucketOfClients(collector: Collector, bucket: string): boolean {
  try {
    checkBucket(collector, bucket)
    return true
  } catch (error) {
    if (isError(error, 'NoSuchBucket', 'InvalidBucketName')) return false
    throw error
  }
}

function noneWithoutBucket(error: unknown): readonly StoredUpload[] {
  if (isError(error, 'NoSuchBucket')) return []
  throw error
}

/** The prefixes of all uploads that the store knows of; a bucket that is gone has none. */
async function liveUploads(collector: Collector, bucket: string): Promise<ReadonlySet<string>> {
  const live = new Set<string>()
  try {
    for await (const { uploadId } of storedUploads(collector.storage, { bucket, prefix: '' }))
      live.add(uploadPrefix({ bucket, uploadId }))
    return live
  } catch (error) {
    if (isError(error, 'NoSuchBucket')) return new Set()
    throw error
  }
}

/** A memory that is damaged or foreign is none: that only makes orphans wait for another day. */
async function readMemory(collector: Collector): Promise<Memory> {
  try {
    const bytes = await readSystemObject(collector, MEMORY_KEY, MEMORY_BYTES)
    const memory: unknown = JSON.parse(bytes?.toString() ?? 'null')
    if (isMemory(memory)) return memory
  } catch (error) {
    if (!(error instanceof SyntaxError) && !isError(error, 'ObjectIntegrityError')) throw error
  }
  return { ranAt: 0, orphans: {} }
}

function isMemory(value: unknown): value is Memory {
  if (typeof value !== 'object' || value === null) return false
  const { ranAt, orphans } = value as Partial<Record<keyof Memory, unknown>>
  return (
    typeof ranAt === 'number' &&
    typeof orphans === 'object' &&
    orphans !== null &&
    Object.values(orphans).every((since) => typeof since === 'number')
  )
}
