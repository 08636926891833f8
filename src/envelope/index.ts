export * from './constants.ts'
export {
  type Binding,
  type Envelope,
  type ObjectKind,
  openEnvelope,
  parseEnvelope,
  sealEnvelope,
  type WrappedDek,
} from './envelope.ts'
export {
  type Footer,
  type FooterChecksums,
  type FooterPart,
  layoutParts,
  openFooter,
  type PartLayout,
} from './footer.ts'
export { integrityError } from './integrity-error.ts'
export { metadataHash } from './metadata-hash.ts'
export { ObjectKey } from './object-key.ts'
export { openRange, openSegments, storedRange, verifyPadding } from './open.ts'
export {
  openPartRecord,
  openUploadState,
  type PartRecord,
  readUploadStateEnvelope,
  sealPartRecord,
  sealUploadState,
  type UploadRef,
} from './part-record.ts'
export { sealFooter, sealObject, sealPart } from './seal.ts'
export { type SegmentRange, segmentRange } from './segment.ts'
export { maxPartCount, maxPlainSize, plainSize, segmentCount, segmentsSize, storedSize } from './size.ts'
