import { commonHeaders, type Exchange, keptAlive } from './respond.ts'

/**
 * Completing or copying a large object can outlast a client's patience. S3 then sends the head of a 200 and blanks, and the result or
 * an <Error> when it is known (S3 API reference, CompleteMultipartUpload and CopyObject): so do we, once `everyMs` have gone by and the
 * whole request is here.
 */
export async function keepAlive<T>(exchange: Exchange, everyMs: number, run: () => Promise<T>): Promise<T> {
  const { request, response } = exchange
  const beat = (): void => {
    if (!request.complete || response.destroyed) return
    if (keptAlive.has(response)) {
      response.write(' ')
      return
    }
    keptAlive.add(response)
    commonHeaders(exchange)
    response.setHeader('content-type', 'application/xml')
    response.writeHead(200)
    response.write('<?xml version="1.0" encoding="UTF-8"?>\n')
  }
  const timer = setInterval(beat, everyMs)
  try {
    return await run()
  } finally {
    clearInterval(timer)
  }
}
