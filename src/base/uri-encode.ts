/** RFC 3986: everything but the unreserved characters, as bytes of UTF-8. What Signature Version 4 signs is written so. */
export function uriEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
