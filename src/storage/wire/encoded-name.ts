/**
 * Names of user metadata for servers that take `_` and `-` for the same, or nothing but letters, digits and `-`: what has more goes there as
 * `sealgate-n-…`, with `--` for `-`, `-u` for `_` and `-xHH` for any other character by its code. No client can send a name that begins so.
 */
const ENCODED = 'sealgate-n-'

export interface KeptInNames {
  readonly underscores: boolean
  readonly punctuation: boolean
}

export function encodeName(name: string, { underscores, punctuation }: KeptInNames): string {
  const isPlain = (underscores || !name.includes('_')) && (punctuation || /^[a-z0-9_-]*$/.test(name))
  if (isPlain) return name
  const encoded = name.replaceAll('-', '--').replaceAll('_', '-u')
  return ENCODED + (punctuation ? encoded : encoded.replaceAll(/[^a-z0-9-]/g, byCode))
}

function byCode(character: string): string {
  return `-x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
}

export function decodeName(name: string): string {
  if (!name.startsWith(ENCODED)) return name
  return name
    .slice(ENCODED.length)
    .replaceAll(/-(?:[-u]|x([0-9a-f]{2}))/g, (pair, code: string | undefined) => {
      if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16))
      return pair === '-u' ? '_' : '-'
    })
}
