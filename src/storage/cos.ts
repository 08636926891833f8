import { type TencentCredentials, tencentCredentials } from '../base/tencent-credentials.ts'
import { CosAddresses } from './cos/addresses.ts'
import { cosBucketForm } from './cos/bucket-form.ts'
import { CosDialect } from './cos/cos-dialect.ts'
import { cosCredentials } from './cos/credentials.ts'
import { COS_UNPROBED, probeCos } from './cos/probe.ts'
import type { Storage } from './storage.ts'
import { BucketNames } from './wire/bucket-names.ts'
import { ANSWER_TIMEOUT_MS, openWireStorage, type WireOptions } from './wire/open-wire-storage.ts'
import type { WireLimits } from './wire/store.ts'

export interface CosStorageOptions extends WireOptions {
  /** The number behind the names of an account's buckets. */
  readonly appId: string
  readonly region: string
  /** Of buckets that are elsewhere, by the names that clients use. */
  readonly regions?: ReadonlyMap<string, string>
  /** Scheme and host of a bucket, with `{bucket}` and `{region}`; null for COS's own. */
  readonly domain?: string | null
  /** `host:port`: where connections go instead of to the address of a host's name. */
  readonly connectTo?: string | null
  /** Null for what Tencent Cloud's own clients would use. */
  readonly credentials: TencentCredentials | null
  readonly environment?: Readonly<Record<string, string | undefined>>
}

const GIB = 1024 ** 3

/** COS's own limits ("Specifications and Limits"); they are on what is stored, so clients have a little less. */
const LIMITS: WireLimits = {
  maxPutBytes: 5 * GIB,
  maxPartBytes: 5 * GIB,
  maxObjectBytes: 10_000 * 5 * GIB,
  maxMetadataBytes: COS_UNPROBED.metadataBytes,
  maxCopyBytes: 5 * GIB,
  copyPartBytes: GIB,
}

/** Tencent COS as a store. */
export async function openCosStorage(options: CosStorageOptions): Promise<Storage> {
  const { systemBucket, appId, region, credentials } = options
  const names = new BucketNames({
    systemBucket,
    prefix: options.bucketPrefix ?? '',
    map: options.buckets ?? new Map(),
    suffix: `-${appId}`,
    form: cosBucketForm((bucket) => `cos.${options.regions?.get(bucket) ?? region}.myqcloud.com`),
  })
  const elsewhere = [...(options.regions ?? [])]
  const addresses = new CosAddresses({
    region,
    regions: new Map(elsewhere.map(([name, there]) => [names.proposed(name), there])),
    domain: options.domain ?? null,
    connectTo: options.connectTo ?? null,
  })
  const dialect = new CosDialect({
    addresses,
    credentials: cosCredentials(
      tencentCredentials({
        configured: credentials ?? undefined,
        environment: options.environment ?? {},
        fields: 'cos.secretId and cos.secretKey',
      }),
    ),
    answerTimeoutMs: options.answerTimeoutMs ?? ANSWER_TIMEOUT_MS,
  })
  return openWireStorage(options, {
    dialect,
    names,
    unprobed: COS_UNPROBED,
    limits: LIMITS,
    probe: probeCos,
  })
}
