import { AwsKms } from './aws.ts'
import { ownId } from './cmk-id.ts'
import { type KeyService, RESILIENCE } from './key-service.ts'
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
    resolve: async (name) => (ownId('aws', name) === null ? kms.run(() => aws.resolve(name)) : name),
    close: () => aws.close(),
  }
}
