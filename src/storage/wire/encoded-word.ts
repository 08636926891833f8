/**
 * Header values as encoded words (RFC 2047): what is not plain ASCII goes to the store as `=?UTF-8?B?…?=`. Servers treat other
 * bytes each in their own way (some give them back as encoded words of their own making), and these as what they are. A value that
 * looks like an encoded word is wrapped as well, so that what comes back is always what was given. Values are latin1, one character
 * a byte.
 */
const FORM = /^=\?UTF-8\?B\?([A-Za-z0-9+/]*={0,2})\?=$/

export function encodeValue(value: string): string {
  const isPlain = /^[\x20-\x7e]*$/.test(value) && !value.startsWith('=?')
  return isPlain ? value : `=?UTF-8?B?${Buffer.from(value, 'latin1').toString('base64')}?=`
}

export function decodeValue(value: string): string {
  const [, encoded] = FORM.exec(value) ?? []
  return encoded === undefined ? value : Buffer.from(encoded, 'base64').toString('latin1')
}
