/** Bodies on their way in: lengths and digests as COS checks them. A body that does not come to its end leaves nothing. */

import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Blob, Blobs } from './blobs.ts'
import { MAX_BODY_BYTES, md5Of, wantedMd5 } from './call.ts'
import { type Fault, flipped } from './faults.ts'
import { CosRefusal } from './refusal.ts'

const MAX_DOCUMENT_BYTES = 2 * 1024 * 1024

interface Expected {
  readonly headers: Readonly<Record<string, string>>
  /** Of the signature, if it covers the body. */
  readonly sha256: Buffer | null
  readonly fault?: Fault | undefined
}

/** A length is told before the body, or the body is chunked. */
function checkLength(headers: Readonly<Record<string, string>>): void {
  const length = headers['content-length']
  if (length === undefined && headers['transfer-encoding'] === undefined)
    throw new CosRefusal('MissingContentLength')
  if (Number(length) > MAX_BODY_BYTES) throw new CosRefusal('EntityTooLarge')
}

export async function receiveBody(
  blobs: Blobs,
  request: IncomingMessage,
  { headers, sha256, fault }: Expected,
): Promise<Blob> {
  checkLength(headers)
  const md5 = wantedMd5(headers)
  const hash = createHash('sha256')
  const came = arriving(request, fault)
  const blob = await blobs.receive(
    (async function* () {
      for await (const bytes of fault?.kind === 'flipped' ? flipped(came) : came) {
        if (sha256 !== null) hash.update(bytes)
        yield bytes
      }
    })(),
  )
  if ((md5 === null || md5 === blob.md5) && (sha256 === null || hash.digest().equals(sha256))) return blob
  await blob.release()
  throw new CosRefusal('BadDigest')
}

async function* arriving(request: IncomingMessage, fault: Fault | undefined): AsyncGenerator<Buffer> {
  let size = 0
  for await (const chunk of request) {
    size += (chunk as Buffer).length
    if (fault?.kind === 'unread' && size >= fault.bytes) request.socket.destroy()
    yield chunk as Buffer
  }
}

export async function documentOf(request: IncomingMessage, { headers, sha256 }: Expected): Promise<Buffer> {
  checkLength(headers)
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += (chunk as Buffer).length
    if (size > MAX_DOCUMENT_BYTES) throw new CosRefusal('MalformedXML')
    chunks.push(chunk as Buffer)
  }
  const bytes = Buffer.concat(chunks)
  const md5 = wantedMd5(headers)
  if (md5 !== null && md5 !== md5Of(bytes)) throw new CosRefusal('BadDigest')
  if (sha256 !== null && !createHash('sha256').update(bytes).digest().equals(sha256))
    throw new CosRefusal('BadDigest')
  return bytes
}
