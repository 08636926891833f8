/**
 * Names of user metadata for servers that take `_` and `-` for the same: what has a `_` goes there as `sealgate-n-…`, with `--` for `-`
 * and `-u` for `_`. No client can send a name that begins so.
 */
const ENCODED = 'sealgate-n-'

export function encodeName(name: string): string {
  return name.includes('_') ? ENCODED + name.replaceAll('-', '--').replaceAll('_', '-u') : name
}

export function decodeName(name: string): string {
  if (!name.startsWith(ENCODED)) return name
  return name.slice(ENCODED.length).replaceAll(/-[-u]/g, (pair) => (pair === '-u' ? '_' : '-'))
}
