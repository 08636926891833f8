/** Text of others for a terminal, whose cursor control characters would move. */
export function shown(text: string): string {
  return text.replace(
    /\p{Cc}/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** The same for text of several lines. */
export function shownLines(text: string): string {
  return text.split('\n').map(shown).join('\n')
}
