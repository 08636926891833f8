import { type ConditionSupport, NEITHER, NO_CONDITIONS, type StorageCapabilities } from '../capabilities.ts'
import type { BodyIntegrity } from './upload-body.ts'

/** What one S3 server does of what S3 describes: found out by `probe`, and shown to the operator as it is. */
export interface WireCapabilities extends StorageCapabilities {
  /** Of `conditions`, those that are enforced also where the bucket has or had versions. */
  readonly versionedConditions: StorageCapabilities['conditions']
  /** x-amz-copy-source-if-match is checked, so that a copy is pinned by one call. */
  readonly copySourceIfMatch: boolean
  /** Conditions on CopyObject itself; `conditions.copy` is what copies have altogether. */
  readonly copyObject: ConditionSupport
  /** The source of UploadPartCopy is decoded twice, so that a % in a key must be encoded twice. */
  readonly decodesPartSource: boolean
  /** How uploads are sent; null where it is another checksum that vouches for them. */
  readonly integrity: BodyIntegrity | null
  /** `/a` is another object than `a`; where it is not, names that begin with a slash are refused. */
  readonly leadingSlash: boolean
  /** `a//b` and `a/./b` are other objects than `a/b`, or refused; where they are not, names with such parts are refused. */
  readonly emptyParts: boolean
  /** Lists show names that XML cannot hold; where they show others, such names are refused. */
  readonly unprintableNames: boolean
  /** If-Match of a write must come without quotes. */
  readonly bareIfMatch: boolean
  /** Names in a list of uploads are encoded though the list does not say so. */
  readonly encodesUploads: boolean
  /** A list of uploads with a delimiter shows common prefixes. */
  readonly foldsUploads: boolean
  /** A list of parts goes on behind its marker, also where no part has that number. */
  readonly listsBehindNoPart: boolean
  /** To abort an upload that is not there succeeds, so it has to be looked for. */
  readonly abortsUnknown: boolean
  /** Lists of objects go on behind a token (ListObjectsV2); otherwise behind a name. */
  readonly pagesByToken: boolean
  /** Lists fold by any delimiter; otherwise by a slash alone. */
  readonly anyDelimiter: boolean
  /** A name of metadata keeps its `_`. */
  readonly underscores: boolean
  /** A name of metadata keeps what is neither letter, digit, `-` nor `_`. */
  readonly punctuation: boolean
  /** User metadata that an object can have, the envelope included. */
  readonly metadataBytes: number
}

/** What holds of a server that nobody has asked. */
export const UNPROBED: WireCapabilities = {
  conditions: NO_CONDITIONS,
  versionedConditions: NO_CONDITIONS,
  headers: {},
  listsUploads: false,
  versions: false,
  copySourceIfMatch: false,
  copyObject: NEITHER,
  decodesPartSource: false,
  integrity: { signedChunks: true, checksum: false },
  leadingSlash: true,
  emptyParts: true,
  unprintableNames: true,
  bareIfMatch: false,
  encodesUploads: false,
  foldsUploads: false,
  listsBehindNoPart: false,
  abortsUnknown: true,
  listsWrites: false,
  partGaps: true,
  pagesByToken: true,
  anyDelimiter: true,
  underscores: false,
  punctuation: true,
  metadataBytes: 2048,
}
