import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { requireLength, u8, u32 } from './bytes.ts'
import { KEY_SIZE, LABEL, MAX_PARTS, SALT_SIZE, STATE_TYPE } from './constants.ts'
import { deriveKey, sealRecord } from './record.ts'

/**
 * An OEK: the 256-bit key of one object, from which the keys of its parts and records are derived (FORMAT.md
 * section 2). It prints as `[secret]`, is zeroed by `destroy`, and throws when used afterwards.
 */
export class ObjectKey {
  #bytes: Buffer | null

  private constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** A fresh random key. */
  static generate(): ObjectKey {
    return new ObjectKey(randomBytes(KEY_SIZE))
  }

  /** A key of the given 32 bytes, which are copied: the caller may and should zero its own. */
  static from(bytes: Buffer): ObjectKey {
    requireLength('object key', bytes, KEY_SIZE)
    const own = Buffer.alloc(KEY_SIZE)
    own.set(bytes)
    return new ObjectKey(own)
  }

  /** 32 public bytes that no other key has; AES-GCM alone does not commit to its key. */
  commitment(): Buffer {
    return deriveKey(this.#use(), NO_SALT, LABEL.commitment)
  }

  /** The key of the segments of one uploaded part: number 1 to 10000 with its salt, or 0 and no salt for a single PUT. */
  partKey(partNumber: number, salt: Buffer): Buffer {
    if (!Number.isInteger(partNumber) || partNumber < 0 || partNumber > MAX_PARTS)
      throw new RangeError(`expected a part number, got ${partNumber}`)
    requireLength('part salt', salt, partNumber === 0 ? 0 : SALT_SIZE)
    return deriveKey(this.#use(), salt, Buffer.concat([Buffer.from(LABEL.part), u32(partNumber)]))
  }

  footerKey(salt: Buffer): Buffer {
    requireLength('footer salt', salt, SALT_SIZE)
    return deriveKey(this.#use(), salt, LABEL.footer)
  }

  stateKey(type: keyof typeof STATE_TYPE, salt: Buffer): Buffer {
    requireLength('record salt', salt, SALT_SIZE)
    return deriveKey(this.#use(), salt, Buffer.concat([Buffer.from(LABEL.state), u8(STATE_TYPE[type])]))
  }

  /** This key, sealed under another (the envelope's last field, 48 bytes). */
  sealUnder(key: Uint8Array, aad: Uint8Array): Buffer {
    return sealRecord(key, this.#use(), aad)
  }

  /** Zeroes the key. Safe to call twice. */
  destroy(): void {
    this.#bytes?.fill(0)
    this.#bytes = null
  }

  toJSON(): string {
    return '[secret]'
  }

  toString(): string {
    return '[secret]'
  }

  [inspect.custom](): string {
    return 'ObjectKey [secret]'
  }

  #use(): Buffer {
    if (this.#bytes === null) throw new TypeError('the object key was destroyed')
    return this.#bytes
  }
}

const NO_SALT = Buffer.alloc(0)
