import type { Kms } from './kms.ts'
import type { ResilienceOptions } from './resilient-kms.ts'

/** A key service as the configuration describes it: the CMKs, and the names that people have for them. */
export interface KeyService {
  readonly kms: Kms
  /** Of the deployment, if the service keeps it. */
  readonly realm: string | null
  /** The configured CMK of buckets that no rule speaks of. */
  readonly defaultName: string | null
  /** All CMKs that buckets without a rule may be read under; empty where the service does not tell. */
  readonly all: readonly string[]
  /** The canonical id that a name stands for, without the provider in front. Rejects with KeySetupError or KmsError. */
  resolve(name: string): Promise<string>
  /** Lets go of connections and timers. */
  close(): void
}

/** How a service on the network is treated: four tries, with about a second of pauses at most between them, then five seconds of rest after five failures. */
export const RESILIENCE: ResilienceOptions = { attempts: 4, pauseMs: 100, failures: 5, restMs: 5000 }
