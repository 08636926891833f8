import { existsSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { keyringPath, StartupError, storeDirectory, storeName } from '../app.ts'
import { type Config, loadConfig } from '../config/config.ts'
import { type BackupResult, backUpFilesystem } from '../storage/filesystem/backup.ts'
import { DirectoryLockedError } from '../storage/filesystem/directory-lock.ts'
import type { ConfigOption } from './guarded.ts'
import { Progress } from './progress.ts'
import { onSignal } from './signals.ts'

export interface BackupCommandOptions extends ConfigOption {
  readonly json?: boolean
}

/** Copies the fs store into `directory`, which can then be a data directory, beside a running gateway or not. */
export async function backup(directory: string, options: BackupCommandOptions): Promise<void> {
  const config = loadConfig(options.config, process.env)
  if (config.store !== 'fs')
    throw new StartupError(
      `The objects lie at ${storeName(config)}: back them up there. Keep the keyring, and what \`sealgate keys export\` writes.`,
    )
  const store = storeDirectory(config)
  if (!existsSync(join(store, 'index.sqlite')))
    throw new StartupError(
      `There is no store in ${store}. Name the data directory by dataDir / SEALGATE_DATA_DIR.`,
    )
  const target = join(resolve(directory), 'store')
  if (existsSync(target)) throw new StartupError(`${target} exists already; a backup is never overwritten.`)
  mkdirSync(resolve(directory), { recursive: true, mode: 0o700 })
  const result = await copy(store, target)
  if (options.json === true) console.log(JSON.stringify({ store: target, ...result }))
  else console.log(`${target}: ${inWords(result)}.\n${whatIsNot(config)}`)
  if (result.missing.length === 0) return
  console.error(
    `sealgate: ${result.missing.length} files are missing in the store itself; the objects that they belong to can be read neither here nor there.`,
  )
  process.exitCode = 1
}

function inWords({ objects, files }: BackupResult): string {
  return `${objects} objects with Sealgate's own records, ${files} files beside the index`
}

async function copy(store: string, target: string): Promise<BackupResult> {
  const stop = new AbortController()
  onSignal(async () => stop.abort(new StartupError('Stopped; nothing is left of the backup.')))
  const bar = new Progress({ label: 'files', unit: 'objects' })
  let copied = 0
  try {
    const progress = (done: number, of: number) => {
      if (copied === 0) bar.total = of
      bar.advance(done - copied)
      copied = done
    }
    return await backUpFilesystem({ directory: store, target, progress, signal: stop.signal })
  } catch (error) {
    if (!(error instanceof DirectoryLockedError)) throw error
    throw new StartupError(`Another backup of ${store} is under way. Wait for its end.`, { cause: error })
  } finally {
    bar.end()
  }
}

function whatIsNot(config: Config): string {
  const keyring = keyringPath(config)
  return config.kms.provider === 'local' || existsSync(keyring)
    ? `The keyring is not part of it: keep a copy of ${keyring} in another place.`
    : 'The keys are not part of it: they are in the key service.'
}
