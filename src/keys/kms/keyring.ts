import { randomBytes, randomUUID } from 'node:crypto'
import { closeSync, fstatSync, fsyncSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** The master keys of the local KMS, in memory. */
export interface Keyring {
  readonly realm: string
  /** CMK id that new buckets use. */
  readonly current: string
  readonly keys: ReadonlyMap<string, Buffer>
}

/** A keyring file that must not be used; the message says why and what to do, never what it holds. */
export class KeyringError extends Error {
  override readonly name = 'KeyringError'
}

/** Makes a keyring file with one fresh key, mode 0600. Rejects with EEXIST rather than replace a file. */
export function createKeyring(path: string): Keyring {
  const id = `local:${randomBytes(8).toString('hex')}`
  const key = { id, created: new Date().toISOString(), key: randomBytes(32).toString('base64') }
  const file = openSync(path, 'wx', 0o600)
  try {
    writeFileSync(
      file,
      `${JSON.stringify({ version: 1, realm: randomUUID(), current: id, keys: [key] }, null, 2)}\n`,
    )
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  syncDirectory(dirname(path))
  return loadKeyring(path)
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

/** Reads and checks a keyring file; throws KeyringError, or the system's error when it cannot be read. */
export function loadKeyring(path: string): Keyring {
  const refuse = (why: string): never => {
    throw new KeyringError(`keyring ${path}: ${why}`)
  }
  const parsed = parse(readPrivate(path, refuse), refuse)
  const { version, realm, current, keys: list } = parsed
  if (version !== 1) refuse('unknown version, expected 1')
  if (typeof realm !== 'string' || realm === '') return refuse('realm is missing')
  if (!Array.isArray(list) || list.length === 0) return refuse('it holds no keys')
  const keys = new Map<string, Buffer>()
  for (const entry of list as unknown[]) {
    const { id, key } = isRecord(entry) ? entry : {}
    if (typeof id !== 'string' || !/^local:[0-9a-f]{16}$/.test(id)) return refuse('a key id is malformed')
    if (keys.has(id)) refuse(`key id ${id} appears twice`)
    keys.set(
      id,
      masterKey(key, () => refuse(`key ${id} is not 32 random bytes in base64`)),
    )
  }
  if (typeof current !== 'string' || !keys.has(current)) return refuse('current names no key of the file')
  return { realm, current, keys }
}

function readPrivate(path: string, refuse: (why: string) => never): string {
  const file = openSync(path, 'r')
  try {
    // Looked at through the open file, so that it cannot be swapped between the check and the read.
    if ((fstatSync(file).mode & 0o077) !== 0) refuse(`others can read it; run: chmod 600 ${path}`)
    return readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}

function parse(text: string, refuse: (why: string) => never): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // JSON.parse quotes the text in its message, and the text is the keys.
    return refuse('it is not valid JSON; restore it from a backup')
  }
  return isRecord(value) ? value : refuse('it is not a JSON object')
}

function masterKey(encoded: unknown, refuse: () => never): Buffer {
  if (typeof encoded !== 'string') return refuse()
  const key = Buffer.from(encoded, 'base64')
  if (key.length !== 32 || key.toString('base64') !== encoded) return refuse()
  if (key.every((byte) => byte === key[0])) return refuse()
  return key
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
