import type { Checksum } from '../../base/checksum.ts'
import { SealgateError } from '../../errors.ts'
import type { IncomingBody } from '../storage.ts'

/**
 * The bytes as they are, exactly as many as announced, while their checksum is made. The last of them wait for the body's end: a server stores
 * what it has once that is as long as announced.
 */
export async function* checkedBody(
  body: IncomingBody,
  size: number,
  checksum: Checksum,
): AsyncGenerator<Uint8Array> {
  let taken = 0
  let last: Uint8Array | null = null
  for await (const chunk of body) {
    if (chunk.length === 0) continue
    taken += chunk.length
    if (taken > size) throw incomplete(size, 'more')
    checksum.update(chunk)
    if (last !== null) yield last
    last = chunk
  }
  if (taken !== size) throw incomplete(size, `${taken}`)
  if (last !== null) yield last
}

function incomplete(size: number, received: string): SealgateError {
  return new SealgateError('IncompleteBody', undefined, {
    reason: `a body of ${size} bytes had ${received}`,
  })
}
