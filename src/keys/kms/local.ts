import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import type { Keyring } from './keyring.ts'
import {
  canonicalContext,
  type EncryptionContext,
  type GeneratedDataKey,
  type Kms,
  lengthPrefixed,
  WrappedKeyError,
} from './kms.ts'
import { KmsError } from './kms-error.ts'

const LABEL = 'sealgate/local-kms/wrap/v1'
const SALT_BYTES = 32
const TAG_BYTES = 16
const KEY_BYTES = 32
const WRAPPED_BYTES = SALT_BYTES + KEY_BYTES + TAG_BYTES
// Every wrap has its own key (fresh salt), so a constant nonce is never used twice under one key (SP 800-38D, 8).
const NONCE = Buffer.alloc(12)

/** Wraps data keys under the keys of a keyring: salt(32) ‖ ciphertext(32) ‖ tag(16), AES-256-GCM. */
export class LocalKms implements Kms {
  readonly #keyring: Keyring

  constructor(keyring: Keyring) {
    this.#keyring = keyring
  }

  async generateDataKey(cmkId: string, context: EncryptionContext): Promise<GeneratedDataKey> {
    const plaintext = randomBytes(KEY_BYTES)
    return { plaintext, wrapped: await this.encrypt(cmkId, plaintext, context) }
  }

  async encrypt(cmkId: string, plaintext: Uint8Array, context: EncryptionContext): Promise<Buffer> {
    if (plaintext.length !== KEY_BYTES) throw new RangeError('expected a key of 32 bytes')
    const salt = randomBytes(SALT_BYTES)
    const key = this.#wrappingKey(cmkId, salt)
    const cipher = createCipheriv('aes-256-gcm', key, NONCE)
    cipher.setAAD(additionalData(cmkId, context))
    const body = Buffer.concat([cipher.update(plaintext), cipher.final()])
    key.fill(0)
    return Buffer.concat([salt, body, cipher.getAuthTag()])
  }

  async decrypt(cmkId: string, wrapped: Uint8Array, context: EncryptionContext): Promise<Buffer> {
    if (wrapped.length !== WRAPPED_BYTES) throw new WrappedKeyError('the wrapped key has the wrong length')
    const key = this.#wrappingKey(cmkId, wrapped.subarray(0, SALT_BYTES))
    const decipher = createDecipheriv('aes-256-gcm', key, NONCE, { authTagLength: TAG_BYTES })
    key.fill(0)
    decipher.setAAD(additionalData(cmkId, context))
    decipher.setAuthTag(wrapped.subarray(SALT_BYTES + KEY_BYTES))
    const plaintext = decipher.update(wrapped.subarray(SALT_BYTES, SALT_BYTES + KEY_BYTES))
    try {
      decipher.final()
    } catch {
      plaintext.fill(0)
      throw new WrappedKeyError('the wrapped key does not belong to this CMK and context')
    }
    return plaintext
  }

  #wrappingKey(cmkId: string, salt: Uint8Array): Buffer {
    const master = this.#keyring.keys.get(cmkId)
    if (master === undefined) throw new KmsError('not-found', 'NoSuchKey', `the keyring has no key ${cmkId}`)
    return Buffer.from(hkdfSync('sha256', master, salt, LABEL, KEY_BYTES))
  }
}

function additionalData(cmkId: string, context: EncryptionContext): Buffer {
  return lengthPrefixed([Buffer.from(cmkId), canonicalContext(context)])
}
