import { resolve } from 'node:path'
import { isLoopback } from '../base/loopback.ts'
import { checkBucketPairs, type Pair, pairsOf } from './bucket-pairs.ts'
import { FIELDS, type FieldName } from './fields.ts'
import type { Settings } from './settings.ts'

/** Tencent COS behind the gateway. */
export interface CosConfig {
  readonly region: string
  readonly appId: string
  readonly credentials: { readonly secretId: string; readonly secretKey: string } | null
  readonly domain: string | null
  readonly connectTo: string | null
  readonly caFile: string | null
  readonly bucketPrefix: string
  /** Name here and name there. */
  readonly buckets: readonly Pair[]
  /** Name here and region. */
  readonly regions: readonly Pair[]
  readonly maxConnections: number
  readonly connectTimeoutMs: number
  readonly answerTimeoutMs: number
  readonly idleTimeoutMs: number
}

/** Null unless the store is cos. */
export function buildCos(values: Settings['values']): CosConfig | null {
  if (values.get('store') !== 'cos') return null
  const text = (name: FieldName) => (values.get(name) ?? null) as string | null
  const number = (name: FieldName) => values.get(name) as number
  const [secretId, secretKey, caFile] = [text('cos.secretId'), text('cos.secretKey'), text('cos.caFile')]
  return {
    region: text('cos.region') ?? '',
    appId: text('cos.appId') ?? '',
    credentials: secretId === null || secretKey === null ? null : { secretId, secretKey },
    domain: text('cos.domain'),
    connectTo: text('cos.connectTo'),
    caFile: caFile === null ? null : resolve(caFile),
    bucketPrefix: text('cos.bucketPrefix') ?? '',
    buckets: pairsOf(values, 'cos.buckets'),
    regions: pairsOf(values, 'cos.regions'),
    maxConnections: number('cos.maxConnections'),
    connectTimeoutMs: number('cos.connectTimeoutMs'),
    answerTimeoutMs: number('cos.answerTimeoutMs'),
    idleTimeoutMs: number('cos.idleTimeoutMs'),
  }
}

/** Of the host that a bucket's name begins ("Bucket Overview" of COS). */
const MAX_HOST_LENGTH = 60

/** Adds what is wrong with the fields of the cos store together. */
export function checkCos(settings: Settings): void {
  const { values, origins, mistakes } = settings
  if (values.get('store') !== 'cos') return
  for (const name of ['cos.region', 'cos.appId'] as const)
    if (!origins.has(name))
      mistakes.push(`${name}: must be set for store cos (${FIELDS[name].env}); ${FIELDS[name].hint}`)
  checkSystemBucket(settings)
  checkBucketPairs(settings, 'cos.buckets', `${values.get('systemBucket')}-${values.get('cos.appId')}`)
  const seen = new Set<string>()
  for (const [name, region] of pairsOf(values, 'cos.regions')) {
    if (seen.has(name)) mistakes.push(`cos.regions: ${name}=${region}: each name may stand once`)
    seen.add(name)
  }
  checkSecure(settings)
}

function checkSystemBucket({ values, mistakes }: Settings): void {
  const [name, region, appId] = ['systemBucket', 'cos.region', 'cos.appId'].map((field) =>
    values.get(field as FieldName),
  )
  if (region === null || appId === null) return
  const host = `${name}-${appId}.cos.${region}.myqcloud.com`
  if (String(name).includes('.'))
    mistakes.push(
      `systemBucket: ${name}: Tencent COS takes no dots in the name of a bucket; name another (${FIELDS.systemBucket.env})`,
    )
  else if (host.length > MAX_HOST_LENGTH)
    mistakes.push(
      `systemBucket: ${name}: ${host} has ${host.length} characters, and Tencent COS takes ${MAX_HOST_LENGTH}; name a shorter one (${FIELDS.systemBucket.env})`,
    )
}

/** COS signs no bodies: on a way that is not secure anybody could put others in their place. */
function checkSecure({ values, mistakes }: Settings): void {
  const domain = values.get('cos.domain') as string | null
  if (domain?.startsWith('http:') !== true) return
  if (isLoopback(`http://${values.get('cos.connectTo') ?? ''}`)) return
  mistakes.push(
    `cos.domain (${FIELDS['cos.domain'].env}): ${domain} would take credentials and bodies, which COS does not sign, over the network in the clear; use https://`,
  )
}
