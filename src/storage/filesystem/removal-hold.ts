import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DirectoryLockedError, isLocked, LOCK_FILE, lockDirectory } from './directory-lock.ts'

const NAME = 'backup'
const ATTEMPTS = 20
const PAUSE_MS = 50

/** Made by who serves the store, so that a holder of more rights leaves no file that the server may not open; and it stays. */
export function makeHold(store: string): void {
  mkdirSync(join(store, NAME), { recursive: true, mode: 0o700 })
  closeSync(openSync(join(store, NAME, LOCK_FILE), 'a', 0o600))
}

/**
 * While this is held, no process removes a file of the store, also not one that nothing refers to any more. It ends with the process that
 * holds it. Throws DirectoryLockedError if another one holds it.
 */
export async function holdRemovals(store: string): Promise<{ release(): void }> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await lockDirectory(join(store, NAME))
    } catch (error) {
      // Who only looks holds it for an instant.
      if (!(error instanceof DirectoryLockedError) || attempt === ATTEMPTS) throw error
      await sleep(PAUSE_MS)
    }
  }
}

export function removalsAreHeld(store: string): boolean {
  return isLocked(join(store, NAME))
}
