import type { Kms } from './kms.ts'
import { KmsError } from './kms-error.ts'
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

/** Looks up what a name stands for; a failure says what to look at, as a start stops there. */
export async function lookingUp<T>(call: () => Promise<T>, hint: string): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if (!(error instanceof KmsError)) throw error
    const said = error.message.slice(error.code.length + 2).replace(/\.$/, '')
    throw new KmsError(error.fault, error.code, `${said}. ${hint}`)
  }
}
