/**
 * Milliseconds by a clock that nobody sets: whatever has to end at a time goes by it, or a clock set back would keep keys alive. It is this
 * process's own; what is stored, or read by people, has the time of day.
 */
export function steadyNow(): number {
  return performance.now()
}
