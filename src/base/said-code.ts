/** A code as services have them, in words: none of them is long enough for a key. */
const CODE = /^[A-Z][A-Za-z]{0,39}(\.[A-Z][A-Za-z]{0,39}){0,2}$/

/** A service's code for people; `Unknown` for what is none. */
export function saidCode(code: unknown): string {
  return typeof code === 'string' && CODE.test(code) ? code : 'Unknown'
}
