/** All bytes of a body. */
export async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** A body of one chunk, or of none if there are no bytes. */
export async function* oneChunk(bytes: Buffer | string): AsyncGenerator<Buffer> {
  if (bytes.length > 0) yield Buffer.from(bytes)
}
