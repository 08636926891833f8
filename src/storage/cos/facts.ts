import type { WireCapabilities } from '../wire/capabilities.ts'

/** What COS documents of itself, whichever of its interfaces is spoken to; to try it would prove nothing. */
export const COS_FACTS = {
  // "When the uploaded part numbers are not consecutive … 400 InvalidPart."
  partGaps: false,
  anyDelimiter: false,
  punctuation: false,
  // Lists are eventually consistent.
  listsWrites: false,
  metadataBytes: 2048,
} as const satisfies Partial<WireCapabilities>
