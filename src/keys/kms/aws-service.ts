import { AwsKms } from './aws.ts'
import { ownId } from './cmk-id.ts'
import { type KeyService, lookingUp, RESILIENCE } from './key-service.ts'
import { ResilientReEncryptingKms } from './resilient-kms.ts'

export interface AwsSection {
  readonly region: string
  readonly endpoint: string | null
  /** Where http:// may lead; default: only to this machine. */
  readonly plainHttp?: 'loopback' | 'anywhere'
  /** An ARN, a key id, `alias/NAME`, or the ARN of an alias. */
  readonly keyId: string | null
  /** Null: from where AWS's own clients take them. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | null
}

export async function openAws(
  { region, endpoint, plainHttp, keyId, credentials }: AwsSection,
  timeoutMs: number,
): Promise<KeyService> {
  const aws = await AwsKms.load({
    region,
    timeoutMs,
    allowsPlainHttp: plainHttp === 'anywhere',
    endpoint: endpoint ?? undefined,
    credentials: credentials ?? undefined,
  })
  const kms = new ResilientReEncryptingKms(aws, RESILIENCE)
  return {
    kms,
    realm: null,
    defaultName: keyId,
    all: [],
    async resolve(name) {
      if (ownId('aws', name) !== null) return name
      const where = `${name} in ${region}${endpoint === null ? '' : ` at ${endpoint}`}`
      const hint = `Asked for ${where}: check kms.aws.keyId and the rules for buckets, kms.aws.region, kms.aws.endpoint and the credentials`
      return lookingUp(() => kms.run(() => aws.resolve(name)), hint)
    },
    close: () => aws.close(),
  }
}
