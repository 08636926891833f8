import { dekContext } from './dek-context.ts'
import type { BucketCmks } from './key-policy.ts'
import type { DekName, KeyRing } from './key-ring.ts'
import { isDekOf, type RingRecord } from './key-ring-record.ts'
import { type Kms, WrappedKeyError } from './kms/kms.ts'
import { KmsError } from './kms/kms-error.ts'

/** The DEK of a record; WrappedKeyError if the record is not what the KMS wrapped, or its commitment is to another DEK. */
export async function openRecord(kms: Kms, record: RingRecord): Promise<Buffer> {
  const dek = await kms.decrypt(record.cmkId, record.wrapped, dekContext(record))
  if (isDekOf(record, dek)) return dek
  dek.fill(0)
  throw new WrappedKeyError('the data key is not the one that its record in the key ring was made for')
}

/** Records under an allowed CMK, in the order to try them: the bucket's current CMK before retired ones, newest before older ones. */
export function inOrder(records: readonly RingRecord[], { cmk, retired }: BucketCmks): readonly RingRecord[] {
  const under = (allowed: (id: string) => boolean) => records.filter(({ cmkId }) => allowed(cmkId))
  return [...under((id) => id === cmk), ...under((id) => id !== cmk && retired.includes(id))]
}

export interface OpenRetiredOptions {
  readonly kms: Kms
  readonly ring: KeyRing
  readonly cmks: BucketCmks
  /** Called before every call to the KMS but the first; throws when there were too many. */
  readonly permit: () => void
}

/**
 * The DEK of an envelope whose CMK is retired: from the ring if it can be, and else as the envelope itself has it. So the retired CMK may
 * be gone once `rewrap` has run. A record that opens and matches its commitment gives the same DEK whichever it is; the order
 * is a matter of calls.
 */
export async function openRetired(
  envelope: DekName & { readonly cmkId: string; readonly wrapped: Buffer },
  { kms, ring, cmks, permit }: OpenRetiredOptions,
): Promise<Buffer> {
  const failures: unknown[] = []
  let calls = 0
  const attempt = async (open: () => Promise<Buffer>): Promise<Buffer | null> => {
    if (calls++ > 0) permit()
    return open().catch((error: unknown) => {
      failures.push(error)
      return null
    })
  }
  // Without an answer from the store the envelope may still open by itself.
  const found = await ring.generations(envelope).catch((error: unknown) => {
    failures.push(error)
    return []
  })
  for (const record of inOrder(
    found.map((generation) => generation.record),
    cmks,
  )) {
    if (record.cmkId === envelope.cmkId && record.wrapped.equals(envelope.wrapped)) continue
    const dek = await attempt(() => openRecord(kms, record))
    if (dek !== null) return dek
  }
  const context = dekContext({ realm: ring.realm, ...envelope })
  const dek = await attempt(() => kms.decrypt(envelope.cmkId, envelope.wrapped, context))
  if (dek !== null) return dek
  throw failures.toSorted((a, b) => finality(a) - finality(b))[0]
}

/** What passes is said before what lasts, or the refusal would be remembered. */
function finality(error: unknown): number {
  if (error instanceof WrappedKeyError) return 3
  if (!(error instanceof KmsError)) return 1
  return error.passing ? 0 : 2
}
