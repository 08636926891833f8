import type { ChecksumAlgorithm } from '../base/checksum-algorithm.ts'

/** Every number of FORMAT.md, with the document's name and section. */

/** S: plaintext bytes per segment (section 4). */
export const SEGMENT_SIZE = 65_536
/** Length of an AES-256-GCM tag. */
export const TAG_SIZE = 16
/** A full segment as stored: S + tag. */
export const SEALED_SEGMENT_SIZE = SEGMENT_SIZE + TAG_SIZE
export const KEY_SIZE = 32
export const SALT_SIZE = 32
export const NONCE_SIZE = 12
export const HASH_SIZE = 32

/** S3's smallest part, except for the last (section 3). */
export const MIN_PART_SIZE = 5 * 1024 * 1024
/** S3's largest part number and count. */
export const MAX_PARTS = 10_000
/** E: one entry of the part table (section 6). */
export const PART_ENTRY_SIZE = 96 - TAG_SIZE
/** K: what one more part may cost: its own short segment and its entry. */
export const PART_COST = 96
/** C: trailer 40 + tag 16 + at most 200 bytes of fixed footer fields. */
export const FIXED_COST = 256
/** Clear bytes at the very end of an object: footer salt 32, length 4, magic 4. */
export const TRAILER_SIZE = 40
/** Largest sealed footer with its trailer: 80 · 10000 + 256. */
export const MAX_SEALED_FOOTER = PART_ENTRY_SIZE * MAX_PARTS + FIXED_COST
/** Length of the smallest stored object, L(0). */
export const MIN_STORED_SIZE = TAG_SIZE + PART_COST + FIXED_COST
/** Largest plaintext whose L fits into 10000 parts of 5 GiB (AWS, "Amazon S3 multipart upload limits"). */
export const MAX_PLAIN_SIZE = 53_673_986_239_184

export const FORMAT_VERSION = 1
/** HKDF-SHA-256 and AES-256-GCM: the only suite of version 1. */
export const SUITE = 1
export const KIND = { single: 1, multipart: 2 } as const
/** Who holds the key that seals the OEK: the key service, or the customer alone. */
export const KEY_SOURCE = { dek: 1, customer: 2 } as const
export const DEK_ID_SIZE = 16
export const SEALED_OEK_SIZE = KEY_SIZE + TAG_SIZE
/** AWS KMS answers at most 6144 bytes of CiphertextBlob; no KMS in use comes near. */
export const MAX_WRAPPED_DEK_SIZE = 6_144
/** Name of the user metadata entry that holds the envelope. */
export const ENVELOPE_METADATA_NAME = 'sealgate'

export const FOOTER_MAGIC = 'SGF1'
/** Tags of the footer's checksum list and of part records (sections 6 and 9.1). */
export const CHECKSUM_ID = {
  CRC32: 1,
  CRC32C: 2,
  CRC64NVME: 3,
  SHA1: 4,
  SHA256: 5,
} as const satisfies Record<ChecksumAlgorithm, number>
export const MD5_ID = 6
export const MD5_SIZE = 16

/** HKDF info strings (section 2). */
export const LABEL = {
  objectKey: 'sealgate/1 oek',
  customerObjectKey: 'sealgate/1 customer oek',
  customerCheck: 'sealgate/1 customer check',
  commitment: 'sealgate/1 commit',
  part: 'sealgate/1 part',
  footer: 'sealgate/1 footer',
  state: 'sealgate/1 state',
} as const

/** Types of state record, the byte behind the label "sealgate/1 state" (section 9). */
export const STATE_TYPE = { part: 1, init: 2, done: 3 } as const
