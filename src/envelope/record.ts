import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import { KEY_SIZE, NONCE_SIZE, TAG_SIZE } from './constants.ts'

/**
 * A record is AES-256-GCM under a key that seals nothing else (FORMAT.md section 2), which is why its nonce
 * may be zero: every sealing draws a fresh salt and so a fresh key (NIST SP 800-38D section 8).
 */
export function sealRecord(key: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, ZERO_NONCE, { authTagLength: TAG_SIZE })
  cipher.setAAD(aad)
  const ciphertext = cipher.update(plaintext)
  cipher.final()
  return Buffer.concat([ciphertext, cipher.getAuthTag()])
}

/** The plaintext of a sealed record, or null if its tag does not fit. */
export function openRecord(key: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Buffer | null {
  return openGcm(key, ZERO_NONCE, sealed, aad)
}

/** AES-256-GCM open of ciphertext ‖ tag; null on a bad tag, and then no plaintext is left behind. */
export function openGcm(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  aad?: Uint8Array,
): Buffer | null {
  if (sealed.length < TAG_SIZE) return null
  const end = sealed.length - TAG_SIZE
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_SIZE })
  decipher.setAuthTag(sealed.subarray(end))
  if (aad !== undefined) decipher.setAAD(aad)
  const plaintext = decipher.update(sealed.subarray(0, end))
  try {
    decipher.final()
  } catch {
    plaintext.fill(0)
    return null
  }
  return plaintext
}

/** HKDF-SHA-256 (RFC 5869), 32 bytes. */
export function deriveKey(parent: Uint8Array, salt: Uint8Array, info: string | Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', parent, salt, info, KEY_SIZE))
}

const ZERO_NONCE = Buffer.alloc(NONCE_SIZE)
