import { bucketPattern } from './bucket-pattern.ts'
import type { OpenedKms } from './open-kms.ts'

/** What the configuration says of the keys of some buckets. */
export interface KeyRule {
  /** Bucket name; `*` stands for any characters. */
  readonly match: string
  readonly cmk: string
  readonly retired: readonly string[]
}

/** The CMK that encrypts a bucket's new objects, and those that its objects may be sealed under besides. */
export interface BucketCmks {
  readonly cmk: string
  readonly retired: readonly string[]
}

export type KeyPolicy = (bucket: string) => BucketCmks

/** The allow-list of a bucket comes from configuration or, without a rule, from the key service; never from objects. */
export async function keyPolicy(rules: readonly KeyRule[], kms: OpenedKms): Promise<KeyPolicy> {
  const resolved = await Promise.all(
    rules.map(async ({ match, cmk, retired }) => ({
      matches: bucketPattern(match),
      cmk: await kms.resolve(cmk),
      retired: await Promise.all(retired.map((name) => kms.resolve(name))),
    })),
  )
  const fallback = { cmk: kms.current, retired: kms.others }
  return (bucket) => resolved.find(({ matches }) => matches(bucket)) ?? fallback
}
