import { type AwsSection, openAws } from './kms/aws-service.ts'
import { type Provider, parseCmkName } from './kms/cmk-id.ts'
import type { KeyService } from './kms/key-service.ts'
import { KeySetupError } from './kms/key-setup-error.ts'
import type { Kms, ReEncryptingKms } from './kms/kms.ts'
import { KmsRouter } from './kms/kms-router.ts'
import { type LocalSection, openLocal } from './kms/local-service.ts'
import { openTencent, type TencentSection } from './kms/tencent-service.ts'
import { openVault, type VaultSection } from './kms/vault-service.ts'

/** Which key services hold the CMKs, and how they are reached; null is one that is not configured. */
export interface KmsOptions {
  /** The one of buckets without a rule, and of names that do not say theirs. */
  readonly provider: Provider
  /** Of the deployment, if the configuration names it: it comes before the one of a keyring. */
  readonly realm: string | null
  readonly timeoutMs: number
  readonly local: LocalSection | null
  readonly tencent: TencentSection | null
  readonly aws: AwsSection | null
  readonly vault: VaultSection | null
}

export interface OpenedKms {
  /** The default one. */
  readonly provider: Provider
  /** All services as one: the id of a CMK says which of them is asked. */
  readonly kms: Kms
  /** Of this deployment, where the configuration or the default service names it; null where only the store does. */
  readonly realm: string | null
  /** The CMK of buckets that no rule speaks of, what the configuration calls it, and the CMKs that their objects may be sealed under besides. */
  readonly current: string
  readonly currentName: string
  readonly others: readonly string[]
  /** The canonical id that a name in the configuration stands for: envelopes hold ids only. Rejects with KeySetupError or KmsError. */
  resolve(name: string): Promise<string>
  /** Who can move a wrapped key between two CMKs without giving its plaintext away; null if nobody can. */
  reEncrypting(from: string, to: string): ReEncryptingKms | null
  close(): void
}

type Environment = Readonly<Record<string, string | undefined>>

/** @throws KeyringError, KeySetupError, KmsError: with what was configured there is no key */
export async function openKms(options: KmsOptions, environment: Environment): Promise<OpenedKms> {
  const services = await openServices(options, environment)
  const close = () => {
    for (const service of services.values()) service.close()
  }
  const { provider } = options
  const resolve = async (text: string): Promise<string> => {
    const asked = parseCmkName(text, provider)
    const service = services.get(asked.provider)
    if (service !== undefined) return service.resolve(asked.name)
    throw new KeySetupError(
      `${text}: the key service ${asked.provider} is not configured; ${HOW_TO_CONFIGURE[asked.provider]}`,
    )
  }
  try {
    const { realm = null, defaultName = null, all = [] } = services.get(provider) ?? {}
    if (defaultName === null) throw new KeySetupError(`kms.provider: the key service ${provider} has no key`)
    const current = await resolve(defaultName)
    const router = new KmsRouter(new Map([...services].map(([name, { kms }]) => [name, kms])))
    return {
      provider,
      kms: router,
      realm: options.realm ?? realm,
      current,
      currentName: defaultName,
      others: all.filter((id) => id !== current),
      resolve,
      reEncrypting: (from, to) => router.reEncrypting(from, to),
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}

const HOW_TO_CONFIGURE: Readonly<Record<Provider, string>> = {
  local: 'name its keyring by kms.keyring / SEALGATE_KEYRING',
  tencent: 'set kms.tencent.region / SEALGATE_TENCENT_REGION',
  aws: 'set kms.aws.region / SEALGATE_AWS_KMS_REGION',
  vault: 'set kms.vault.address / SEALGATE_VAULT_ADDRESS',
}

async function openServices(
  options: KmsOptions,
  environment: Environment,
): Promise<ReadonlyMap<Provider, KeyService>> {
  const { local, tencent, aws, vault, timeoutMs } = options
  const services = new Map<Provider, KeyService>()
  if (local !== null) services.set('local', openLocal(local))
  if (tencent !== null) services.set('tencent', openTencent(tencent, timeoutMs, environment))
  if (aws !== null) services.set('aws', await openAws(aws, timeoutMs))
  if (vault !== null) services.set('vault', openVault(vault, timeoutMs))
  return services
}
