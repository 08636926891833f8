import { createHash } from 'node:crypto'

/** Pages without anything on them, one after the other, that a list may have. */
const MAX_EMPTY_PAGES = 100
/** Of 1000 entries each: more than any bucket has of what is read whole. */
const MAX_PAGES = 100_000

/**
 * Where the pages of a list have ended so far. A store can make a list endless, by coming back to where it was or by pages of nothing. Not all
 * stores list in the order of names, so that going backwards says nothing.
 */
export class ListMarkers {
  readonly #seen = new Set<string>()
  #emptyPages = 0

  /** @param id where one name has several entries */
  constructor(name: string, id = '') {
    this.#seen.add(shortened(name, id))
  }

  /** Whether a page of so many entries that ends there leads on. */
  leadOn(entries: number, name: string, id = ''): boolean {
    this.#emptyPages = entries === 0 ? this.#emptyPages + 1 : 0
    const marker = shortened(name, id)
    if (this.#emptyPages > MAX_EMPTY_PAGES || this.#seen.has(marker) || this.#seen.size >= MAX_PAGES)
      return false
    this.#seen.add(marker)
    return true
  }
}

/** A store's names may have any length. */
function shortened(name: string, id: string): string {
  return createHash('sha256').update(`${name}\0${id}`).digest('base64')
}
