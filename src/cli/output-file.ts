import { randomBytes } from 'node:crypto'
import { lstatSync, realpathSync, rmSync } from 'node:fs'
import { type FileHandle, open, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { StartupError } from '../app.ts'

/** Files that a command has begun and not finished: they go when the process does. */
const unfinished = new Set<string>()
let watching = false

/** A file that has its name only once all of it is there and on the disk. */
export class OutputFile {
  readonly #file: FileHandle
  readonly #temporary: string
  readonly #path: string
  #ended = false

  private constructor(file: FileHandle, temporary: string, path: string) {
    this.#file = file
    this.#temporary = temporary
    this.#path = path
  }

  /** @param path replaced if it is a file; the end of a symbolic link is replaced, not the link */
  static async create(path: string): Promise<OutputFile> {
    const target = targetOf(path)
    const temporary = join(dirname(target), `.sealgate-${randomBytes(8).toString('hex')}.part`)
    removeUnfinishedAtExit()
    const file = await open(temporary, 'wx', 0o600)
    unfinished.add(temporary)
    return new OutputFile(file, temporary, target)
  }

  async write(chunk: Uint8Array): Promise<void> {
    await this.#file.writeFile(chunk)
  }

  /** @param modifiedMs the time that the file shall have */
  async commit({ modifiedMs }: { readonly modifiedMs?: number | undefined } = {}): Promise<void> {
    if (modifiedMs !== undefined) await this.#file.utimes(new Date(), new Date(modifiedMs))
    await this.#file.sync()
    await this.#file.close()
    this.#ended = true
    await rename(this.#temporary, this.#path)
    unfinished.delete(this.#temporary)
    await syncDirectory(dirname(this.#path))
  }

  /** Removes what was written so far. Safe to call after `commit`. */
  async discard(): Promise<void> {
    if (!this.#ended) await this.#file.close().catch(() => undefined)
    this.#ended = true
    if (unfinished.delete(this.#temporary)) rmSync(this.#temporary, { force: true })
  }
}

function targetOf(path: string): string {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined || found.isFile()) return path
  if (found.isSymbolicLink()) return targetOf(realpathSync(path))
  throw new StartupError(
    `${path} is ${found.isDirectory() ? 'a directory' : 'no regular file'}: name a file by -o, or leave -o out and redirect standard output.`,
  )
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function removeUnfinishedAtExit(): void {
  if (watching) return
  watching = true
  process.once('exit', () => {
    for (const path of unfinished) rmSync(path, { force: true })
  })
  // A signal ends a process without `exit`, unless somebody listens.
  process.once('SIGINT', () => process.exit(130))
  process.once('SIGTERM', () => process.exit(143))
}
