/** What every call to a KMS is bound to; unwrapping under another context must fail. */
export type EncryptionContext = Readonly<Record<string, string>>

/**
 * A source of data keys: 32-byte keys, wrapped under a customer master key (CMK) that never leaves it. CMKs go by their canonical ids
 * (cmk-id.ts). Rejects with WrappedKeyError or KmsError, and answers no key that is not of 32 bytes and under the CMK that was asked.
 */
export interface Kms {
  generateDataKey(cmkId: string, context: EncryptionContext): Promise<GeneratedDataKey>
  /** Wraps a key that was made here. */
  encrypt(cmkId: string, plaintext: Uint8Array, context: EncryptionContext): Promise<Buffer>
  /** WrappedKeyError when the wrapped bytes do not belong to this CMK and context; the CMK is never taken from them. */
  decrypt(cmkId: string, wrapped: Uint8Array, context: EncryptionContext): Promise<Buffer>
}

/** An optional power: a wrapped key goes from one CMK to another inside the service, and its plaintext never leaves it. */
export interface ReEncryptingKms extends Kms {
  /** False if one call cannot reach both. */
  canReEncrypt(from: string, to: string): boolean
  /** The same key under `to` and the same context. WrappedKeyError when the wrapped bytes do not belong to `from` and the context. */
  reEncrypt(wrapped: Uint8Array, from: string, to: string, context: EncryptionContext): Promise<Buffer>
}

export function isReEncrypting(kms: Kms): kms is ReEncryptingKms {
  return 'reEncrypt' in kms
}

export interface GeneratedDataKey {
  readonly plaintext: Buffer
  readonly wrapped: Buffer
}

/** The wrapped bytes are not what this CMK wrapped under this context: no retry will help. */
export class WrappedKeyError extends Error {
  override readonly name = 'WrappedKeyError'
}

/** One byte string for one context: pairs sorted by name, each part behind its 32-bit length. */
export function canonicalContext(context: EncryptionContext): Buffer {
  const names = Object.keys(context).sort()
  return lengthPrefixed(names.flatMap((name) => [Buffer.from(name), Buffer.from(context[name] ?? '')]))
}

export function lengthPrefixed(parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      const length = Buffer.alloc(4)
      length.writeUInt32BE(part.length)
      return [length, part]
    }),
  )
}
