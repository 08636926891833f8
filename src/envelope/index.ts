export {
  ENVELOPE_METADATA_NAME,
  MAX_PARTS,
  MAX_PLAIN_SIZE,
  MAX_SEALED_FOOTER,
  MIN_PART_SIZE,
  SALT_SIZE,
  SEGMENT_SIZE,
  TRAILER_SIZE,
} from './constants.ts'
export {
  type Binding,
  type CustomerEnvelope,
  type DekEnvelope,
  type Envelope,
  isCustomerKeyOf,
  type ObjectKind,
  openEnvelope,
  parseEnvelope,
  type SealingKey,
  sealEnvelope,
  type WrappedDek,
} from './envelope.ts'
export {
  endsLikeSealed,
  type Footer,
  type FooterChecksums,
  type FooterPart,
  layoutParts,
  openFooter,
  type PartLayout,
} from './footer.ts'
export { integrityError } from './integrity-error.ts'
export { boundHeaders, metadataHash } from './metadata-hash.ts'
export { ObjectKey } from './object-key.ts'
export { openRange, storedRange, verifyPadding } from './open.ts'
export { openPartRecord, type PartRecord, sealPartRecord } from './part-record.ts'
export { sealFooter, sealObject, sealPart } from './seal.ts'
export { maxPartCount, maxPlainSize, plainSize, segmentCount, segmentsSize, storedSize } from './size.ts'
export type { UploadRef } from './upload-ref.ts'
export { openUploadState, readUploadStateEnvelope, sealUploadState } from './upload-state.ts'
