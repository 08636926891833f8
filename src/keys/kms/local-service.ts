import type { KeyService } from './key-service.ts'
import { KeySetupError } from './key-setup-error.ts'
import { loadKeyring } from './keyring.ts'
import { LocalKms } from './local.ts'

export interface LocalSection {
  /** Path of the keyring file. */
  readonly keyring: string
}

/** @throws KeyringError */
export function openLocal({ keyring: path }: LocalSection): KeyService {
  const keyring = loadKeyring(path)
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
