import { cosBucketForm } from './cos/bucket-form.ts'
import { COS_FACTS } from './cos/facts.ts'
import { defaultCredentials, fixedCredentials } from './s3/credentials.ts'
import { type Addressing, parseEndpoint } from './s3/endpoint.ts'
import { probeIntegrity } from './s3/probe-integrity.ts'
import { S3Dialect } from './s3/s3-dialect.ts'
import type { Storage } from './storage.ts'
import { BucketNames } from './wire/bucket-names.ts'
import { UNPROBED, type WireCapabilities } from './wire/capabilities.ts'
import type { StoreClient } from './wire/client.ts'
import { ANSWER_TIMEOUT_MS, openWireStorage, type WireOptions } from './wire/open-wire-storage.ts'
import { probe } from './wire/probe.ts'
import { probeVersionedConditions } from './wire/probe-versions.ts'
import type { WireLimits } from './wire/store.ts'

export interface S3StorageOptions extends WireOptions {
  /** `https://host:port` */
  readonly endpoint: string
  /** Null to learn it from the store. */
  readonly region: string | null
  readonly addressing: Addressing
  /** Behind every name of a bucket there that is not in the map, the system bucket's included. */
  readonly bucketSuffix?: string
  /** Null for what AWS's own tools would use. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | null
}

const GIB = 1024 ** 3

/** S3's own limits; they are on what is stored, so clients have a little less. */
const LIMITS: WireLimits = {
  maxPutBytes: 5 * GIB,
  maxPartBytes: 5 * GIB,
  maxObjectBytes: 10_000 * 5 * GIB,
  maxMetadataBytes: UNPROBED.metadataBytes,
  maxCopyBytes: 5 * GIB,
  copyPartBytes: GIB,
}

/** Any S3 server as a store. */
export async function openS3Storage(options: S3StorageOptions): Promise<Storage> {
  const { systemBucket } = options
  const endpoint = parseEndpoint(options.endpoint)
  const dialect = new S3Dialect({
    endpoint,
    addressing: options.addressing,
    credentials:
      options.credentials === null ? await defaultCredentials() : fixedCredentials(options.credentials),
    region: options.region,
    answerTimeoutMs: options.answerTimeoutMs ?? ANSWER_TIMEOUT_MS,
  })
  const integrity = options.known?.integrity ?? null
  if (integrity !== null) dialect.integrity = integrity
  return openWireStorage(options, {
    dialect,
    names: new BucketNames({
      systemBucket,
      prefix: options.bucketPrefix ?? '',
      suffix: options.bucketSuffix ?? '',
      map: options.buckets ?? new Map(),
      ...(dialect.isTencent ? { form: cosBucketForm(() => endpoint.host.replace(/:\d+$/, '')) } : {}),
    }),
    unprobed: { ...UNPROBED, ...knownOf(dialect) },
    limits: LIMITS,
    probe: (client, bucket, warn) => probeS3(dialect, client, bucket, warn),
  })
}

async function probeS3(
  dialect: S3Dialect,
  client: StoreClient,
  bucket: string,
  warn: (message: string) => void,
): Promise<WireCapabilities> {
  const probed = await probe(client, bucket, (scratch) => probeIntegrity(scratch, dialect.secure))
  if (probed.integrity !== null) dialect.integrity = probed.integrity
  // Amazon documents what it does in buckets with versions.
  const versionedConditions = dialect.isAmazon
    ? probed.conditions
    : await probeVersionedConditions(client, bucket, probed, warn)
  return { ...UNPROBED, ...probed, ...knownOf(dialect), versionedConditions }
}

/** What a server says of itself counts more than what was seen of it once. */
function knownOf({ isTencent }: S3Dialect): Partial<WireCapabilities> {
  return isTencent ? COS_FACTS : {}
}
