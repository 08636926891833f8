import { prefixed } from './bytes.ts'
import type { Binding } from './envelope.ts'

/** The upload that a state record belongs to; part of what the record authenticates. */
export interface UploadRef extends Binding {
  readonly uploadId: string
}

/** `ref` of FORMAT.md section 9. */
export function refAad(ref: UploadRef): Buffer {
  return prefixed(ref.realm, ref.bucket, ref.key, ref.uploadId)
}
