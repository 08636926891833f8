import {
  FIXED_COST,
  MAX_PARTS,
  MIN_PART_SIZE,
  MIN_STORED_SIZE,
  PART_COST,
  SEGMENT_SIZE,
  TAG_SIZE,
} from './constants.ts'

/**
 * L(P): the stored length of an object of `plain` bytes, however it was uploaded (FORMAT.md section 3).
 * Strictly increasing; `plainSize` is its inverse.
 */
export function storedSize(plain: number): number {
  return segmentsSize(plain) + PART_COST * maxPartCount(plain) + FIXED_COST
}

/** P of a stored length, or null if no plaintext has this stored length. */
export function plainSize(stored: number): number | null {
  if (!Number.isSafeInteger(stored) || stored < MIN_STORED_SIZE || stored > SIZE_LIMIT) return null
  const plain = maxPlainSize(stored)
  return storedSize(plain) === stored ? plain : null
}

/** The largest plaintext whose stored length is at most `storedLimit` bytes. */
export function maxPlainSize(storedLimit: number): number {
  requireSize(storedLimit)
  if (storedLimit < MIN_STORED_SIZE)
    throw new RangeError(`expected at least ${MIN_STORED_SIZE}, got ${storedLimit}`)
  let low = 0
  let high = storedLimit
  while (low < high) {
    const middle = low + Math.ceil((high - low) / 2)
    if (storedSize(middle) <= storedLimit) low = middle
    else high = middle - 1
  }
  return low
}

/** Stored length of the segments of one part of `plain` bytes. An empty part is one empty segment. */
export function segmentsSize(plain: number): number {
  return plain + TAG_SIZE * segmentCount(plain)
}

/** Segments of one part of `plain` bytes: at least one. */
export function segmentCount(plain: number): number {
  requireSize(plain)
  return Math.max(1, Math.ceil(plain / SEGMENT_SIZE))
}

/** M(P): the most parts that an object of `plain` bytes can have. */
export function maxPartCount(plain: number): number {
  requireSize(plain)
  return Math.min(MAX_PARTS, Math.floor(plain / MIN_PART_SIZE) + 1)
}

function requireSize(bytes: number): void {
  if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes > SIZE_LIMIT)
    throw new RangeError(`expected a size in bytes, got ${bytes}`)
}

/** 4 PiB, far beyond what any store takes: leaves room for the overhead without leaving the safe integers. */
const SIZE_LIMIT = 2 ** 52
