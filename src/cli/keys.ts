import { createReadStream } from 'node:fs'
import { keyringPath, StartupError } from '../app.ts'
import { type Config, loadConfig } from '../config/config.ts'
import { checkBackup, exportRing, importRing, KeyRing, loadKeyring, RingError } from '../keys/index.ts'
import { noRealm, type OfflineRecords, openOfflineRecords } from '../offline.ts'
import { shown } from '../recovery/shown.ts'
import { OutputFile } from './output-file.ts'
import { Progress } from './progress.ts'

export interface KeysExportOptions {
  readonly config?: string
  readonly out?: string
  readonly json?: boolean
}

/** Writes the key ring as it is in the store: to a file, or to standard output. What is said goes to standard error then. */
export async function exportKeys({ config: file, out, json = false }: KeysExportOptions): Promise<void> {
  const config = loadConfig(file, process.env)
  const opened = await openOfflineRecords(config)
  try {
    const { records, realm } = opened
    if (realm === null) throw noRealm(config)
    const counts = { records: 0, damaged: 0 }
    const lines = exportRing(new KeyRing({ records, realm }), counts)
    if (out === undefined) await writeOut(lines)
    else await writeFile(out, lines)
    const say = out === undefined ? console.error : console.log
    say(json ? JSON.stringify({ realm, ...counts }) : exported(counts, out))
    if (counts.damaged > 0) process.exitCode = 1
  } finally {
    await opened.close()
  }
}

function exported(
  { records, damaged }: { records: number; damaged: number },
  out: string | undefined,
): string {
  const written = `${records} records of the key ring written${out === undefined ? '' : ` to ${out}`}.`
  return damaged === 0
    ? written
    : `${written} ${damaged} others are damaged and left out: somebody changed the store. An earlier backup may have them (sealgate keys import).`
}

async function writeFile(path: string, lines: AsyncIterable<string>): Promise<void> {
  const output = await OutputFile.create(path)
  try {
    for await (const line of lines) await output.write(Buffer.from(line))
    await output.commit()
  } finally {
    await output.discard()
  }
}

async function writeOut(lines: AsyncIterable<string>): Promise<void> {
  for await (const line of lines)
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(line, (error) => (error == null ? resolve() : reject(error)))
    })
}

export interface KeysImportOptions {
  readonly config?: string
  readonly json?: boolean
}

/** Adds what the key ring does not have from a backup, after all of the backup has been checked. */
export async function importKeys(
  path: string,
  { config: file, json = false }: KeysImportOptions,
): Promise<void> {
  const config = loadConfig(file, process.env)
  const backup = await inFile(path, () => checkBackup(createReadStream(path)))
  const opened = await openOfflineRecords(config, { write: true })
  const progress = new Progress({ label: 'importing', unit: 'objects', total: backup.records })
  try {
    const claimed = await claimFor(config, opened, backup.realm)
    const ring = new KeyRing({ records: opened.records, realm: backup.realm })
    const counts = await inFile(path, () =>
      importRing(ring, createReadStream(path), (records) => progress.advance(records)),
    )
    progress.end()
    const report = { realm: backup.realm, claimed, ...counts }
    const { added, renumbered, present } = counts
    const more = renumbered === 0 ? '' : `, ${renumbered} of them behind others that have their numbers`
    const owner = claimed ? ` The store is now that of the deployment ${shown(backup.realm)}.` : ''
    console.log(
      json
        ? JSON.stringify(report)
        : `${path} of ${shown(backup.created)}: ${added} records added${more}, ${present} were there.${owner}`,
    )
  } finally {
    progress.end()
    await opened.close()
  }
}

/** True if the store was of no deployment before. */
async function claimFor(config: Config, opened: OfflineRecords, realm: string): Promise<boolean> {
  const { provider, passphrase } = config.kms
  const ofKeyring = () => loadKeyring(keyringPath(config), passphrase).realm
  const own = config.realm ?? (provider === 'local' ? ofKeyring() : realm)
  if (own === realm && opened.realm === realm) return false
  if (own === realm && opened.realm === null && (await opened.claim(realm))) return true
  throw new StartupError(
    `The backup is of the deployment ${realm}, and ${own === realm ? 'the store' : config.realm === null ? 'the keyring' : 'the configuration'} is of another one (${own === realm ? opened.realm : own}). Nothing was added.`,
  )
}

/** Names the file in what is said of it. */
async function inFile<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof RingError) throw new StartupError(`${path}: ${error.message}.`, { cause: error })
    throw error
  }
}
