import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { StartupError } from '../app.ts'
import { type Config, loadConfig } from '../config/config.ts'
import { addKey, createKeyring, protectKeyring } from '../keys/index.ts'

export interface KeygenOptions {
  readonly add?: true
  readonly protect?: true
  readonly oldPassphraseFile?: string
}

export function keygen(file: string, configFile: string | undefined, options: KeygenOptions): void {
  const config = loadConfig(configFile, process.env)
  if (options.add === true) console.log(added(file, config))
  else if (options.protect === true) console.log(isProtected(file, config, options.oldPassphraseFile))
  else console.log(made(file, config))
}

function made(file: string, { kms: { passphrase }, realm }: Config): string {
  if (existsSync(file))
    throw new StartupError(
      `${file} exists already; a keyring is never overwritten. --add adds a key to it, --protect puts it under a passphrase.`,
    )
  const { current } = createKeyring(file, { passphrase, realm: realm ?? undefined })
  const how = passphrase === null ? '' : ', protected by the passphrase'
  return `${file} made, with the key ${current}${how}. Keep a copy of it in a safe place: without it nothing that it sealed can be read.`
}

function added(file: string, { kms: { passphrase } }: Config): string {
  const { current, keys } = addKey(file, passphrase)
  return `${file} has the new key ${current}, and keeps ${keys.size - 1} for what they have wrapped. Copy it to the backup and to every replica, then restart the gateways: new data keys are wrapped under it from then on, and a gateway that does not have it yet cannot read them.`
}

function isProtected(file: string, { kms: { passphrase } }: Config, oldFile: string | undefined): string {
  if (passphrase === null)
    throw new StartupError(
      'There is no passphrase. Name it by kms.passphraseFile / SEALGATE_KEYRING_PASSPHRASE_FILE or SEALGATE_KEYRING_PASSPHRASE.',
    )
  protectKeyring(file, passphrase, oldFile === undefined ? null : { file: resolve(oldFile) })
  return `${file} is protected by the passphrase now. Keep both in safe places: without either nothing can be read. The disk and the backups may still hold the file as it was; if that is to be feared, add a key to it (--add).`
}
