import { isError } from '../errors.ts'
import { WrappedKeyError } from './kms/kms.ts'
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
 * call that takes long goes on for whoever asks next; without that a silent KMS, tried again and again, would hold up every request that
 * grace lets through in the end. So a refusal may come when nobody waits for it: whoever makes the call also takes the spare key away by it.
 */
export async function orGrace<T>(call: Promise<T>, spare: SpareKey, now: () => number): Promise<T | null> {
  // What did not answer a moment ago is not waited for again.
  const patienceMs = spare.graceUntilMs === 0 ? PATIENCE_MS : 0
  try {
    return await within(patienceMs, call)
  } catch (error) {
    if (!(error instanceof KmsError && error.passing)) throw error
    spare.graceUntilMs = now() + STEP_MS
    return null
  }
}

/**
 * True if the KMS answered, and with no key: it refuses, or what it says is wrong. Then there is no grace until a call succeeds, also if it
 * falls silent. A store that fails says nothing about the key.
 */
export function isRefusal(error: unknown): boolean {
  if (error instanceof KmsError) return !error.passing
  return error instanceof WrappedKeyError || isError(error, 'InternalError')
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
