import { LRUCache } from 'lru-cache'
import type { ChecksumAlgorithm } from '../base/checksum-algorithm.ts'
import type { ObjectKey } from '../envelope/index.ts'
import type { ChecksumType } from './checksum.ts'
import type { EncryptionAnswer } from './encryption.ts'
import type { ObjectMarks } from './marks.ts'

/** How an upload began. */
export interface UploadInit {
  readonly objectKey: ObjectKey
  /** Of the object that will be. */
  readonly envelope: string
  /**
   * Of the upload's records, under the data key. The same as the object's, but where that is under a customer's key: Complete has to go on
   * without it, as clients do not send it then.
   */
  readonly stateEnvelope: string
  readonly encryption: EncryptionAnswer
  /** The data key that its bytes count for. */
  readonly dekId: Buffer
  readonly checksumAlgorithm: ChecksumAlgorithm | null
  readonly checksumType: ChecksumType | null
  /** What the object is to have beside it. */
  readonly marks?: ObjectMarks | undefined
}

/** Opened uploads, so that a part costs no extra read. Bounded in entries and age; a key that leaves may still be in use, so it is left to the garbage collector. */
export class UploadKeyCache extends LRUCache<string, UploadInit> {
  constructor() {
    super({ max: 10_000, ttl: 60 * 60 * 1000 })
  }
}
