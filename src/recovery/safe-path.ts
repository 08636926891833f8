import { createHash } from 'node:crypto'

/** The longest name of a file that the usual file systems take, in bytes. */
const MAX_NAME_BYTES = 255
/** Below what a path may have (4096 on Linux, 1024 on macOS), with room for the directory above. */
const MAX_PATH_BYTES = { linux: 3000, other: 700 }
/**
 * An escaped slash stands in no name by itself, as a slash ends a name and a literal `%2F` becomes `%252F`: it marks names that no key
 * gives directly.
 */
const MARK = '%2F'

/**
 * A key as names of directories and a file, below any directory: no key leads out of it, and no two keys to the same place. Most keys are
 * taken as they are. `%XX` stands for control characters, for `.` and `..`, for `%` in front of two hexadecimal digits, and, on Windows, for
 * what it does not allow; `%2F` for an empty name, as in `a//b`; a name that is too long ends in a hash, and a path that is too long is one.
 */
export function namesOf(key: string, platform: string = process.platform): readonly string[] {
  const names = key.split('/').map((name) => nameOf(name, platform))
  const limit = platform === 'linux' ? MAX_PATH_BYTES.linux : MAX_PATH_BYTES.other
  return Buffer.byteLength(names.join('/')) <= limit
    ? names
    : [withHash(names.join('/').replaceAll('/', MARK))]
}

/** Another name for what cannot have its own, as something else is in the way. */
export function asideOf(name: string): string {
  return withHash(name)
}

function nameOf(name: string, platform: string): string {
  if (name === '') return MARK
  if (name === '.' || name === '..') return name.replaceAll('.', '%2E')
  const plain = name.replace(/%(?=[0-9A-Fa-f]{2})/g, '%25').replace(CONTROL, escaped)
  return shortened(platform === 'win32' ? forWindows(plain) : plain)
}

/** C0 and C1 controls and DEL, as characters: their UTF-8 bytes are escaped. */
const CONTROL = /\p{Cc}/gu

/** Naming Files, Paths, and Namespaces: reserved characters, device names, and blanks or dots at the end. */
function forWindows(name: string): string {
  return name
    .replace(/[<>:"\\|?*]/g, escaped)
    .replace(/[. ]$/, escaped)
    .replace(/^(?=(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$))./i, escaped)
}

function escaped(character: string): string {
  return Array.from(Buffer.from(character, 'utf8'), (byte) => {
    return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }).join('')
}

function shortened(name: string): string {
  return Buffer.byteLength(name) <= MAX_NAME_BYTES ? name : withHash(name)
}

/** The hash tells apart what has the same beginning, or what a disk takes for the same. */
function withHash(name: string): string {
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 32)
  const room = MAX_NAME_BYTES - MARK.length - hash.length
  let kept = ''
  for (const character of name) {
    if (Buffer.byteLength(kept + character) > room) break
    kept += character
  }
  return `${kept}${MARK}${hash}`
}
