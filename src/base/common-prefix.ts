/** What a list is folded by; without a delimiter it is not. */
export interface Folding {
  readonly prefix: string
  readonly delimiter: string
}

/** What a list shows in the place of a name behind its prefix: the name up to the first delimiter there, with it; null if the name itself. */
export function commonPrefixOf(name: string, { prefix, delimiter }: Folding): string | null {
  const at = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length)
  return at < 0 ? null : name.slice(0, at + delimiter.length)
}

/** Whether a list folds names into exactly this one. */
export function isCommonPrefix(name: string, folding: Folding): boolean {
  return name.startsWith(folding.prefix) && commonPrefixOf(name, folding) === name
}
