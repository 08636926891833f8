/**
 * Without the blanks and tabs at both ends: optional white space of RFC 9110 section 5.6.3. String.trim would also take U+00A0,
 * a legal byte of a field; and a pattern like /[ \t]+$/ tries again at each blank of every run inside, which in one header field
 * of 30 KB holds up everybody for seconds.
 */
export function trimBlanks(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text, start)) start++
  while (end > start && isBlank(text, end - 1)) end--
  return text.slice(start, end)
}

function isBlank(text: string, index: number): boolean {
  const code = text.charCodeAt(index)
  return code === 0x20 || code === 0x09
}
