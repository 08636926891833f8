import type { ReleasableBytes } from '../base/stored-reader.ts'

/** What a store keeps beside the bytes: lower-case names, latin1 values, metadata without `x-amz-meta-`. */
export interface Attributes {
  readonly headers: Readonly<Record<string, string>>
  readonly metadata: Readonly<Record<string, string>>
}

/** Stored bytes on their way; consumed to the end or destroyed. */
export interface SealedBytes extends ReleasableBytes {
  destroy(): unknown
}

/** An object as a store keeps it, wherever it lies now. */
export interface SealedObject {
  /** For messages: a path, or s3://bucket/key. */
  readonly name: string
  /** The metadata entry `sealgate`. */
  readonly envelope: string
  /** Every way in which what was given may be read; one of them has to be what was sealed. Empty if nothing was given. */
  readonly attributes: readonly Attributes[]
  /** Stored bytes. */
  readonly size: number
  /** Stored bytes from `start` to `end`, both inclusive. */
  read(start: number, end: number): Promise<SealedBytes>
}
