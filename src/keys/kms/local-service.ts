import type { KeyService } from './key-service.ts'
import { KeySetupError } from './key-setup-error.ts'
import { loadKeyring, type Passphrase } from './keyring-file.ts'
import { LocalKms } from './local.ts'

export interface LocalSection {
  /** Path of the keyring file. */
  readonly keyring: string
  /** Of a keyring that is protected by one. */
  readonly passphrase: Passphrase | null
}

/** @throws KeyringError */
export function openLocal({ keyring: path, passphrase }: LocalSection): KeyService {
  const keyring = loadKeyring(path, passphrase)
  const all = [...keyring.keys.keys()]
  return {
    kms: new LocalKms(keyring),
    realm: keyring.realm,
    defaultName: keyring.current.slice('local:'.length),
    all,
    async resolve(name) {
      const id = `local:${name}`
      if (all.includes(id)) return id
      throw new KeySetupError(`the keyring ${path} has no key ${id}; it has ${all.join(', ')}`)
    },
    close: () => undefined,
  }
}
