/** RFC 3986: everything but the unreserved characters, as bytes of UTF-8. What Signature Version 4 signs is written so. */
export function uriEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** A key, or bucket and key, as they stand in a path and in x-amz-copy-source. */
export function encodePath(text: string): string {
  return text.split('/').map(uriEncode).join('/')
}
