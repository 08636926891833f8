import { X509Certificate } from 'node:crypto'
import { accessSync, constants, readFileSync } from 'node:fs'
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
  requireProof(section.auth)
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

/** It is read again at each sign-in; one that is not there at start is a mistake. */
function requireProof(auth: VaultAuth): void {
  const [field, file] = proofFile(auth) ?? []
  if (field === undefined || file === undefined) return
  try {
    accessSync(file, constants.R_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new KeySetupError(`${field}: ${file}, which proves the gateway to Vault, cannot be read (${code}).`)
  }
}

function proofFile(auth: VaultAuth): readonly [string, string] | null {
  if (auth.method === 'token-file') return ['kms.vault.tokenFile', auth.file]
  if (auth.method === 'kubernetes') return ['kms.vault.jwtFile', auth.tokenFile]
  if (auth.method === 'approle' && 'file' in auth.secretId)
    return ['kms.vault.secretIdFile', auth.secretId.file]
  return null
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
