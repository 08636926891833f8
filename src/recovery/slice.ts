import { RecoveryError } from './recovery-error.ts'

/** Offsets of plaintext, both inclusive; an empty object is (0, -1). */
export interface Slice {
  readonly start: number
  readonly end: number
}

/** A start without an end goes to the end of the object; an end without a start is the last so many bytes. */
export type RangeRequest = { readonly start: number; readonly end: number | null } | { readonly last: number }

/** `A-B`, `A-` or `-N`, as in an HTTP Range header; null for anything else. */
export function parseRange(text: string): RangeRequest | null {
  const [, start, end] = /^(?:bytes=)?(\d{0,15})-(\d{0,15})$/.exec(text.trim()) ?? []
  if (start === undefined || end === undefined || (start === '' && end === '')) return null
  if (start === '') return { last: Number(end) }
  if (end === '') return { start: Number(start), end: null }
  return Number(start) <= Number(end) ? { start: Number(start), end: Number(end) } : null
}

/** What the object has of a range; RecoveryError if that is nothing. */
export function resolveRange(name: string, range: RangeRequest, size: number): Slice {
  const slice =
    'last' in range
      ? { start: Math.max(0, size - range.last), end: size - 1 }
      : { start: range.start, end: Math.min(range.end ?? size - 1, size - 1) }
  if (slice.start <= slice.end) return slice
  throw new RecoveryError('range', `${name}: has ${size} bytes, and the range asks for others.`)
}
