/**
 * Ctrl-C reaches a process twice: from the terminal, which signals the whole family, and from npm or the primary, which
 * hand it on. What comes this soon after the first is the same one.
 */
const SAME_SIGNAL_MS = 500
const SAY_SO_AFTER_MS = 1000

/** The first signal ends in good order, another one at once. To be called first thing: PID 1 has no default for signals. */
export function onSignal(stop: () => Promise<void>): void {
  let first = 0
  const handle = () => {
    const now = performance.now()
    if (first !== 0 && now - first < SAME_SIGNAL_MS) return
    if (first !== 0) process.exit(1)
    first = now
    const patience = setTimeout(() => {
      console.error('sealgate: waiting for requests under way to end; a second signal ends at once')
    }, SAY_SO_AFTER_MS)
    stop()
      .catch((error: unknown) => {
        console.error(error)
        process.exit(1)
      })
      .finally(() => clearTimeout(patience))
  }
  process.on('SIGTERM', handle)
  process.on('SIGINT', handle)
}
