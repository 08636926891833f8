import { existsSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** For tests that need `openBlobs`. */
export const SKIP_WITHOUT_PROC = existsSync('/proc/self/fd') ? false : 'open files are counted in /proc'

/** Blob files of the store in `directory` that this process has open. */
export function openBlobs(directory: string): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(join(directory, 'blobs'))
    } catch {
      return false
    }
  }).length
}
