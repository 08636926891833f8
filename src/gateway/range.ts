import { SealgateError } from '../errors.ts'

/** What a client asks of a body. Offsets of plaintext, inclusive. */
export type RangeRequest =
  | { readonly kind: 'closed'; readonly start: number; readonly end: number }
  | { readonly kind: 'open'; readonly start: number }
  | { readonly kind: 'suffix'; readonly length: number }
  | { readonly kind: 'part'; readonly partNumber: number }

/** Offsets of plaintext, both inclusive; an empty slice has end = start - 1. */
export interface Slice {
  readonly start: number
  readonly end: number
}

/** Cuts a range to the object; what begins behind the end is InvalidRange with `bytes * / size` (RFC 9110 section 14.4). */
export function resolveRange(range: Exclude<RangeRequest, { kind: 'part' }>, size: number): Slice {
  const slice = cut(range, size)
  if (slice.start >= size) {
    throw new SealgateError('InvalidRange', undefined, {
      headers: { 'content-range': `bytes */${size}` },
      details: { ActualObjectSize: String(size) },
    })
  }
  return slice
}

function cut(range: Exclude<RangeRequest, { kind: 'part' }>, size: number): Slice {
  if (range.kind === 'closed') return { start: range.start, end: Math.min(range.end, size - 1) }
  if (range.kind === 'open') return { start: range.start, end: size - 1 }
  // The last zero bytes cannot be had: that is unsatisfiable, as is any suffix of an empty object.
  return range.length === 0
    ? { start: size, end: size - 1 }
    : { start: Math.max(0, size - range.length), end: size - 1 }
}
