import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { jsonObject } from './json.ts'
import {
  type Keyring,
  type KeyringDocument,
  KeyringError,
  newDocument,
  parseDocument,
  withNewKey,
} from './keyring.ts'
import { openSealed, sealKeyring, weakness } from './keyring-passphrase.ts'

/** Where a passphrase is to be had. */
export type Passphrase = { readonly value: string } | { readonly file: string }

export interface NewKeyring {
  /** The keyring is protected by it. */
  readonly passphrase?: Passphrase | null
  readonly realm?: string | undefined
}

/** Makes a keyring file with one fresh key, mode 0600. Throws EEXIST rather than replace a file. */
export function createKeyring(path: string, { passphrase = null, realm }: NewKeyring = {}): Keyring {
  const text = encode(path, newDocument(realm), passphrase === null ? null : secretOf(passphrase))
  write(path, text)
  syncDirectory(dirname(path))
  return loadKeyring(path, passphrase)
}

/** Reads and checks a keyring file; throws KeyringError, or the system's error when it cannot be read. */
export function loadKeyring(path: string, passphrase: Passphrase | null = null): Keyring {
  return read(path, passphrase).keyring
}

export interface AddKeyOptions {
  readonly passphrase?: Passphrase | null
  /** Leaves the current key the current one, so that every gateway can load the new one before anything is wrapped under it. Default false. */
  readonly standby?: boolean | undefined
}

/** Adds a fresh key, the last one of the result, which whoever loads the file from now on wraps new data keys under; the others stay for what they have wrapped. */
export function addKey(path: string, { passphrase = null, standby }: AddKeyOptions = {}): Keyring {
  return edit(path, passphrase, ({ document }) => withNewKey(document, { standby }))
}

/** Has new data keys wrapped under this key of the file by whoever loads it from now on. */
export function makeCurrent(path: string, id: string, passphrase: Passphrase | null = null): Keyring {
  return edit(path, passphrase, ({ document, keyring: { keys } }) => {
    if (keys.has(id)) return { ...document, current: id }
    throw new KeyringError(`keyring ${path}: it has no key ${id}; it has ${[...keys.keys()].join(', ')}`)
  })
}

/** Takes a key out of the file that nothing is wrapped under any more; never the current one. */
export function removeKey(path: string, id: string, passphrase: Passphrase | null = null): Keyring {
  return edit(path, passphrase, ({ document, keyring: { keys, current } }) => {
    if (!keys.has(id))
      throw new KeyringError(`keyring ${path}: it has no key ${id}; it has ${[...keys.keys()].join(', ')}`)
    if (id === current)
      throw new KeyringError(
        `keyring ${path}: ${id} is its current key and stays; make another one current first (--make-current)`,
      )
    return { ...document, keys: document.keys.filter((key) => !('id' in key) || key.id !== id) }
  })
}

/** Puts a keyring under a passphrase, or under another one than `former`. */
export function protectKeyring(
  path: string,
  passphrase: Passphrase,
  former: Passphrase | null = null,
): Keyring {
  const change = () => encode(path, read(path, former).document, secretOf(passphrase))
  return replace(path, change, passphrase)
}

function edit(
  path: string,
  passphrase: Passphrase | null,
  edited: (contents: Contents) => KeyringDocument,
): Keyring {
  const change = () =>
    encode(path, edited(read(path, passphrase)), passphrase === null ? null : secretOf(passphrase))
  return replace(path, change, passphrase)
}

interface Contents {
  readonly keyring: Keyring
  readonly document: KeyringDocument
}

function read(path: string, passphrase: Passphrase | null): Contents {
  const refuse = refuserOf(path)
  const outer = parseJson(readPrivate(path, refuse, { isFile: true }), refuse)
  if (outer['version'] !== 2) {
    if (passphrase !== null)
      refuse(
        `a passphrase is configured, but it is not protected by one; run: sealgate keygen ${path} --protect`,
      )
    return parseDocument(outer, refuse)
  }
  if (passphrase === null)
    return refuse(
      'it is protected by a passphrase; name that by kms.passphraseFile / SEALGATE_KEYRING_PASSPHRASE_FILE or SEALGATE_KEYRING_PASSPHRASE',
    )
  return parseDocument(parseJson(unsealed(outer, secretOf(passphrase), refuse), refuse), refuse)
}

function unsealed(outer: Record<string, unknown>, secret: string, refuse: (why: string) => never): string {
  let text: string | null
  try {
    text = openSealed(outer, secret)
  } catch (error) {
    if (error instanceof RangeError) return refuse(error.message)
    throw error
  }
  return text ?? refuse('the passphrase does not open it')
}

function encode(path: string, document: KeyringDocument, secret: string | null): string {
  const clear = JSON.stringify(document, null, 2)
  if (secret === null) return `${clear}\n`
  const weak = weakness(secret)
  if (weak !== null) throw new KeyringError(`keyring ${path}: the passphrase is too weak: ${weak}`)
  return `${JSON.stringify(sealKeyring(clear, secret), null, 2)}\n`
}

function secretOf(passphrase: Passphrase): string {
  if ('value' in passphrase) return passphrase.value
  const refuse = (why: string): never => {
    throw new KeyringError(`passphrase file ${passphrase.file}: ${why}`)
  }
  const line = readPrivate(passphrase.file, refuse).replace(/\r?\n$/, '')
  return line === '' || /[\r\n]/.test(line) ? refuse('it must hold one line, the passphrase') : line
}

/** The file is at every moment the old one or the new one, and whole; two who change it do not lose the key of one of them. */
function replace(path: string, change: () => string, passphrase: Passphrase | null): Keyring {
  const target = realpathSync(path)
  const next = `${target}.new`
  const file = openNext(path, next)
  try {
    const text = change()
    const { uid, gid } = ownerOf(target)
    writeFileSync(file, text)
    fchownSync(file, uid, gid)
    fsyncSync(file)
  } catch (error) {
    rmSync(next, { force: true })
    throw error
  } finally {
    closeSync(file)
  }
  renameSync(next, target)
  syncDirectory(dirname(target))
  return loadKeyring(path, passphrase)
}

function openNext(path: string, next: string): number {
  try {
    return openSync(next, 'wx', 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    throw new KeyringError(
      `keyring ${path}: it is being changed by somebody else; if nobody does, remove ${next} and try again`,
    )
  }
}

function ownerOf(path: string): { uid: number; gid: number } {
  const file = openSync(path, 'r')
  try {
    return fstatSync(file)
  } finally {
    closeSync(file)
  }
}

/** The file has its name only once all of it is on the disk: half a keyring would be in the way of a whole one. */
function write(path: string, text: string): void {
  const temporary = `${path}.${randomBytes(8).toString('hex')}.new`
  try {
    writeNew(temporary, text)
    // Unlike a renamed file, a link takes nobody's place.
    linkSync(temporary, path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Some file systems have no links.
    if (code !== undefined && NO_LINKS.includes(code)) writeNew(path, text)
    else throw Object.assign(error as Error, { path })
  } finally {
    rmSync(temporary, { force: true })
  }
}

const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']

function writeNew(path: string, text: string): void {
  const file = openSync(path, 'wx', 0o600)
  try {
    writeFileSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** Data must never be sealed under a key whose file a power cut could still take away. */
function syncDirectory(path: string): void {
  const directory = openSync(path, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}

function refuserOf(path: string): (why: string) => never {
  return (why) => {
    throw new KeyringError(`keyring ${path}: ${why}`)
  }
}

/** @param isFile false for what may come through a pipe */
function readPrivate(path: string, refuse: (why: string) => never, { isFile = false } = {}): string {
  // A pipe to which nobody writes would be waited for.
  const file = openSync(path, isFile ? constants.O_RDONLY | constants.O_NONBLOCK : constants.O_RDONLY)
  try {
    // Looked at through the open file, so that it cannot be swapped between the check and the read.
    const found = fstatSync(file)
    if (found.isDirectory()) refuse(`it is a directory; name the file in it`)
    if (isFile && !found.isFile()) refuse('it is no regular file')
    if ((found.mode & 0o077) !== 0) refuse(`others can read it; run: chmod 600 ${path}`)
    return readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}

function parseJson(text: string, refuse: (why: string) => never): Record<string, unknown> {
  return jsonObject(text) ?? refuse('it is not a JSON object; restore it from a backup')
}
