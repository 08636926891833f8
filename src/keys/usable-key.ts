import { SealgateError } from '../errors.ts'

const KEY_BYTES = 32
const ZERO = Buffer.alloc(KEY_BYTES)

/** Nothing is ever sealed or opened under a short or a zero key, whatever the KMS says and whatever became of a cache entry. */
export function requireUsable(key: Uint8Array): void {
  if (key.length !== KEY_BYTES || ZERO.equals(key)) throw new SealgateError('InternalError')
}

/** A copy that is its caller's own: the original may be zeroed by the next eviction. */
export function copyOfKey(key: Uint8Array): Buffer {
  requireUsable(key)
  return Buffer.from(key)
}
