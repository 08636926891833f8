import { resolve } from 'node:path'
import { isAmazon, isTencent } from '../base/known-services.ts'
import { checkBucketPairs, type Pair, pairsOf } from './bucket-pairs.ts'
import { FIELDS, type FieldName } from './fields.ts'
import type { Settings } from './settings.ts'

/** The S3 server behind the gateway. */
export interface S3Config {
  readonly endpoint: string
  readonly region: string | null
  readonly addressing: 'path' | 'virtual'
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | null
  readonly caFile: string | null
  readonly clientCertFile: string | null
  readonly clientKeyFile: string | null
  readonly bucketPrefix: string
  readonly bucketSuffix: string
  /** Name here and name there. */
  readonly buckets: readonly Pair[]
  /** Sub-resources that are handed on to it. */
  readonly forward: readonly string[]
  readonly maxConnections: number
  readonly connectTimeoutMs: number
  readonly answerTimeoutMs: number
  readonly idleTimeoutMs: number
}

/** Null unless the store is s3. */
export function buildS3(values: Settings['values']): S3Config | null {
  if (values.get('store') !== 's3') return null
  const text = (name: FieldName) => (values.get(name) ?? null) as string | null
  const number = (name: FieldName) => values.get(name) as number
  const path = (name: FieldName) => {
    const value = text(name)
    return value === null ? null : resolve(value)
  }
  const [accessKeyId, secretAccessKey] = [text('s3.accessKeyId'), text('s3.secretAccessKey')]
  return {
    endpoint: endpointOf(text('s3.endpoint'), text('s3.region')),
    region: text('s3.region'),
    addressing: text('s3.addressing') as S3Config['addressing'],
    credentials: accessKeyId === null || secretAccessKey === null ? null : { accessKeyId, secretAccessKey },
    caFile: path('s3.caFile'),
    clientCertFile: path('s3.clientCertFile'),
    clientKeyFile: path('s3.clientKeyFile'),
    bucketPrefix: text('s3.bucketPrefix') ?? '',
    bucketSuffix: text('s3.bucketSuffix') ?? '',
    buckets: pairsOf(values, 's3.buckets'),
    forward: values.get('s3.forward') as readonly string[],
    maxConnections: number('s3.maxConnections'),
    connectTimeoutMs: number('s3.connectTimeoutMs'),
    answerTimeoutMs: number('s3.answerTimeoutMs'),
    idleTimeoutMs: number('s3.idleTimeoutMs'),
  }
}

function endpointOf(endpoint: string | null, region: string | null): string {
  return endpoint ?? `https://s3.${region}.amazonaws.com`
}

/** Adds what is wrong with the fields of the s3 store together. */
export function checkS3(settings: Settings): void {
  const { values, origins, mistakes } = settings
  if (values.get('store') !== 's3') return
  const endpoint = values.get('s3.endpoint') as string | null
  // An endpoint that is set badly is one mistake, and not of AWS.
  const isAws = endpoint === null ? !origins.has('s3.endpoint') : isAmazon(endpoint)
  if (!origins.has('s3.endpoint') && !origins.has('s3.region'))
    mistakes.push(
      `s3.endpoint: must be set for store s3 (${FIELDS['s3.endpoint'].env}), or s3.region for AWS; ${FIELDS['s3.endpoint'].hint}`,
    )
  if (isAws && !origins.has('systemBucket'))
    mistakes.push(
      `systemBucket: must be set for AWS (${FIELDS.systemBucket.env}), where the names of buckets are global; ${FIELDS.systemBucket.hint}`,
    )
  if (isTencent(endpoint ?? '')) checkTencent(values, mistakes)
  const suffix = values.get('s3.bucketSuffix') ?? ''
  checkBucketPairs(settings, 's3.buckets', `${values.get('systemBucket')}${suffix}`)
}

/** Every bucket of Tencent COS has a host of its own, and the number of its account in its name. */
function checkTencent(values: Settings['values'], mistakes: string[]): void {
  if (values.get('s3.addressing') !== 'virtual')
    mistakes.push(
      `s3.addressing: must be virtual for Tencent COS (${FIELDS['s3.addressing'].env}); ${FIELDS['s3.addressing'].hint}`,
    )
  if (values.get('s3.bucketSuffix') === null)
    mistakes.push(
      `s3.bucketSuffix: must be set for Tencent COS (${FIELDS['s3.bucketSuffix'].env}); ${FIELDS['s3.bucketSuffix'].hint}`,
    )
}
