/**
 * The one codec between the store's ETags and the ETags that clients see.
 *
 * A store's plain ETag looks like the MD5 of the body, and is not (it is of ciphertext): clients that compare it would
 * report corruption. So a plain 32-hex *object* ETag is shown with the suffix `-0`, which no client takes for an MD5,
 * and which is taken off again on every way in. Part ETags and `…-N` ETags pass as they are.
 */
export function toClientEtag(stored: string): string {
  return /^[0-9a-f]{32}$/.test(stored) ? `${stored}-0` : stored
}

/** The inverse of toClientEtag, for ETags that clients send in conditions. */
export function toStoredEtag(shown: string): string {
  const lower = shown.toLowerCase()
  return /^[0-9a-f]{32}-0$/.test(lower) ? lower.slice(0, 32) : lower
}
