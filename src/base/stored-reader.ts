/** Stored bytes on their way to a reader. `release` takes a whole chunk back that the reader will not look at again: it may be filled anew. */
export interface ReleasableBytes extends AsyncIterable<Uint8Array> {
  release?(chunk: Uint8Array): void
}

/**
 * Hands out a stream of bytes in runs of known lengths, without copying. A chunk of the source goes back to it once every
 * piece that was cut from it has been released; a reader that keeps its pieces keeps the chunk.
 */
export class StoredReader {
  readonly #body: ReleasableBytes
  readonly #source: AsyncIterator<Uint8Array>
  #whole: Uint8Array = new Uint8Array(0)
  #rest: Uint8Array = this.#whole
  #released = 0

  constructor(body: ReleasableBytes) {
    this.#body = body
    this.#source = body[Symbol.asyncIterator]()
  }

  take(bytes: number): ReleasableBytes {
    const pieces = this.#pieces(bytes)
    return {
      [Symbol.asyncIterator]: () => pieces,
      release: (piece) => {
        if (piece.buffer === this.#whole.buffer) this.#released += piece.length
      },
    }
  }

  async #next(): Promise<boolean> {
    if (this.#whole.length > 0 && this.#released === this.#whole.length) this.#body.release?.(this.#whole)
    this.#released = 0
    const next = await this.#source.next()
    if (next.done === true) return false
    this.#whole = next.value
    this.#rest = next.value
    return true
  }

  async *#pieces(bytes: number): AsyncGenerator<Uint8Array> {
    let remaining = bytes
    while (remaining > 0) {
      if (this.#rest.length === 0 && !(await this.#next())) return
      const chunk = this.#rest.subarray(0, remaining)
      this.#rest = this.#rest.subarray(chunk.length)
      remaining -= chunk.length
      yield chunk
    }
  }
}
