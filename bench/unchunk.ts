/** Reads the body of an upload: plain, or in the frames of aws-chunked, whose signatures are not looked at. */
import type { IncomingMessage } from 'node:http'

/** Gives every stretch of the content to `onData`; answers the trailers. */
export async function unchunk(
  request: IncomingMessage,
  onData: (chunk: Buffer) => void,
): Promise<ReadonlyMap<string, string>> {
  const trailers = new Map<string, string>()
  if (!String(request.headers['x-amz-content-sha256']).startsWith('STREAMING-')) {
    for await (const chunk of request) onData(chunk as Buffer)
    return trailers
  }
  const frames = new Frames(onData, trailers)
  for await (const chunk of request) frames.take(chunk as Buffer)
  return trailers
}

class Frames {
  readonly #onData: (chunk: Buffer) => void
  readonly #trailers: Map<string, string>
  #line = ''
  /** Bytes of content that are still to come of this frame, and then CR and LF. */
  #content = 0
  #ending = 0
  #ended = false

  constructor(onData: (chunk: Buffer) => void, trailers: Map<string, string>) {
    this.#onData = onData
    this.#trailers = trailers
  }

  take(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#content > 0) {
        const taken = chunk.subarray(at, at + this.#content)
        this.#onData(taken)
        this.#content -= taken.length
        at += taken.length
      } else if (this.#ending > 0) {
        const skipped = Math.min(this.#ending, chunk.length - at)
        this.#ending -= skipped
        at += skipped
      } else {
        const end = chunk.indexOf(10, at)
        this.#line += chunk.toString('latin1', at, end < 0 ? chunk.length : end)
        if (end < 0) return
        at = end + 1
        this.#onLine(this.#line.trimEnd())
        this.#line = ''
      }
    }
  }

  #onLine(line: string): void {
    if (this.#ended) {
      const [name = '', value = ''] = line.split(':')
      if (name !== '') this.#trailers.set(name, value)
      return
    }
    this.#content = Number.parseInt(line, 16)
    if (this.#content === 0) this.#ended = true
    else this.#ending = 2
  }
}
