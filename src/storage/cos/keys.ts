import { SealgateError } from '../../errors.ts'

/** Where S3 has 1024. */
export const MAX_KEY_BYTES = 850

/** Of COS ("Object Overview", "Specifications and Limits"): throws for a key that no object there can have. */
export function checkKey(key: string): void {
  const bytes = Buffer.byteLength(key)
  if (bytes > MAX_KEY_BYTES)
    throw new SealgateError(
      'KeyTooLongError',
      `Your key is too long. The storage behind the gateway, Tencent COS, takes keys of at most ${MAX_KEY_BYTES} bytes.`,
      { details: { Size: String(bytes), MaxSizeAllowed: String(MAX_KEY_BYTES) } },
    )
  if (/^[/\\]/.test(key)) throw refused('begins with a slash or a backslash')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it looks for
  if (/[\u0018-\u001b]/.test(key)) throw refused('has one of the characters U+0018 to U+001B')
}

function refused(what: string): SealgateError {
  return new SealgateError(
    'InvalidURI',
    `The storage behind the gateway, Tencent COS, takes no key that ${what}.`,
  )
}
