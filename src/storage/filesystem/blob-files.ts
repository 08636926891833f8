/** The files of a store: where they lie, and how one is made so that it outlives a loss of power. */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { IncomingBody } from '../storage.ts'

export const BLOBS = 'blobs'
const WRITE_BYTES = 256 * 1024
const FANOUT = 256

export function blobPath(store: string, id: number): string {
  return join(store, BLOBS, hex(id % FANOUT), String(id))
}

/** Makes what is missing, durably: a file is only as durable as the directories above it. */
export function makeBlobDirectories(store: string): void {
  const blobs = join(store, BLOBS)
  if (existsSync(join(blobs, hex(FANOUT - 1)))) return
  for (let index = 0; index < FANOUT; index++) mkdirSync(join(blobs, hex(index)), { recursive: true })
  for (const path of [blobs, store, dirname(store)]) {
    const file = openSync(path, 'r')
    try {
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  }
}

/** Of a file or a directory. */
export async function syncPath(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** False if it is still there. */
export function removeFile(path: string): Promise<boolean> {
  return unlink(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
  )
}

/** Gathers small chunks into large writes; one write is under way at a time, which is the back-pressure. */
export class FileWriter {
  readonly #file: FileHandle
  readonly #body: IncomingBody
  #pending: Uint8Array[] = []
  #bytes = 0

  private constructor(file: FileHandle, body: IncomingBody) {
    this.#file = file
    this.#body = body
  }

  /**
   * Of an id that only this process may use. A file under it is from a store that went on after this index was copied: a restore
   * from an index and files of different moments. Nothing here refers to it.
   */
  static async create(path: string, body: IncomingBody): Promise<FileWriter> {
    const make = (): Promise<FileHandle> => open(path, 'wx', 0o600)
    const file = await make().catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
      await unlink(path)
      return make()
    })
    return new FileWriter(file, body)
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#pending.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes >= WRITE_BYTES) await this.#flush()
  }

  /** The bytes and the name are on the disk. */
  async finish(path: string): Promise<void> {
    await this.#flush()
    await this.#file.datasync()
    await this.#file.close()
    await syncPath(dirname(path))
  }

  /** False if the file is still there. */
  discard(path: string): Promise<boolean> {
    const remove = (): Promise<boolean> => removeFile(path)
    return this.#file.close().then(remove, remove)
  }

  async #flush(): Promise<void> {
    const buffers = this.#pending
    let left = this.#bytes
    this.#pending = []
    this.#bytes = 0
    if (left === 0) return
    const { bytesWritten } = await this.#file.writev(buffers)
    left -= bytesWritten
    // A short write is legal; the rest goes in one piece.
    if (left > 0) await this.#file.writeFile(Buffer.concat(buffers).subarray(bytesWritten))
    for (const buffer of buffers) this.#body.release?.(buffer)
  }
}

function hex(index: number): string {
  return index.toString(16).padStart(2, '0')
}
