import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** Ends a process, and waits until it is gone; one that has ended by itself, or never began, is gone already. */
export async function ended(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill(signal)
  await gone
}
