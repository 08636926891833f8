import { bucketPattern } from './bucket-pattern.ts'
import { ownId, parseCmkName, providerOf } from './kms/cmk-id.ts'
import { KeySetupError } from './kms/key-setup-error.ts'
import type { OpenedKms } from './open-kms.ts'

/** What the configuration says of the keys of some buckets. */
export interface KeyRule {
  /** Bucket name; `*` stands for any characters. */
  readonly match: string
  /** A canonical id, or a name: `PROVIDER:NAME`, or `NAME` of the default provider. */
  readonly cmk: string
  readonly retired: readonly string[]
}

export interface BucketCmks {
  /** The CMK of new objects. */
  readonly cmk: string
  /** The CMKs that objects may be sealed under besides. */
  readonly retired: readonly string[]
  /** What clients may call the CMK besides its id. */
  readonly names?: readonly string[]
}

export type KeyPolicy = (bucket: string) => BucketCmks

/**
 * The allow-list of a bucket comes from configuration or, without a rule, from the default key service; never from objects.
 * @throws KeySetupError, KmsError: a name stands for no CMK, or its service cannot be asked
 */
export async function keyPolicy(rules: readonly KeyRule[], kms: OpenedKms): Promise<KeyPolicy> {
  const asked = new Map<string, Promise<string>>()
  const resolve = (name: string): Promise<string> => {
    const known = asked.get(name) ?? kms.resolve(name)
    asked.set(name, known)
    return known
  }
  const settled = await Promise.allSettled(
    rules.map(async (rule) => ({
      matches: bucketPattern(rule.match),
      keys: await keysOf(rule, kms, resolve),
    })),
  )
  const failures = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []))
  const mistakes = failures.filter((failure) => failure instanceof KeySetupError)
  // All that the configuration has wrong at once.
  if (mistakes.length > 0) throw new KeySetupError(mistakes.map(({ message }) => message).join('\n'))
  if (failures.length > 0) throw failures[0]
  const resolved = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const fallback: BucketCmks = {
    cmk: kms.current,
    retired: kms.others,
    names: namesOf(kms.currentName, kms.current),
  }
  return (bucket) => resolved.find(({ matches }) => matches(bucket))?.keys ?? fallback
}

/** Whether objects of the bucket may be sealed under this CMK. */
export function allowsCmk({ cmk, retired }: BucketCmks, cmkId: string): boolean {
  return cmkId === cmk || retired.includes(cmkId)
}

/** True if a client that says this means the bucket's CMK. */
export function meansCmk(keys: BucketCmks, keyId: string): boolean {
  return keyId === keys.cmk || (keys.names ?? []).includes(keyId)
}

async function keysOf(
  { match, cmk, retired }: KeyRule,
  kms: OpenedKms,
  resolve: (name: string) => Promise<string>,
): Promise<BucketCmks> {
  // A retired CMK and its service may be gone for good: an id needs nobody to say what it stands for.
  const former = (name: string) => (providerOf(name) === null ? resolve(name) : name)
  try {
    const id = await resolve(cmk)
    const names = namesOf(parseCmkName(cmk, kms.provider).name, id)
    return { cmk: id, names, retired: await Promise.all(retired.map(former)) }
  } catch (error) {
    if (!(error instanceof KeySetupError)) throw error
    throw new KeySetupError(`buckets, the rule for ${match}: ${error.message}`)
  }
}

function namesOf(configured: string, id: string): string[] {
  const provider = providerOf(id)
  const own = provider === null ? null : ownId(provider, id)
  return [configured, `${provider}:${configured}`, ...(own === null ? [] : [own])]
}
