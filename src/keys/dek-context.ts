import type { EncryptionContext } from './kms/kms.ts'

/** What a DEK is made for, and is bound to by the KMS. */
export interface DekBinding {
  readonly realm: string
  /** The name that clients use. */
  readonly bucket: string
  readonly dekId: Buffer
}

/** The context of every call to a KMS about this DEK. */
export function dekContext({ realm, bucket, dekId }: DekBinding): EncryptionContext {
  return { realm, bucket, dekId: dekId.toString('hex') }
}
