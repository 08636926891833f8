/** The model of docs/keys.md: how many calls a deployment makes to its key service. */

export interface Deployment {
  readonly buckets: number
  /** Gateway processes: replicas times workers. Each has data keys of its own. */
  readonly processes: number
  readonly epoch: { readonly maxAgeMs: number; readonly maxObjects: number; readonly maxBytes: number }
  /** How long a process may open with a data key before it asks for it again. */
  readonly decryptMaxAgeMs: number
}

export interface Day {
  /** Objects written, evenly over the day, the buckets and the processes. */
  readonly written: number
  readonly objectBytes: number
  /** Reads, each of any object of the last 24 hours, by any process. */
  readonly read: number
}

const DAY_MS = 86_400_000

/** Epochs that one process begins for one bucket: the limit that is reached first ends each; none is begun without a write. */
export function epochsPerDay({ buckets, processes, epoch }: Deployment, day: Day): number {
  const objects = day.written / buckets / processes
  const limits = [
    DAY_MS / epoch.maxAgeMs,
    objects / epoch.maxObjects,
    (objects * day.objectBytes) / epoch.maxBytes,
  ]
  return Math.min(objects, Math.max(...limits))
}

/** Calls that make data keys: GenerateDataKey, or Encrypt where they are made here. */
export function makingPerDay(deployment: Deployment, day: Day): number {
  return deployment.buckets * deployment.processes * epochsPerDay(deployment, day)
}

/** Calls to Decrypt, at most: each process opens each data key of the others once while it keeps it, and never more often than it reads. */
export function openingPerDay(deployment: Deployment, day: Day): number {
  const { processes, decryptMaxAgeMs } = deployment
  const ofOthers = makingPerDay(deployment, day) * ((processes - 1) / processes)
  const times = Math.max(1, DAY_MS / decryptMaxAgeMs)
  return Math.min(day.read, processes * ofOthers * times)
}

/** Without reuse every write makes a data key and every read opens one. */
export function withoutReusePerDay(day: Day): number {
  return day.written + day.read
}

export interface Price {
  readonly freeCallsPerMonth: number
  readonly dollarsPer10000: number
}

/** International list prices of 2026, without the CMK itself (Tencent 0.06 USD a day, AWS 1 USD a month). */
export const PRICES = {
  tencent: { freeCallsPerMonth: 20_000, dollarsPer10000: 0.18 },
  aws: { freeCallsPerMonth: 20_000, dollarsPer10000: 0.03 },
} as const satisfies Record<string, Price>

export function dollarsPerMonth(callsPerDay: number, price: Price): number {
  return (Math.max(0, callsPerDay * 30 - price.freeCallsPerMonth) / 10_000) * price.dollarsPer10000
}
