import { randomBytes } from 'node:crypto'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { SealedBytes } from './sealed-object.ts'

const READ_BYTES = 256 * 1024

/** Stored bytes in a file. */
export interface FileSource {
  readonly size: number
  read(start: number, end: number): Promise<SealedBytes>
  close(): Promise<void>
}

export async function openFile(path: string): Promise<FileSource> {
  return sourceOf(await open(path, 'r'))
}

/**
 * Keeps a stream in a file that has no name, in `directory`, so that its end can be read before its beginning. It holds what the stream
 * held: sealed bytes.
 */
export async function spool(body: AsyncIterable<Uint8Array>, directory: string): Promise<FileSource> {
  const path = join(directory, `sealgate-${randomBytes(8).toString('hex')}`)
  const file = await open(path, 'wx+', 0o600)
  try {
    await rm(path)
    for await (const chunk of body) await file.writeFile(chunk)
  } catch (error) {
    await file.close()
    throw error
  }
  return sourceOf(file)
}

async function sourceOf(file: FileHandle): Promise<FileSource> {
  const { size } = await file.stat()
  return {
    size,
    read: async (start, end) => bodyOf(file, start, end),
    close: () => file.close(),
  }
}

function bodyOf(file: FileHandle, start: number, end: number): SealedBytes {
  let spare: Buffer | null = null
  let ended = false
  async function* chunks(): AsyncGenerator<Buffer> {
    for (let position = start; position <= end && !ended; ) {
      const buffer: Buffer = spare ?? Buffer.allocUnsafeSlow(READ_BYTES)
      spare = null
      const length = Math.min(buffer.length, end - position + 1)
      const { bytesRead } = await file.read(buffer, 0, length, position)
      if (bytesRead === 0) return
      position += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  }
  const bytes = chunks()
  return {
    [Symbol.asyncIterator]: () => bytes,
    release: (chunk) => {
      spare = Buffer.from(chunk.buffer)
    },
    destroy: () => {
      ended = true
    },
  }
}
