/** What the kernel says of a process (Linux, proc(5)). */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

/** The process and those that it started, and theirs. */
export function familyOf(pid: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    // Behind the name in brackets: state, parent.
    const parent = read(`/proc/${name}/stat`).split(') ').at(-1)?.split(' ')[1]
    parents.set(Number(name), Number(parent))
  }
  const family = [pid]
  for (const member of family)
    for (const [child, parent] of parents) if (parent === member) family.push(child)
  return family
}

/** CPU time of all threads that live, in seconds; to the nanosecond where the kernel keeps it so. */
export function cpuSeconds(pids: readonly number[]): number {
  let nanoseconds = 0
  for (const pid of pids)
    for (const task of readdirSync(`/proc/${pid}/task`))
      nanoseconds += Number(read(`/proc/${pid}/task/${task}/schedstat`).split(' ')[0] || 0)
  return nanoseconds / 1e9
}

/** From now on, peakBytes speaks of what comes. */
export function resetPeak(pids: readonly number[]): void {
  for (const pid of pids) writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

/** The most resident memory of each, together. */
export function peakBytes(pids: readonly number[]): number {
  return pids.reduce(
    (sum, pid) => sum + Number(/VmHWM:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024,
    0,
  )
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // It ended between the listing and the reading.
    return ''
  }
}
