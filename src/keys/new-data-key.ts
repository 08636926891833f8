import { randomBytes } from 'node:crypto'
import type { EncryptionContext, GeneratedDataKey, Kms } from './kms/kms.ts'

/** Who makes data keys: the key service, or this process, which has them wrapped. */
export type DataKeySource = 'kms' | 'local'

/** A data key as the service gives it; whoever uses it looks at it first. */
export async function newDataKey(
  kms: Kms,
  source: DataKeySource,
  cmkId: string,
  context: EncryptionContext,
): Promise<GeneratedDataKey> {
  if (source === 'kms') return kms.generateDataKey(cmkId, context)
  const plaintext = randomBytes(32)
  return { plaintext, wrapped: await kms.encrypt(cmkId, plaintext, context) }
}
