import { randomFillSync, randomUUID } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  statfsSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { isNoSpace, noSpaceLeft } from './no-space.ts'

/** What the index's log may grow by until it starts anew, which is what deletions on a full disk need. */
const BALLAST_BYTES = 4 * 1024 * 1024
/** There must be as much again beside it, or what makes it would fill the disk. */
const ROOM_BYTES = 2 * BALLAST_BYTES
const LOOK_EVERY_MS = 1000

/**
 * A file that is there to be thrown away: on a full disk even a DELETE needs room, for the log of the index. While it is gone the store
 * takes nothing new, so that the room is left to deletions; once they have made enough, it is made again. Processes see by the file
 * itself how things are.
 */
export class Ballast {
  readonly #directory: string
  readonly #path: string
  #lookAgainAt = 0

  /** @param directory of the store; it exists */
  constructor(directory: string) {
    this.#directory = directory
    this.#path = join(directory, 'ballast')
  }

  /** Before anything that makes the store larger. @throws ServiceUnavailable if there is no room */
  require(): void {
    if (existsSync(this.#path)) return
    const now = performance.now()
    if (now < this.#lookAgainAt) throw noSpaceLeft()
    this.#lookAgainAt = now + LOOK_EVERY_MS
    if (!this.#make()) throw noSpaceLeft()
  }

  /** Runs what makes the store smaller, or opens it; once more with the ballast thrown away, if the disk is full. */
  async withRoom<T>(run: () => T | Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      if (!isNoSpace(error)) throw error
      this.#lookAgainAt = performance.now() + LOOK_EVERY_MS
      remove(this.#path)
      return run()
    }
  }

  #make(): boolean {
    const { bavail, bsize, blocks } = statfsSync(this.#directory)
    // A file system that has no blocks at all is one that does not count.
    if (blocks > 0 && bavail * bsize < BALLAST_BYTES + ROOM_BYTES) return false
    // Under a name of its own until it is whole: several processes may be at it.
    const path = `${this.#path}.${randomUUID()}`
    try {
      const file = openSync(path, 'wx', 0o600)
      try {
        // Not zeroes, which some file systems keep in no space at all.
        writeFileSync(file, randomFillSync(Buffer.alloc(BALLAST_BYTES)))
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
      renameSync(path, this.#path)
      return true
    } catch (error) {
      remove(path)
      if (isNoSpace(error)) return false
      throw error
    }
  }
}

/** What cannot be removed is gone, or stays and is met again. */
function remove(path: string): void {
  try {
    unlinkSync(path)
  } catch {}
}
