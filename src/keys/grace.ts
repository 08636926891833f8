import { KmsError } from './kms/kms-error.ts'

/** In grace the KMS is asked again this often. */
const STEP_MS = 1000
/** How long a request waits for the KMS while a key whose time has ended is at hand: longer than a call takes, shorter than a client notices. */
const PATIENCE_MS = 500

/** A key whose time has ended, and which may go on while the KMS does not answer. */
export interface SpareKey {
  /** Used without asking until then; 0 before grace begins. */
  graceUntilMs: number
}

/**
 * Waits for a call that brings the next key. Null if the KMS does not answer at the moment: the spare key may then be used for a short while. A
 * KMS that refuses is no such case, and ends grace. A call that takes long goes on for whoever asks next; without that a silent KMS, tried
 * again and again, would hold up every request that grace lets through in the end.
 */
export async function orGrace<T>(call: Promise<T>, spare: SpareKey, now: () => number): Promise<T | null> {
  call.catch((error: unknown) => {
    if (!isPassing(error)) spare.graceUntilMs = 0
  })
  // What did not answer a moment ago is not waited for again.
  const patienceMs = spare.graceUntilMs === 0 ? PATIENCE_MS : 0
  try {
    return await within(patienceMs, call)
  } catch (error) {
    if (!isPassing(error)) throw error
    spare.graceUntilMs = now() + STEP_MS
    return null
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof KmsError && error.passing
}

async function within<T>(ms: number, call: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const slow = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new KmsError('unavailable', 'Slow', 'the KMS has not answered yet')), ms)
  })
  try {
    return await Promise.race([call, slow])
  } finally {
    clearTimeout(timer)
  }
}
