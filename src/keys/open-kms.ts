import { type Keyring, KeyringError, loadKeyring } from './kms/keyring.ts'
import type { Kms } from './kms/kms.ts'
import { LocalKms } from './kms/local.ts'
import { ResilientKms } from './kms/resilient-kms.ts'
import { TencentKms } from './kms/tencent.ts'
import { tencentCredentials } from './kms/tencent-credentials.ts'

/** Which key service holds the CMKs, and how it is reached. */
export type KmsOptions =
  | { readonly provider: 'local'; readonly keyring: string }
  | {
      readonly provider: 'tencent'
      readonly region: string
      readonly endpoint: string | null
      /** A key id, or `alias/NAME`. */
      readonly keyId: string
      readonly credentials: {
        readonly secretId: string
        readonly secretKey: string
        readonly token?: string | undefined
      } | null
      readonly timeoutMs: number
    }

export interface OpenedKms {
  readonly kms: Kms
  /** Of this deployment, where the provider keeps it; null where the store does. */
  readonly realm: string | null
  /** The CMK of buckets that no rule speaks of, and those that their objects may be sealed under besides. */
  readonly current: string
  readonly others: readonly string[]
  /** The id that a name in the configuration stands for: envelopes hold ids only. */
  resolve(name: string): Promise<string>
}

const RESILIENCE = { attempts: 4, pauseMs: 100, failures: 5, restMs: 5000 }

/** @throws KeyringError, KmsError: with what was configured there is no key */
export async function openKms(
  options: KmsOptions,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<OpenedKms> {
  return options.provider === 'local'
    ? openLocal(loadKeyring(options.keyring), options.keyring)
    : openTencent(options, environment)
}

function openLocal(keyring: Keyring, path: string): OpenedKms {
  const ids = [...keyring.keys.keys()]
  return {
    kms: new LocalKms(keyring),
    realm: keyring.realm,
    current: keyring.current,
    others: ids.filter((id) => id !== keyring.current),
    async resolve(name) {
      if (ids.includes(name)) return name
      throw new KeyringError(
        `a rule for buckets names the key ${name}, which the keyring ${path} does not hold; it holds ${ids.join(', ')}`,
      )
    },
  }
}

async function openTencent(
  options: Extract<KmsOptions, { provider: 'tencent' }>,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<OpenedKms> {
  const { region, endpoint, keyId, credentials, timeoutMs } = options
  const tencent = new TencentKms({
    region,
    timeoutMs,
    endpoint: endpoint ?? undefined,
    credentials: tencentCredentials({ configured: credentials ?? undefined, environment }),
  })
  const resolve = async (name: string) =>
    name.startsWith('alias/') ? tencent.resolveAlias(name.slice('alias/'.length)) : name
  return {
    kms: new ResilientKms(tencent, RESILIENCE),
    realm: null,
    current: await resolve(keyId),
    others: [],
    resolve,
  }
}
