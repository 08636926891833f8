import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { StartupError } from '../app.ts'
import { type Config, loadConfig } from '../config/config.ts'
import { plainSize } from '../envelope/index.ts'
import { type Offline, openOffline } from '../offline.ts'
import { beginReading, drain, type Reading } from '../recovery/reading.ts'
import { RecoveryError } from '../recovery/recovery-error.ts'
import { namesOf } from '../recovery/safe-path.ts'
import { bucketsIn, listed, sealedInStore } from '../recovery/store-source.ts'
import type { DecryptOptions } from './decrypt.ts'
import { OutputFile } from './output-file.ts'
import { type Place, Places } from './places.ts'
import { Progress } from './progress.ts'
import type { Location } from './recovery-input.ts'
import { offlineOptions, recoveryKeys } from './recovery-keys.ts'
import { TreeReport } from './tree-report.ts'

const WORKERS = 8
const ATTEMPTS = 3
const SAME_TIME_MS = 2000

/** One object on its way: where it is, and where it goes. */
export interface Task {
  readonly bucket: string
  readonly key: string
  /** Plaintext bytes by the listing; null for a length that no sealed object has. */
  readonly size: number | null
  readonly lastModified: number
  readonly place: Place
}

type Tree = Extract<Location, { kind: 'tree' }>

/** Opens every object below a prefix, of a bucket or of all buckets, into a directory. Run again, it goes on where it stopped. */
export async function decryptTree(tree: Tree, options: DecryptOptions): Promise<void> {
  const { output } = options
  refuseWhatIsForOne(tree, options)
  if (output === undefined)
    throw new StartupError('All objects below a prefix go to a directory: name it by -o DIR.')
  const config = loadConfig(options.config, process.env)
  const offline = await openOffline(config, offlineOptions(options))
  const report = new TreeReport(options.json === true)
  const label = `s3://${tree.bucket}${tree.prefix === '' ? '' : `/${tree.prefix}`}`
  const progress = new Progress({ label, unit: 'bytes' })
  let ended = false
  const run = new TreeRun({ offline, options, report, progress })
  const counting = process.stderr.isTTY === true ? countAhead(offline, config, tree, progress, run) : null
  try {
    await run.all(tasks(offline, config, tree, output))
    ended = true
  } finally {
    await counting
    progress.end()
    if (ended || report.counted > 0) report.summary(label, output)
    await offline.close()
  }
  if (report.failed > 0) process.exitCode = 1
}

function refuseWhatIsForOne(tree: Tree, options: DecryptOptions): void {
  const names = ['range', 'key', 'metadata', 'envelope'] as const
  const given = names.find((name) => options[name] !== undefined)
  if (tree.bucket === '' && options.bucket !== undefined)
    throw new StartupError('--bucket is for the objects of one bucket, and s3:// means all buckets.')
  if (given !== undefined)
    throw new StartupError(
      `--${given} is for one object, and a name that ends in "/" means all objects below it. For an object of that very name add --exact.`,
    )
}

/** The objects in the order of their names, each with its place. */
async function* tasks(
  offline: Offline,
  config: Config,
  tree: Tree,
  directory: string,
): AsyncGenerator<Task & { readonly places: Places }> {
  for (const bucket of await bucketsIn(offline.storage, tree.bucket, config.systemBucket)) {
    // Names of buckets are the store's word as well.
    const places = new Places(tree.bucket === '' ? join(directory, ...namesOf(bucket)) : directory)
    // Names below the last directory of the prefix, as copying tools have it.
    const cut = tree.prefix.lastIndexOf('/') + 1
    for await (const { key, size: stored, lastModified } of listed(offline.storage, bucket, tree.prefix)) {
      const size = plainSize(stored)
      yield { bucket, key, size, lastModified, place: places.place(key.slice(cut), size), places }
    }
  }
}

/** Gives the bar its total, where somebody looks at it. What goes wrong here goes wrong in the run itself as well. */
async function countAhead(
  offline: Offline,
  config: Config,
  tree: Tree,
  progress: Progress,
  run: TreeRun,
): Promise<void> {
  try {
    let bytes = 0
    for (const bucket of await bucketsIn(offline.storage, tree.bucket, config.systemBucket))
      for await (const { size } of listed(offline.storage, bucket, tree.prefix)) {
        if (run.stopped) return
        bytes += plainSize(size) ?? 0
      }
    progress.total = bytes
  } catch {
    // Then there is no total.
  }
}

interface TreeRunOptions {
  readonly offline: Offline
  readonly options: DecryptOptions
  readonly report: TreeReport
  readonly progress: Progress
}

class TreeRun {
  readonly #o: TreeRunOptions
  /** True once all is done, or something ended the run. */
  stopped = false

  constructor(options: TreeRunOptions) {
    this.#o = options
  }

  /** Some at a time. What concerns more than one object ends the run. */
  async all(source: AsyncGenerator<Task & { readonly places: Places }>): Promise<void> {
    const worker = async () => {
      try {
        while (!this.stopped) {
          const next = await source.next()
          if (next.done === true) return
          await this.#one(next.value).finally(() => next.value.places.done(next.value.place.path))
        }
      } finally {
        this.stopped = true
      }
    }
    const results = await Promise.allSettled(Array.from({ length: WORKERS }, worker))
    const failure = results.find((result) => result.status === 'rejected')
    if (failure !== undefined) throw failure.reason
  }

  async #one(task: Task): Promise<void> {
    const { report, progress, options } = this.#o
    const { size } = task
    if (options.overwrite !== true && isThere(task)) {
      progress.advance(size ?? 0)
      report.present(task)
      return
    }
    try {
      const reading = await this.#write(task)
      report.written(task, reading)
    } catch (error) {
      if (!(error instanceof RecoveryError)) throw error
      if (error.finding === 'key-service' && error.passing) throw error
      if (error.finding === 'gone') report.gone(task)
      else report.failure(task, error, (line) => progress.say(line))
    }
    progress.note = report.counts()
  }

  async #write(task: Task): Promise<Reading> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt(task)
      } catch (error) {
        const again = error instanceof RecoveryError && error.finding === 'store' && error.passing
        if (!again || attempt === ATTEMPTS) throw error
        await sleep(1000 * attempt)
      }
    }
  }

  async #attempt({ bucket, key, size, place }: Task): Promise<Reading> {
    const { offline, options, progress } = this.#o
    const sealed = await sealedInStore(offline.storage, { bucket, key }, size ?? undefined)
    const name = { bucket: options.bucket ?? bucket, key }
    const reading = await beginReading(recoveryKeys(offline, options), name, sealed, null, options)
    let file: OutputFile | null = null
    let counted = 0
    try {
      if (!place.isDirectory) file = await OutputFile.create(place.path)
      await drain(reading.plain, async (chunk) => {
        await file?.write(chunk)
        progress.advance(chunk.length)
        counted += chunk.length
      })
      await file?.commit({ modifiedMs: sealed.lastModified })
      return reading
    } catch (error) {
      progress.advance(-counted)
      throw error
    } finally {
      await file?.discard()
      reading.object.objectKey.destroy()
    }
  }
}

/** Written by an earlier run, from the object as it still is: a listing has more digits of the time than an answer may have. */
function isThere({ size, lastModified, place: { present } }: Task): boolean {
  return present !== null && present.size === size && Math.abs(present.mtimeMs - lastModified) < SAME_TIME_MS
}
