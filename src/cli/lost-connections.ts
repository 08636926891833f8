import type { Worker } from 'node:cluster'

interface Handed {
  close(): void
}

/**
 * The primary accepts connections and hands them to its workers. One that a worker was handed and had not taken yet when it was killed
 * stays open in the primary (Node keeps no account of them), so its client would wait for ever for an answer. Here it is closed
 * with the worker, which clients know how to deal with: they try again.
 */
export function closeLostConnections({ process: child }: Worker): void {
  const handed = new Map<unknown, Handed>()
  const send = child.send.bind(child) as (...args: unknown[]) => boolean
  child.send = (...[message, handle, ...rest]: unknown[]) => {
    if (isNumbered(message) && isHandle(handle)) handed.set(message.seq, handle)
    return send(message, handle, ...rest)
  }
  child.on('internalMessage', (message: unknown) => {
    if (isAnswer(message)) handed.delete(message.ack)
  })
  child.once('exit', () => {
    for (const handle of handed.values()) handle.close()
    handed.clear()
  })
}

function isNumbered(message: unknown): message is { readonly seq: unknown } {
  return typeof message === 'object' && message !== null && 'seq' in message
}

function isAnswer(message: unknown): message is { readonly ack: unknown } {
  return typeof message === 'object' && message !== null && 'ack' in message
}

function isHandle(handle: unknown): handle is Handed {
  return typeof handle === 'object' && handle !== null && 'close' in handle
}
