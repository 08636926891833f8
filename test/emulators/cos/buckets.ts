/** Operations of the service and of buckets as wholes. */
import { childText } from '../../../src/base/xml-reader.ts'
import { type Answer, type Call, iso } from './call.ts'
import { CosRefusal } from './refusal.ts'
import { cosDocument, parseDocument } from './xml.ts'

export function listBuckets({ service }: Call): Answer {
  const Bucket = [...service.buckets.values()].map(({ name, createdAt }) => ({
    Name: name,
    Location: service.region,
    CreationDate: iso(createdAt),
    BucketType: 'cos',
  }))
  const owner = `qcs::cam::uin/100000000001:uin/100000000001`
  return {
    body: cosDocument('ListAllMyBucketsResult', {
      Owner: { ID: owner, DisplayName: owner },
      Buckets: { Bucket },
      IsTruncated: false,
    }),
  }
}

export function putBucket({ service, bucketName, host }: Call): Answer {
  if (!bucketName.endsWith(`-${service.appid}`)) throw new CosRefusal('AccessDenied')
  if (!/^[a-z0-9][a-z0-9-]*[a-z0-9]$/.test(bucketName)) throw new CosRefusal('InvalidBucketName')
  if (service.buckets.has(bucketName)) throw new CosRefusal('BucketAlreadyOwnedByYou')
  service.makeBucket(bucketName)
  return { headers: { location: `http://${host}/` } }
}

export function headBucket(call: Call): Answer {
  return { headers: { 'x-cos-bucket-region': regionOf(call) } }
}

/** Uploads under way keep it as well (product 436, "DELETE Bucket"). */
export function deleteBucket({ bucket, service }: Call): Answer {
  if (!bucket.isEmpty || bucket.uploads.size > 0) throw new CosRefusal('BucketNotEmpty')
  service.buckets.delete(bucket.name)
  return { status: 204 }
}

export function getBucketLocation(call: Call): Answer {
  return { body: cosDocument('LocationConstraint', { '': regionOf(call) }) }
}

/** Of a bucket that is there, which `bucket` makes sure of. */
function regionOf({ bucket, service }: Call): string {
  return bucket.name === '' ? '' : service.region
}

export function getBucketVersioning({ bucket }: Call): Answer {
  return { body: cosDocument('VersioningConfiguration', { Status: bucket.versioning ?? undefined }) }
}

export async function putBucketVersioning(call: Call): Promise<Answer> {
  const { bucket } = call
  const status = childText(parseDocument(await call.document()), 'Status')
  if (status !== 'Enabled' && status !== 'Suspended') throw new CosRefusal('MalformedXML')
  bucket.versioning = status
  return {}
}
