/**
 * Bounds the memory of what has to be held whole, over all requests of a process together: a thousand clients that are slow at the
 * same time must not cost a thousand times what one costs.
 */
export class ByteBudget {
  #left: number

  constructor(bytes: number) {
    this.#left = bytes
  }

  /** False, and nothing is taken, if there is not so much left. Whoever gets true gives the same back. */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false
    this.#left -= bytes
    return true
  }

  giveBack(bytes: number): void {
    this.#left += bytes
  }
}
