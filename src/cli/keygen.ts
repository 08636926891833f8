import { statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { StartupError } from '../app.ts'
import { type Config, loadConfig } from '../config/config.ts'
import { addKey, createKeyring, makeCurrent, protectKeyring, removeKey } from '../keys/index.ts'

export interface KeygenOptions {
  readonly add?: true
  readonly standby?: true
  readonly makeCurrent?: string
  readonly remove?: string
  readonly protect?: true
  readonly oldPassphraseFile?: string
}

export function keygen(file: string, configFile: string | undefined, options: KeygenOptions): void {
  const { add, standby, protect, oldPassphraseFile } = options
  if (standby && !add) throw new StartupError('--standby goes with --add.')
  if (oldPassphraseFile !== undefined && !protect)
    throw new StartupError(
      '--old-passphrase-file goes with --protect. Otherwise the passphrase is that of the configuration.',
    )
  const config = loadConfig(configFile, process.env)
  if (add) console.log(standby ? addedOnStandby(file, config) : added(file, config))
  else if (options.makeCurrent !== undefined) console.log(madeCurrent(file, config, options.makeCurrent))
  else if (options.remove !== undefined) console.log(removed(file, config, options.remove))
  else if (protect) console.log(isProtected(file, config, oldPassphraseFile))
  else console.log(made(file, config))
}

function made(file: string, { kms: { passphrase }, realm }: Config): string {
  const found = statSync(file, { throwIfNoEntry: false })
  if (found?.isDirectory())
    throw new StartupError(
      `${file} is a directory: name the file to make, such as ${join(file, 'keyring.json')}.`,
    )
  if (found !== undefined)
    throw new StartupError(
      `${file} exists already; a keyring is never overwritten. --add adds a key to it, --protect puts it under a passphrase.`,
    )
  const { current } = createKeyring(file, { passphrase, realm: realm ?? undefined })
  const how = passphrase === null ? '' : ', protected by the passphrase'
  return `${file} made, with the key ${current}${how}. Keep a copy of it in a safe place: without it nothing that it sealed can be read.`
}

function added(file: string, { kms: { passphrase } }: Config): string {
  const { current, keys } = addKey(file, { passphrase })
  return `${file} has the new key ${current}, and keeps ${keys.size - 1} for what they have wrapped. Copy it to the backup and to every replica, then restart the gateways: new data keys are wrapped under it from then on, and a gateway that does not have it yet cannot read them.`
}

function addedOnStandby(file: string, { kms: { passphrase } }: Config): string {
  const { current, keys } = addKey(file, { passphrase, standby: true })
  const id = [...keys.keys()].at(-1)
  return `${file} has the new key ${id}; new data keys are still wrapped under ${current}. Copy the file to the backup and to every replica, and restart the gateways one by one. When all of them run with it: sealgate keygen ${file} --make-current ${id}`
}

function madeCurrent(file: string, { kms: { passphrase } }: Config, name: string): string {
  const id = idOf(name)
  makeCurrent(file, id, passphrase)
  return `${file} has ${id} as its current key, and keeps the others for what they have wrapped. Copy it to the backup and to every replica, and restart the gateways one by one: new data keys are wrapped under it from then on. A gateway that was last restarted before the key was added cannot read them.`
}

function removed(file: string, { kms: { passphrase } }: Config, name: string): string {
  const id = idOf(name)
  const { keys } = removeKey(file, id, passphrase)
  return `${file} no longer has ${id}; ${keys.size === 1 ? '1 key is' : `${keys.size} keys are`} left. What is under it opens by the key ring alone, where sealgate rewrap has moved it, and only if the rules for its buckets name ${id} under retired. Keep the backup that still has it until that is proven.`
}

function idOf(name: string): string {
  return name.startsWith('local:') ? name : `local:${name}`
}

function isProtected(file: string, { kms: { passphrase } }: Config, oldFile: string | undefined): string {
  if (passphrase === null)
    throw new StartupError(
      'There is no passphrase. Name it by kms.passphraseFile / SEALGATE_KEYRING_PASSPHRASE_FILE or SEALGATE_KEYRING_PASSPHRASE.',
    )
  protectKeyring(file, passphrase, oldFile === undefined ? null : { file: resolve(oldFile) })
  return `${file} is protected by the passphrase now. Keep both in safe places: without either nothing can be read. The disk and the backups may still hold the file as it was; if that is to be feared, add a key to it (--add).`
}
