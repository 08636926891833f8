/** Clients put upload ids into paths and queries, and not all of them encode: an id with other characters than these is wrapped. */
const PLAIN = /^[A-Za-z0-9._~-]{0,512}$/
const WRAPPED = 'w~'

export function shownUploadId(stored: string): string {
  const isPlain = PLAIN.test(stored) && !stored.startsWith(WRAPPED)
  return isPlain ? stored : WRAPPED + Buffer.from(stored).toString('base64url')
}

export function storedUploadId(shown: string): string {
  return shown.startsWith(WRAPPED) ? Buffer.from(shown.slice(WRAPPED.length), 'base64url').toString() : shown
}
