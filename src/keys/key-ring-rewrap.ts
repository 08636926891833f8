import { setTimeout as sleep } from 'node:timers/promises'
import { SealgateError } from '../errors.ts'
import { bucketPattern, patternPrefix } from './bucket-pattern.ts'
import { dekContext } from './dek-context.ts'
import type { KeyPolicy } from './key-policy.ts'
import { type KeyRing, type RingEntry, RingError } from './key-ring.ts'
import { inOrder, openRecord } from './key-ring-open.ts'
import type { RingRecord } from './key-ring-record.ts'
import { type Kms, type ReEncryptingKms, WrappedKeyError } from './kms/kms.ts'
import { KmsError, SIGN_IN_REFUSED } from './kms/kms-error.ts'
import { PacedKms } from './paced-kms.ts'

export interface RewrapOptions {
  readonly ring: KeyRing
  readonly kms: Kms
  /** Who can move a wrapped key between two CMKs by itself, if anybody can. */
  readonly reEncrypting: (from: string, to: string) => ReEncryptingKms | null
  readonly policy: KeyPolicy
  /** Of buckets. */
  readonly pattern: string
  /** Nothing is wrapped and nothing is written. */
  readonly dryRun: boolean
  /** False where the caller may only ReEncrypt: what is found and what is made is then taken as it is, and its first reader checks it. */
  readonly decrypt: boolean
  /** Calls to key services on the network. */
  readonly callsPerSecond: number
  /** Told whenever a DEK is done with, and how many there are. */
  readonly onProgress?: (total: number) => void
  readonly pause?: (ms: number) => Promise<unknown>
}

export interface RewrapReport {
  /** DEKs of these buckets in the ring. */
  readonly dataKeys: number
  /** Of them, those that were under their bucket's current CMK already. */
  readonly current: number
  /** Those that were moved there, or would be. */
  readonly moved: number
  readonly moves: readonly RewrapMoves[]
  readonly failed: number
  /** The first hundred. */
  readonly failures: readonly RewrapFailure[]
  /** Names in the ring that are none of a record. */
  readonly strangers: number
  /** Why not all was looked at; null if all was. */
  readonly stopped: string | null
}

export interface RewrapMoves {
  readonly from: string
  readonly to: string
  dataKeys: number
  /** Of them, those that the key service moved by itself. */
  reEncrypted: number
}

export interface RewrapFailure {
  readonly bucket: string
  readonly dekId: string
  readonly reason: string
}

/** With the key services held to their pace. */
type Run = Omit<RewrapOptions, 'kms'> & { readonly kms: PacedKms }

type Outcome =
  | { readonly kind: 'current' }
  | { readonly kind: 'moved'; readonly from: string; readonly to: string; readonly isReEncrypted: boolean }
  | { readonly kind: 'failed'; readonly reason: string }

const WORKERS = 8
const MAX_FAILURES = 100
/** How long a service that does not answer is waited for, time after time, before the run is given up. */
const PATIENCE_MS = [1000, 2000, 5000, 10_000, 20_000]
/** So often may somebody else who rewraps the same DEK be faster. */
const MAX_RACES = 5

/**
 * Moves every DEK of the ring that has no good record under its bucket's current CMK there, by one more record. It may be stopped at any
 * moment, run again, and run twice at once: records are only added, and what is done is skipped.
 */
export async function rewrap(options: RewrapOptions): Promise<RewrapReport> {
  const { ring, pattern, onProgress } = options
  const run: Run = { ...options, kms: new PacedKms(options.kms, options.callsPerSecond) }
  const matches = bucketPattern(pattern)
  const prefix = pattern.includes('*') ? patternPrefix(pattern) : `${pattern}/`
  const tally = new Tally()
  for await (const { bucket } of ring.entries(prefix, () => tally.addStranger()))
    if (matches(bucket)) tally.dataKeys += 1
  const entries = ring.entries(prefix)
  const worker = async () => {
    for await (const entry of entries) {
      if (tally.stopped !== null) return
      if (!matches(entry.bucket)) continue
      const outcome = await patiently(() => rewrapOne(run, entry), options.pause ?? sleep, tally)
      if (outcome === null) return
      tally.add(entry, outcome)
      onProgress?.(tally.dataKeys)
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, worker))
  return tally.report()
}

/** What passes is waited for; null if it does not. */
async function patiently(
  work: () => Promise<Outcome>,
  pause: (ms: number) => Promise<unknown>,
  tally: Tally,
): Promise<Outcome | null> {
  for (const waitMs of [...PATIENCE_MS, null]) {
    try {
      return await work()
    } catch (error) {
      const nobodyIsLetIn = isSignInRefused(error)
      if (!isPassing(error) && !nobodyIsLetIn) throw error
      if (waitMs === null || nobodyIsLetIn) tally.stopped ??= reasonOf(error)
      else await pause(waitMs)
    }
    if (tally.stopped !== null) return null
  }
  return null
}

async function rewrapOne(run: Run, entry: RingEntry): Promise<Outcome> {
  const { ring, policy } = run
  const cmks = policy(entry.bucket)
  for (let numbers = entry.numbers, race = 0; race < MAX_RACES; race += 1) {
    const records = (await ring.read({ ...entry, numbers })).map(({ record }) => record)
    const candidates = inOrder(records, cmks)
    const attempt = await firstThatWorks(candidates, (record) =>
      record.cmkId === cmks.cmk ? confirm(run, record) : move(run, record, cmks.cmk, numbers),
    )
    if (attempt === null) return { kind: 'failed', reason: whyNone(records) }
    if (attempt !== 'overtaken') return attempt
    numbers = await ring.numbersOf(entry)
  }
  return { kind: 'failed', reason: 'others are adding records of it all the time; run rewrap again' }
}

/** Null without candidates. */
async function firstThatWorks<T extends Outcome | 'overtaken'>(
  candidates: readonly RingRecord[],
  attempt: (record: RingRecord) => Promise<T>,
): Promise<T | Outcome | null> {
  const reasons = new Set<string>()
  for (const record of candidates) {
    try {
      return await attempt(record)
    } catch (error) {
      if (isPassing(error) || !isOfOneRecord(error)) throw error
      reasons.add(`its record under ${record.cmkId}: ${reasonOf(error)}`)
    }
  }
  return reasons.size === 0 ? null : { kind: 'failed', reason: [...reasons].join('; ') }
}

async function confirm({ kms, decrypt }: Run, record: RingRecord): Promise<Outcome> {
  if (decrypt) await prove(kms, record)
  return { kind: 'current' }
}

async function move(
  run: Run,
  record: RingRecord,
  to: string,
  numbers: readonly number[],
): Promise<Outcome | 'overtaken'> {
  const { ring, kms, dryRun, decrypt } = run
  const { cmkId: from } = record
  const service = run.reEncrypting(from, to)
  if (service === null && !decrypt)
    throw new RingError(
      `no key service re-encrypts from ${from} to ${to} by itself: it takes Decrypt and Encrypt, without --no-decrypt`,
    )
  if (dryRun) {
    if (decrypt) await prove(kms, record)
    return { kind: 'moved', from, to, isReEncrypted: service !== null }
  }
  const reEncrypted = service === null ? null : await reEncrypt(run, service, record, to)
  const moved = { ...record, cmkId: to, wrapped: reEncrypted ?? (await wrapAnew(kms, record, to)) }
  // Before it is written: a record cannot be taken back.
  if (decrypt) await prove(kms, moved)
  if ((await ring.append(numbers, moved)) === null) return 'overtaken'
  return { kind: 'moved', from, to, isReEncrypted: reEncrypted !== null }
}

/** Null if the service does not allow it, and the DEK may be unwrapped instead. */
async function reEncrypt(
  { kms, decrypt }: Run,
  service: ReEncryptingKms,
  record: RingRecord,
  to: string,
): Promise<Buffer | null> {
  try {
    return await kms.reEncrypt(service, record.wrapped, record.cmkId, to, dekContext(record))
  } catch (error) {
    if (decrypt && error instanceof KmsError && error.fault === 'denied') return null
    throw error
  }
}

async function wrapAnew(kms: Kms, record: RingRecord, to: string): Promise<Buffer> {
  const dek = await openRecord(kms, record)
  try {
    return await kms.encrypt(to, dek, dekContext(record))
  } finally {
    dek.fill(0)
  }
}

async function prove(kms: Kms, record: RingRecord): Promise<void> {
  const dek = await openRecord(kms, record)
  dek.fill(0)
}

function whyNone(records: readonly RingRecord[]): string {
  const [first] = records
  return first === undefined
    ? 'its records in the ring are damaged; sealgate keys import brings them back from a backup'
    : `its CMK ${first.cmkId} is not allowed for this bucket: name it under retired in the rule for the bucket`
}

function isPassing(error: unknown): boolean {
  if (error instanceof SealgateError) return error.status === 503
  return error instanceof KmsError && error.passing
}

/** Another record of the same DEK may fare better. Anything else is a bug, or a store that refuses. */
function isOfOneRecord(error: unknown): boolean {
  if (isSignInRefused(error)) return false
  return error instanceof WrappedKeyError || error instanceof KmsError || error instanceof RingError
}

/** All other data keys would fail in the same way, and the service may count the tries. */
function isSignInRefused(error: unknown): boolean {
  return error instanceof KmsError && error.code === SIGN_IN_REFUSED
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** What a run came to so far. */
class Tally {
  dataKeys = 0
  stopped: string | null = null
  readonly #moves = new Map<string, RewrapMoves>()
  readonly #failures: RewrapFailure[] = []
  #current = 0
  #moved = 0
  #failed = 0
  #strangers = 0

  addStranger(): void {
    this.#strangers += 1
  }

  add({ bucket, dekId }: RingEntry, outcome: Outcome): void {
    if (outcome.kind === 'current') {
      this.#current += 1
    } else if (outcome.kind === 'failed') {
      this.#failed += 1
      if (this.#failures.length < MAX_FAILURES)
        this.#failures.push({ bucket, dekId: dekId.toString('hex'), reason: outcome.reason })
    } else {
      this.#moved += 1
      const { from, to, isReEncrypted } = outcome
      const key = JSON.stringify([from, to])
      const moves = this.#moves.get(key) ?? { from, to, dataKeys: 0, reEncrypted: 0 }
      this.#moves.set(key, moves)
      moves.dataKeys += 1
      if (isReEncrypted) moves.reEncrypted += 1
    }
  }

  report(): RewrapReport {
    return {
      dataKeys: this.dataKeys,
      current: this.#current,
      moved: this.#moved,
      moves: [...this.#moves.values()],
      failed: this.#failed,
      failures: this.#failures,
      strangers: this.#strangers,
      stopped: this.stopped,
    }
  }
}
