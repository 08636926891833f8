import { randomBytes, timingSafeEqual } from 'node:crypto'
import { dekContext } from './dek-context.ts'
import type { Kms } from './kms/kms.ts'
import { KmsError } from './kms/kms-error.ts'
import { type DataKeySource, newDataKey } from './new-data-key.ts'
import { isUsable } from './usable-key.ts'

export interface KeyTrial {
  readonly kms: Kms
  readonly cmkId: string
  readonly realm: string
  readonly bucket: string
  /** As for data keys that are used. */
  readonly source: DataKeySource
}

/**
 * Makes a data key under a CMK as for a bucket, has it unwrapped again, and throws both away: what a gateway needs of the service works. Rejects with
 * KmsError or WrappedKeyError if it does not.
 */
export async function tryKey({ kms, cmkId, realm, bucket, source }: KeyTrial): Promise<void> {
  const context = dekContext({ realm, bucket, dekId: randomBytes(16) })
  const { plaintext, wrapped } = await newDataKey(kms, source, cmkId, context)
  let unwrapped: Buffer | undefined
  try {
    if (!isUsable(plaintext)) throw new KmsError('protocol', 'NoKey', 'the service made a key that is none')
    unwrapped = await kms.decrypt(cmkId, wrapped, context)
    if (unwrapped.length !== plaintext.length || !timingSafeEqual(plaintext, unwrapped))
      throw new KmsError(
        'protocol',
        'OtherKey',
        'the service gave another key back than the one it had wrapped',
      )
  } finally {
    plaintext.fill(0)
    unwrapped?.fill(0)
  }
}
