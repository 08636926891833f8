import type { BucketNameForm } from '../wire/bucket-names.ts'

/** COS has no dots in names of buckets, and 60 characters for the host that they begin ("Bucket Overview"). */
const NAME = /^[a-z0-9][a-z0-9-]*-\d+$/
const MAX_HOST_LENGTH = 60

/** @param domainOf what stands behind a bucket's name in its host */
export function cosBucketForm(domainOf: (bucket: string) => string): BucketNameForm {
  return { pattern: NAME, maxLength: (bucket) => MAX_HOST_LENGTH - `.${domainOf(bucket)}`.length }
}
