import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ownId } from './cmk-id.ts'
import { type KeyService, RESILIENCE } from './key-service.ts'
import { KeySetupError } from './key-setup-error.ts'
import { ResilientKms } from './resilient-kms.ts'
import { VaultKms } from './vault.ts'
import type { VaultAuth } from './vault-session.ts'

export interface VaultSection {
  readonly address: string
  readonly mount: string
  readonly namespace: string | null
  /** The key of buckets that no rule speaks of. */
  readonly key: string | null
  /** Certificates of Vault's own authority; null: those that the system trusts. */
  readonly caFile: string | null
  readonly auth: VaultAuth
}

/** @throws KeySetupError, or the system's error when the certificates cannot be read */
export function openVault(section: VaultSection, timeoutMs: number): KeyService {
  const { key, caFile, ...options } = section
  const vault = new VaultKms({
    ...options,
    timeoutMs,
    ca: caFile === null ? undefined : certificatesIn(caFile),
  })
  return {
    kms: new ResilientKms(vault, RESILIENCE),
    realm: null,
    defaultName: key,
    all: [],
    async resolve(name) {
      const id = `vault:${name}`
      if (ownId('vault', id) !== null) return id
      throw new KeySetupError(
        `${name} is no name of a Transit key: letters, digits, "_", "-" and "." between them`,
      )
    },
    close: () => vault.close(),
  }
}

function certificatesIn(file: string): string {
  const pem = readFileSync(file, 'utf8')
  try {
    new X509Certificate(pem)
    return pem
  } catch {
    throw new KeySetupError(`kms.vault.caFile ${file} holds no certificate in PEM form`)
  }
}
