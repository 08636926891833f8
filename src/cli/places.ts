import { lstatSync, mkdirSync, realpathSync, type Stats, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { LRUCache } from 'lru-cache'
import { asideOf, namesOf } from '../recovery/safe-path.ts'

const MAX_KNOWN_DIRECTORIES = 10_000

/** Where an object of a prefix goes. */
export interface Place {
  readonly path: string
  /** The file that is there; null if there is none, or it is a directory's place. */
  readonly present: Pick<Stats, 'size' | 'mtimeMs'> | null
  /** True for an empty object whose key ends in a slash: what S3 clients make in place of directories. */
  readonly isDirectory: boolean
  /** True if the path is not the key as it stands. */
  readonly renamed: boolean
}

/**
 * Finds places for keys below a directory, and makes the directories. A store can have both `a` and `a/b`, or `A` and `a`, where a disk
 * cannot: the one that comes second goes aside, to a name that no key gives.
 */
export class Places {
  readonly #root: string
  readonly #directories = new LRUCache<string, string>({ max: MAX_KNOWN_DIRECTORIES })
  /** Files that are being written, and do not have their names yet. */
  readonly #coming = new Set<string>()

  constructor(root: string) {
    this.#root = resolve(root)
    mkdirSync(this.#root, { recursive: true, mode: 0o700 })
  }

  /**
   * To be called in the order of the keys, which is the same in every run.
   * @param key relative to the prefix; empty for the object that has the prefix itself as its key
   */
  place(key: string, size: number | null): Place {
    const names = key === '' ? [] : namesOf(key)
    const parent = this.#directory(names.slice(0, -1))
    if (key === '' || (key.endsWith('/') && size === 0))
      return { path: parent, present: null, isDirectory: true, renamed: false }
    const path = this.#file(parent, names.at(-1) ?? '')
    this.#coming.add(path)
    return {
      path,
      present: statSync(path, { throwIfNoEntry: false }) ?? null,
      isDirectory: false,
      renamed: path !== `${this.#root}/${key}`,
    }
  }

  /** The file has its name now, or will not have it. */
  done(path: string): void {
    this.#coming.delete(path)
  }

  #directory(names: readonly string[]): string {
    if (names.length === 0) return this.#root
    const id = names.join('/')
    const known = this.#directories.get(id)
    if (known !== undefined) return known
    const name = names.at(-1) ?? ''
    const parent = this.#directory(names.slice(0, -1))
    const own = join(parent, name)
    const found = statSync(own, { throwIfNoEntry: false })
    const taken =
      this.#coming.has(own) || (found !== undefined && !(found.isDirectory() && isNamedSo(own, name)))
    const path = taken ? join(parent, asideOf(name)) : own
    mkdirSync(path, { recursive: true, mode: 0o700 })
    this.#directories.set(id, path)
    return path
  }

  #file(parent: string, name: string): string {
    const own = join(parent, name)
    const found = lstatSync(own, { throwIfNoEntry: false })
    if (found === undefined || found.isSymbolicLink()) return own
    return found.isFile() && isNamedSo(own, name) ? own : join(parent, asideOf(name))
  }
}

/** False on a disk that does not tell `A` from `a`, or two spellings of `é`, and has it under the other name. */
function isNamedSo(path: string, name: string): boolean {
  return lstatSync(path).isSymbolicLink() || basename(realpathSync.native(path)) === name
}
