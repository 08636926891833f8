import { ENVELOPE_METADATA_NAME } from '../../src/envelope/index.ts'
import { parseDekEnvelope } from '../lib/dek-envelope.ts'
import type { StoredObject } from './deployment.ts'

/** What lies beside an object in its metadata. */
export class Envelope {
  readonly text: string
  /** As KMS gave it. */
  readonly wrappedKey: string
  readonly cmk: string

  private constructor(text: string) {
    const { wrapped, cmkId } = parseDekEnvelope(text)
    this.text = text
    this.wrappedKey = wrapped.toString()
    this.cmk = cmkId
  }

  static of({ headers }: StoredObject): Envelope {
    return new Envelope(headers[`x-cos-meta-${ENVELOPE_METADATA_NAME}`] ?? '')
  }
}
