import { randomBytes, randomUUID } from 'node:crypto'
import { isRecord } from './json.ts'

/** The master keys of the local KMS, in memory. */
export interface Keyring {
  readonly realm: string
  /** CMK id that new data keys are wrapped under. */
  readonly current: string
  readonly keys: ReadonlyMap<string, Buffer>
}

/** A keyring that must not be used; the message says why and what to do, never what it holds. */
export class KeyringError extends Error {
  override readonly name = 'KeyringError'
}

/** The text of a keyring file, as FORMAT.md section 12.1 describes it. Members that are not known are kept for the people who put them there. */
export type KeyringDocument = Record<string, unknown> & {
  readonly realm: string
  readonly current: string
  readonly keys: readonly object[]
}

export function newDocument(realm: string = randomUUID()): KeyringDocument {
  const key = newKey()
  return { version: 1, realm, current: key.id, keys: [key] }
}

/** The same keyring with one more key, which new data keys are wrapped under from now on; or, on standby, only once it is made the current one. */
export function withNewKey(
  document: KeyringDocument,
  { standby = false }: { readonly standby?: boolean | undefined } = {},
): KeyringDocument {
  const key = newKey()
  const current = standby ? document.current : key.id
  return { ...document, current, keys: [...document.keys, key] }
}

function newKey(): { id: string; created: string; key: string } {
  return {
    id: `local:${randomBytes(8).toString('hex')}`,
    created: new Date().toISOString(),
    key: randomBytes(32).toString('base64'),
  }
}

/** Checks a document and takes the keys from it; `refuse` throws. */
export function parseDocument(
  value: Record<string, unknown>,
  refuse: (why: string) => never,
): { keyring: Keyring; document: KeyringDocument } {
  const { version, realm, current, keys: list } = value
  if (version !== 1) refuse('unknown version, expected 1 or 2')
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
  const document = { ...value, realm, current, keys: list as object[] }
  return { keyring: { realm, current, keys }, document }
}

function masterKey(encoded: unknown, refuse: () => never): Buffer {
  if (typeof encoded !== 'string') return refuse()
  const key = Buffer.from(encoded, 'base64')
  if (key.length !== 32 || key.toString('base64') !== encoded) return refuse()
  if (key.every((byte) => byte === key[0])) return refuse()
  return key
}
