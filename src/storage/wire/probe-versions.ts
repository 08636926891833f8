/**
 * A server may enforce the conditions of writes, and not do so in buckets that keep versions, where each write makes an object of its own. So
 * that is tried as well, in a bucket with versions that is made for it and removed again.
 */
import { randomBytes } from 'node:crypto'
import { childrenOf, childText } from '../../base/xml-reader.ts'
import { isError } from '../../errors.ts'
import { type ConditionSupport, NO_CONDITIONS, type StorageCapabilities } from '../capabilities.ts'
import { probeBucketPrefix } from './bucket-names.ts'
import { makeBucket } from './buckets.ts'
import type { WireCapabilities } from './capabilities.ts'
import type { StoreClient } from './client.ts'
import { nameDecoder, readResult } from './documents.ts'
import { readTime } from './headers.ts'
import { probeComplete, probeCopy, probeDelete, probePut } from './probe.ts'
import { Scratch } from './scratch.ts'
import { setVersioning } from './versions.ts'

type Conditions = StorageCapabilities['conditions']
type Claimed = Pick<WireCapabilities, 'conditions' | 'copyObject' | 'versions'>

/** Where such a bucket cannot be made nothing is known to be enforced. */
export async function probeVersionedConditions(
  client: StoreClient,
  systemBucket: string,
  claimed: Claimed,
  warn: (message: string) => void,
): Promise<Conditions> {
  const { conditions, versions } = claimed
  const hasAny = Object.values(conditions).some(({ ifMatch, ifNoneMatch }) => ifMatch || ifNoneMatch)
  if (!versions || !hasAny) return NO_CONDITIONS
  await removeLeftOver(client, systemBucket, warn)
  const bucket = probeBucketPrefix(systemBucket) + randomBytes(6).toString('hex')
  try {
    await makeBucket(client, bucket)
  } catch (error) {
    warn(
      `no bucket ${bucket} can be made to try conditional writes with versions; in buckets that keep versions they are refused: ${String(error)}`,
    )
    return NO_CONDITIONS
  }
  try {
    await setVersioning(client, bucket, 'Enabled')
    return await tryIn(client, bucket, claimed)
  } finally {
    await removeWithVersions(client, bucket).catch((error: unknown) =>
      warn(`the bucket ${bucket}, made to try conditional writes with versions, is left: ${String(error)}`),
    )
  }
}

async function tryIn(client: StoreClient, bucket: string, claimed: Claimed): Promise<Conditions> {
  const scratch = new Scratch(client, bucket)
  const [put, hidden, remove, copy, complete] = await Promise.all([
    probePut(scratch),
    probeHidden(scratch),
    probeDelete(scratch),
    probeCopy(scratch),
    probeComplete(scratch),
  ])
  // What takes a delete marker for an object in one write does so in all.
  if (!hidden) return NO_CONDITIONS
  const { conditions } = claimed
  const kept = {
    put: both(conditions.put, put.conditions),
    delete: both(conditions.delete, remove),
    complete: both(conditions.complete, complete),
  }
  const atOnce = both(claimed.copyObject, copy.copyObject)
  // A copy goes by one of these ways, each of which must then do here what it does elsewhere.
  const copies = (kind: keyof ConditionSupport) =>
    conditions.copy[kind] &&
    claimed.copyObject[kind] === atOnce[kind] &&
    conditions.complete[kind] === kept.complete[kind] &&
    conditions.put[kind] === kept.put[kind]
  return { ...kept, copy: { ifMatch: copies('ifMatch'), ifNoneMatch: copies('ifNoneMatch') } }
}

/** Whether a key that a delete marker hides is absent for conditions. */
async function probeHidden(scratch: Scratch): Promise<boolean> {
  const etag = await scratch.put('hidden')
  const put = async (headers: Readonly<Record<string, string>>) =>
    (await scratch.ask('hidden', { method: 'PUT', headers, body: Buffer.from('probe') })).status
  await scratch.ask('hidden', { method: 'DELETE' })
  return (await put({ 'if-match': etag })) !== 200 && (await put({ 'if-none-match': '*' })) === 200
}

function both(a: ConditionSupport, b: ConditionSupport): ConditionSupport {
  return { ifMatch: a.ifMatch && b.ifMatch, ifNoneMatch: a.ifNoneMatch && b.ifNoneMatch }
}

/** No start takes that long. */
const LEFT_AFTER_MS = 60 * 60_000

/** Such buckets of starts that were killed in the middle. */
async function removeLeftOver(
  client: StoreClient,
  systemBucket: string,
  warn: (message: string) => void,
): Promise<void> {
  try {
    const { bytes } = await client.document({ method: 'GET', idempotent: true })
    const buckets = childrenOf(readResult(bytes, 'ListAllMyBucketsResult'), 'Buckets').flatMap((list) =>
      childrenOf(list, 'Bucket'),
    )
    for (const element of buckets) {
      const name = childText(element, 'Name') ?? ''
      const age = Date.now() - readTime(childText(element, 'CreationDate'))
      if (isProbeBucket(name, systemBucket) && age > LEFT_AFTER_MS) await removeWithVersions(client, name)
    }
  } catch (error) {
    if (!isError(error)) throw error
    warn(`buckets that an earlier start made and left could not be looked for, or removed: ${String(error)}`)
  }
}

function isProbeBucket(name: string, systemBucket: string): boolean {
  const prefix = probeBucketPrefix(systemBucket)
  return name.startsWith(prefix) && /^[0-9a-f]{12}$/.test(name.slice(prefix.length))
}

async function removeWithVersions(client: StoreClient, bucket: string): Promise<void> {
  const query = { versions: '', 'encoding-type': 'url' }
  const { bytes } = await client.document({ method: 'GET', bucket, query, idempotent: true })
  const result = readResult(bytes, 'ListVersionsResult')
  const name = nameDecoder(result)
  for (const element of [...childrenOf(result, 'Version'), ...childrenOf(result, 'DeleteMarker')]) {
    const [key, versionId] = [name(childText(element, 'Key')), childText(element, 'VersionId')]
    await client.done({ method: 'DELETE', bucket, key, query: { versionId }, idempotent: true })
  }
  await client.done({ method: 'DELETE', bucket, idempotent: true })
}
