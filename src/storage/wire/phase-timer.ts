/** One timer for the phases of an exchange, each with a limit of its own. */
export class PhaseTimer {
  readonly #onExpire: (phase: string) => void
  #timer: NodeJS.Timeout | undefined
  #phase = ''
  #limitMs = 0
  #ended = false

  constructor(onExpire: (phase: string) => void) {
    this.#onExpire = onExpire
  }

  start(phase: string, limitMs: number): void {
    if (this.#ended) return
    if (this.#timer !== undefined && this.#phase === phase && this.#limitMs === limitMs) {
      this.#timer.refresh()
      return
    }
    clearTimeout(this.#timer)
    this.#phase = phase
    this.#limitMs = limitMs
    this.#timer = setTimeout(() => this.#onExpire(`${phase} for ${limitMs} ms`), limitMs)
  }

  refresh(): void {
    this.#timer?.refresh()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** For good: what still comes of the exchange starts no phase. */
  end(): void {
    this.stop()
    this.#ended = true
  }
}
