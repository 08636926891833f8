import { providerOf } from './cmk-id.ts'
import { type KeyService, lookingUp, RESILIENCE } from './key-service.ts'
import { KeySetupError } from './key-setup-error.ts'
import { ResilientReEncryptingKms } from './resilient-kms.ts'
import { TencentKms } from './tencent.ts'
import { tencentCredentials } from './tencent-credentials.ts'

export interface TencentSection {
  readonly region: string
  readonly endpoint: string | null
  /** A key id, or `alias/NAME`. */
  readonly keyId: string | null
  /** Null: from where Tencent Cloud's own clients take them. */
  readonly credentials: { readonly secretId: string; readonly secretKey: string } | null
}

export function openTencent(
  { region, endpoint, keyId, credentials }: TencentSection,
  timeoutMs: number,
  environment: Readonly<Record<string, string | undefined>>,
): KeyService {
  const tencent = new TencentKms({
    region,
    timeoutMs,
    endpoint: endpoint ?? undefined,
    credentials: tencentCredentials({ configured: credentials ?? undefined, environment }),
  })
  const kms = new ResilientReEncryptingKms(tencent, RESILIENCE)
  return {
    kms,
    realm: null,
    defaultName: keyId,
    all: [],
    async resolve(name) {
      const alias = name.startsWith('alias/') ? name.slice('alias/'.length) : null
      const where = `${name} in ${region}${endpoint === null ? '' : ` at ${endpoint}`}`
      const hint = `Asked for ${where}: check kms.tencent.keyId and the rules for buckets, kms.tencent.region, kms.tencent.endpoint and the credentials`
      if (alias !== null) return lookingUp(() => kms.run(() => tencent.resolveAlias(alias)), hint)
      if (providerOf(`tencent:${name}`) !== null) return `tencent:${name}`
      throw new KeySetupError(`${name} is neither the id of a CMK of Tencent Cloud KMS nor alias/NAME`)
    },
    close: () => tencent.close(),
  }
}
