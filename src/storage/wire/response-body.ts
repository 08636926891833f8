import type { ObjectBody } from '../storage.ts'

/** The connection that a body comes from. */
export interface BodySource {
  pause(): void
  resume(): void
  abort(error: Error): void
}

/** As much as may wait in memory before the connection is paused. */
const HIGH_WATER_BYTES = 256 * 1024

/**
 * The bytes of an answer: pushed in by the connection, pulled out by one reader. What is not read holds the connection back; a
 * body that is destroyed before its end takes its connection with it.
 */
export class ResponseBody implements ObjectBody {
  readonly #source: BodySource
  #chunks: Buffer[] = []
  #waiting = 0
  #paused = false
  #done = false
  #failure: { readonly error: unknown } | null = null
  #wake: (() => void) | null = null

  constructor(source: BodySource) {
    this.#source = source
  }

  push(chunk: Buffer): void {
    if (this.#done) return
    this.#chunks.push(chunk)
    this.#waiting += chunk.length
    if (!this.#paused && this.#waiting >= HIGH_WATER_BYTES) {
      this.#paused = true
      this.#source.pause()
    }
    this.#wake?.()
  }

  end(): void {
    this.#done = true
    this.#wake?.()
  }

  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#done = true
    this.#wake?.()
  }

  destroy(error?: Error): void {
    if (!this.#done) {
      this.#done = true
      this.#source.abort(error ?? new Error('the body was given up'))
    }
    this.#failure ??= { error: error ?? new Error('the body was given up') }
    this.#chunks = []
    this.#wake?.()
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: () => this.#next(),
      return: async () => {
        this.destroy()
        return { done: true, value: undefined }
      },
    }
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    for (;;) {
      const chunk = this.#chunks.shift()
      if (chunk !== undefined) {
        this.#waiting -= chunk.length
        if (this.#paused && !this.#done && this.#waiting < HIGH_WATER_BYTES / 2) {
          this.#paused = false
          this.#source.resume()
        }
        return { done: false, value: chunk }
      }
      if (this.#failure !== null) throw this.#failure.error
      if (this.#done) return { done: true, value: undefined }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = null
    }
  }
}
