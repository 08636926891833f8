/** What goes wrong on the way to COS and back, one call at a time or for as long as it is set. */
import type { CosCode } from './refusal.ts'

export type Fault =
  /** Refused with this code before anything is done. */
  | { readonly kind: 'error'; readonly code: CosCode }
  /** Something in front of it answers this; nothing is done. A 520, a page, or a 200 that is no answer. */
  | { readonly kind: 'status'; readonly status: number; readonly text?: string }
  /** Nothing is done, and the success of a copy or of Complete, begun already, has an error in it. */
  | { readonly kind: 'inside'; readonly code: CosCode }
  /** Nothing is done: the connection ends, or breaks, or nothing ever comes. */
  | { readonly kind: 'cut' | 'reset' | 'silence' }
  /** All is done, and the answer gets lost. */
  | { readonly kind: 'lost' }
  /** The answer ends halfway: by a cut, by silence, or framed as if it were whole. */
  | { readonly kind: 'half' | 'stall' | 'truncated' }
  /** The answer takes that long; copies and Complete send white space meanwhile. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** The connection ends when so many bytes of the body have come. */
  | { readonly kind: 'unread'; readonly bytes: number }
  /** One bit of the body is kept, or sent, as another. */
  | { readonly kind: 'flipped' }

interface Standing {
  readonly calls: RegExp
  readonly fault: Fault
}

export class Faults {
  readonly #next: Standing[] = []
  #standing: Standing[] = []

  /** The next call of this name (by default the next of all) meets it, and no other. */
  once(fault: Fault, calls = /./): void {
    this.#next.push({ fault, calls })
  }

  /** Every call of this name meets it, until `clear`. */
  always(fault: Fault, calls = /./): void {
    this.#standing.push({ fault, calls })
  }

  /** Those not met are forgotten. */
  clear(): void {
    this.#next.length = 0
    this.#standing = []
  }

  take(call: string): Fault | undefined {
    const index = this.#next.findIndex(({ calls }) => calls.test(call))
    if (index >= 0) return this.#next.splice(index, 1)[0]?.fault
    return this.#standing.find(({ calls }) => calls.test(call))?.fault
  }
}

/** The first bit of a body turned. */
export async function* flipped(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let isFirst = true
  for await (const chunk of body) {
    const bytes = Buffer.from(chunk)
    if (isFirst && bytes.length > 0) {
      bytes.writeUInt8(bytes.readUInt8(0) ^ 1, 0)
      isFirst = false
    }
    yield bytes
  }
}
