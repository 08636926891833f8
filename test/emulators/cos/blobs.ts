/** Bytes that the emulator keeps: small ones in memory, others in files of its directory. Objects, parts and copies share them. */
import { createHash, randomUUID } from 'node:crypto'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { crc64Xz } from '../../../src/base/crc-64.ts'
import { combineCrc } from '../../../src/base/crc-combine.ts'

const IN_MEMORY_BYTES = 1024 * 1024
const READ_BYTES = 256 * 1024

export interface Digests {
  readonly size: number
  /** Hex. */
  readonly md5: string
  readonly crc64: Buffer
}

/** Lives until everyone who held it has let go. */
export class Blob implements Digests {
  readonly size: number
  readonly md5: string
  readonly crc64: Buffer
  readonly #place: Buffer | string
  #holders = 1

  constructor(digests: Digests, place: Buffer | string) {
    this.size = digests.size
    this.md5 = digests.md5
    this.crc64 = digests.crc64
    this.#place = place
  }

  hold(): this {
    this.#holders += 1
    return this
  }

  async release(): Promise<void> {
    this.#holders -= 1
    if (this.#holders === 0 && typeof this.#place === 'string') await rm(this.#place, { force: true })
  }

  async *read(): AsyncGenerator<Buffer> {
    if (Buffer.isBuffer(this.#place)) return yield this.#place
    yield* this.slice(0, this.size)
  }

  /** The bytes from `start` to before `end`. */
  async *slice(start: number, end: number): AsyncGenerator<Buffer> {
    if (Buffer.isBuffer(this.#place)) return yield this.#place.subarray(start, end)
    const file = await open(this.#place)
    try {
      for (let at = start; at < end; ) {
        const wanted = Math.min(READ_BYTES, end - at)
        const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(wanted), 0, wanted, at)
        if (bytesRead === 0) throw new Error('the emulator lost bytes')
        at += bytesRead
        yield buffer.subarray(0, bytesRead)
      }
    } finally {
      await file.close()
    }
  }
}

export class Blobs {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Keeps what comes; nothing, if the source fails. */
  async receive(source: AsyncIterable<Uint8Array>): Promise<Blob> {
    const [md5, crc64] = [createHash('md5'), crc64Xz()]
    const path = join(this.#directory, randomUUID())
    let inMemory: Uint8Array[] = []
    let file: FileHandle | null = null
    let size = 0
    try {
      for await (const chunk of source) {
        md5.update(chunk)
        crc64.update(chunk)
        size += chunk.length
        inMemory.push(chunk)
        if (file === null && size <= IN_MEMORY_BYTES) continue
        file ??= await open(path, 'w')
        for (const kept of inMemory) await writeAll(file, kept)
        inMemory = []
      }
    } catch (error) {
      await file?.close()
      await rm(path, { force: true })
      throw error
    }
    await file?.close()
    const digests = { size, md5: md5.digest('hex'), crc64: crc64.digest() }
    return new Blob(digests, file === null ? Buffer.concat(inMemory) : path)
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at, bytes.length - at)).bytesWritten
}

/** The bytes of an object: those of its parts, one behind another. */
export class Content {
  readonly blobs: readonly Blob[]
  readonly size: number
  readonly crc64: Buffer

  constructor(blobs: readonly Blob[]) {
    this.blobs = blobs
    this.size = blobs.reduce((sum, { size }) => sum + size, 0)
    this.crc64 = blobs.reduce<Buffer>(
      (crc, blob) => combineCrc('CRC64XZ', crc, blob.crc64, blob.size),
      Buffer.alloc(8),
    )
  }

  hold(): this {
    for (const blob of this.blobs) blob.hold()
    return this
  }

  async release(): Promise<void> {
    for (const blob of this.blobs) await blob.release()
  }

  /** The bytes from `start` to before `end`; they stay there while they are read. */
  async *slice(start: number, end: number): AsyncGenerator<Buffer> {
    this.hold()
    try {
      let offset = 0
      for (const blob of this.blobs) {
        const [from, to] = [Math.max(start - offset, 0), Math.min(end - offset, blob.size)]
        if (from < to) yield* from === 0 && to === blob.size ? blob.read() : blob.slice(from, to)
        offset += blob.size
      }
    } finally {
      await this.release()
    }
  }
}
