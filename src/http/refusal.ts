import { randomBytes } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { ERRORS } from '../errors.ts'

type RefusalKind = 'BadRequest' | 'RequestHeaderSectionTooLarge' | 'RequestTimeout' | 'SlowDown'

/** How long a client that is still sending may do so, to come to see why it was refused. */
const LINGER_MS = 500

/** Answers what is no request, and so has no handler, in the shape of the others, and ends the connection. */
export function refuse(socket: Duplex, kind: RefusalKind, message: string = ERRORS[kind].message): void {
  const id = randomBytes(8).toString('hex').toUpperCase()
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${kind}</Code><Message>${message}</Message><RequestId>${id}</RequestId></Error>`
  const { status } = ERRORS[kind]
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `x-amz-request-id: ${id}`,
    'content-type: application/xml',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    ...(kind === 'SlowDown' ? ['retry-after: 1'] : []),
  ]
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`)
  // Closing with bytes unread would reset the connection, and take the answer away from the client.
  const timer = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(timer))
  socket.resume()
}
