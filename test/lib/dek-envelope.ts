import assert from 'node:assert/strict'
import { type DekEnvelope, parseEnvelope } from '../../src/envelope/index.ts'

/** An envelope that opens with a data key. */
export function parseDekEnvelope(text: string | undefined): DekEnvelope {
  const envelope = parseEnvelope(text ?? '')
  assert.ok(envelope.keySource === 'dek')
  return envelope
}
