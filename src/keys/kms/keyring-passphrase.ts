/** Keyrings that a passphrase protects (FORMAT.md section 12.2). */
import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto'
import { isRecord } from './json.ts'

/** 128 MiB and some tenths of a second for each guess (RFC 7914; OWASP's figure for N with r = 8, p = 1). */
const N = 2 ** 17
/** 256 MiB: more than we ever write, and little enough for a gateway with a memory limit to refuse a file by its tag. */
const MAX_N = 2 ** 18
const R = 8
const P = 1
const SALT_BYTES = 32
const TAG_BYTES = 16
// The key is of a fresh salt for every sealing, so a constant nonce is never used twice under one key.
const NONCE = Buffer.alloc(12)
const AAD = Buffer.from('sealgate/keyring/v2')
const MIN_LENGTH = 15
const MIN_DIFFERENT = 8

/** What makes this passphrase one that must not protect keys; null if nothing does. */
export function weakness(passphrase: string): string | null {
  const characters = [...passphrase]
  if (characters.length < MIN_LENGTH)
    return `it has ${characters.length} characters, and at least ${MIN_LENGTH} are needed; five random words will do`
  if (new Set(characters).size < MIN_DIFFERENT)
    return `it has fewer than ${MIN_DIFFERENT} different characters; five random words will do`
  return null
}

export interface SealedKeyring {
  readonly version: 2
  readonly scrypt: { readonly N: number; readonly r: number; readonly p: number; readonly salt: string }
  readonly sealed: string
}

export function sealKeyring(text: string, passphrase: string): SealedKeyring {
  const salt = randomBytes(SALT_BYTES)
  const key = derive(passphrase, salt, N)
  const cipher = createCipheriv('aes-256-gcm', key, NONCE)
  key.fill(0)
  cipher.setAAD(AAD)
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return {
    version: 2,
    scrypt: { N, r: R, p: P, salt: salt.toString('base64') },
    sealed: sealed.toString('base64'),
  }
}

/** Null if this passphrase does not open it, or it was altered. @throws RangeError for what no keyring of ours is */
export function openSealed(value: Record<string, unknown>, passphrase: string): string | null {
  const { scrypt, sealed: encoded } = value
  if (!isRecord(scrypt) || typeof encoded !== 'string') throw new RangeError('scrypt or sealed is missing')
  const { N: cost, r, p, salt: text } = scrypt
  // Less would be weak, and more a file that takes all memory before its tag is looked at.
  if (typeof cost !== 'number' || cost < N || cost > MAX_N || !Number.isInteger(Math.log2(cost)))
    throw new RangeError(`scrypt.N must be a power of two from ${N} to ${MAX_N}`)
  if (r !== R || p !== P) throw new RangeError(`scrypt.r must be ${R}, and scrypt.p ${P}`)
  const [salt, sealed] = [
    Buffer.from(typeof text === 'string' ? text : '', 'base64'),
    Buffer.from(encoded, 'base64'),
  ]
  if (salt.length !== SALT_BYTES || sealed.length <= TAG_BYTES)
    throw new RangeError('scrypt.salt or sealed has the wrong length')
  const key = derive(passphrase, salt, cost)
  const decipher = createDecipheriv('aes-256-gcm', key, NONCE, { authTagLength: TAG_BYTES })
  key.fill(0)
  decipher.setAAD(AAD)
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
  const plaintext = decipher.update(sealed.subarray(0, -TAG_BYTES))
  try {
    decipher.final()
    return plaintext.toString('utf8')
  } catch {
    return null
  } finally {
    plaintext.fill(0)
  }
}

function derive(passphrase: string, salt: Buffer, cost: number): Buffer {
  const maxmem = 128 * R * (cost + P + 2)
  return scryptSync(Buffer.from(passphrase, 'utf8'), salt, 32, { N: cost, r: R, p: P, maxmem })
}
