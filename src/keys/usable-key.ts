import { SealgateError } from '../errors.ts'
import { KmsError } from './kms/kms-error.ts'

const KEY_BYTES = 32
/** As long as the format has room for: FORMAT.md, sections 5 and 13. */
export const MAX_WRAPPED_BYTES = 6144
const ZERO = Buffer.alloc(KEY_BYTES)

/** Nothing is ever sealed or opened under a short or a zero key, whatever the KMS says and whatever became of a cache entry. */
export function requireUsable(key: Uint8Array): void {
  if (!isUsable(key)) throw new SealgateError('InternalError')
}

export function isUsable(key: Uint8Array): boolean {
  return key.length === KEY_BYTES && !ZERO.equals(key)
}

/** A wrapped key that fits no envelope and no record is no answer of a key service. */
export function requireWrapped({ length }: Uint8Array): void {
  if (length === 0 || length > MAX_WRAPPED_BYTES)
    throw new KmsError('protocol', 'WrappedKeyLength', `a wrapped data key of ${length} bytes`)
}

/** A copy that is its caller's own: the original may be zeroed by the next eviction. */
export function copyOfKey(key: Uint8Array): Buffer {
  requireUsable(key)
  return Buffer.from(key)
}
