import { constants, existsSync, readdirSync } from 'node:fs'
import { copyFile, mkdtemp, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { BLOBS, blobPath, makeBlobDirectories, syncPath } from './blob-files.ts'
import { IndexDatabase } from './index-database.ts'
import { holdRemovals } from './removal-hold.ts'

export interface BackupOptions {
  /** The store; other processes may have it open and write. */
  readonly directory: string
  /** Where the copy goes: must not be there yet, but its parent must. */
  readonly target: string
  readonly progress?: (copied: number, of: number) => void
  readonly signal?: AbortSignal
}

export interface BackupResult {
  readonly objects: number
  /** Blob files copied. */
  readonly files: number
  /** Ids of blobs whose files are missing in the store itself: what refers to them cannot be read, here as there. */
  readonly missing: readonly number[]
}

const AT_ONCE = 8

/**
 * Copies a store as it is at one moment, durably. The index is copied in one transaction; until the files that it names are copied too,
 * no process removes a file, so what is overwritten or deleted meanwhile is in the copy as it was. The target appears when all is there.
 */
export async function backUpFilesystem(options: BackupOptions): Promise<BackupResult> {
  const { directory, target } = options
  if (existsSync(target)) throw Object.assign(new Error('it exists'), { code: 'EEXIST', path: target })
  const hold = await holdRemovals(directory)
  const partial = await mkdtemp(`${target}.partial-`)
  try {
    const source = new IndexDatabase(join(directory, 'index.sqlite'), { readOnly: true })
    try {
      source.copyTo(join(partial, 'index.sqlite'))
    } finally {
      source.close()
    }
    const { ids, objects } = await readCopy(partial)
    makeBlobDirectories(partial)
    const missing = await copyFiles(partial, ids, options)
    await syncTree(partial)
    await rename(partial, target)
    await syncPath(dirname(target))
    return { objects, files: ids.length - missing.length, missing }
  } finally {
    hold.release()
    await rm(partial, { recursive: true, force: true })
  }
}

/** The copied index knows of leases and garbage of processes that will never see the copy. */
async function readCopy(directory: string): Promise<{ ids: readonly number[]; objects: number }> {
  const index = new IndexDatabase(join(directory, 'index.sqlite'))
  try {
    await index.write(() => {
      index.run('DELETE FROM lease')
      index.run('DELETE FROM garbage')
    })
    const ids = index.all<{ id: number }>('SELECT id FROM blob WHERE inline IS NULL').map(({ id }) => id)
    const objects = index.get<{ count: number }>('SELECT count(*) AS count FROM object')?.count ?? 0
    return { ids, objects }
  } finally {
    index.close()
  }
}

async function copyFiles(
  to: string,
  ids: readonly number[],
  { directory, progress, signal }: BackupOptions,
): Promise<readonly number[]> {
  const missing: number[] = []
  let next = 0
  let copied = 0
  const work = async () => {
    for (let id = ids[next++]; id !== undefined; id = ids[next++]) {
      signal?.throwIfAborted()
      if (!(await copyDurably(blobPath(directory, id), blobPath(to, id)))) missing.push(id)
      progress?.(++copied, ids.length)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return missing
}

/** False if there is nothing to copy. On file systems that can, the copy shares its bytes with the original. */
async function copyDurably(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
  } catch (error) {
    if (!existsSync(from)) return false
    throw error
  }
  await syncPath(to)
  return true
}

async function syncTree(directory: string): Promise<void> {
  await syncPath(join(directory, 'index.sqlite'))
  for (const name of readdirSync(join(directory, BLOBS))) await syncPath(join(directory, BLOBS, name))
  await syncPath(join(directory, BLOBS))
  await syncPath(directory)
}
