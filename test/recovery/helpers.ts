import assert from 'node:assert/strict'
import { ENVELOPE_METADATA_NAME } from '../../src/envelope/index.ts'
import type { RecoveryKeys } from '../../src/recovery/open-sealed.ts'
import { beginReading, drain } from '../../src/recovery/reading.ts'
import { type Finding, RecoveryError } from '../../src/recovery/recovery-error.ts'
import type { Attributes, SealedBytes, SealedObject } from '../../src/recovery/sealed-object.ts'
import type { RangeRequest } from '../../src/recovery/slice.ts'
import type { Storage } from '../../src/storage/storage.ts'
import type { TestGateway } from '../lib/gateway.ts'

/** What a store has of an object, in memory, to be altered. */
export interface Stored extends Attributes {
  readonly bytes: Buffer
}

export async function storedOf(storage: Storage, bucket: string, key: string): Promise<Stored> {
  const { object, body } = await storage.getObject({ bucket, key })
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return { headers: object.headers, metadata: object.metadata, bytes: Buffer.concat(chunks) }
}

/** The bytes come in chunks of `chunkSize`. */
export function sealedOf({ headers, metadata, bytes }: Stored, chunkSize = 100_000): SealedObject {
  return {
    name: 'object',
    envelope: metadata[ENVELOPE_METADATA_NAME] ?? '',
    attributes: [{ headers, metadata }],
    size: bytes.length,
    read: async (start, end) => streamOf(bytes.subarray(start, end + 1), chunkSize),
  }
}

/** What is given back is spoilt: whoever still looks at it fails. */
export function streamOf(bytes: Buffer, chunkSize = 100_000): SealedBytes {
  async function* chunks(): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += chunkSize) yield Buffer.from(bytes.subarray(at, at + chunkSize))
  }
  const body = chunks()
  return {
    [Symbol.asyncIterator]: () => body,
    release: (chunk) => void chunk.fill(0xee),
    destroy: () => undefined,
  }
}

export function keysOf({ gateway }: TestGateway, more: Partial<RecoveryKeys> = {}): RecoveryKeys {
  const { keys, realm } = gateway
  return {
    realm,
    allows: () => true,
    decrypting: (bucket, wrapped) => keys.decrypting(bucket, wrapped),
    ...more,
  }
}

/** The plaintext, and what was confirmed. */
export async function read(
  keys: RecoveryKeys,
  name: { readonly bucket: string; readonly key: string },
  sealed: SealedObject,
  range: RangeRequest | null = null,
) {
  const reading = await beginReading(keys, name, sealed, range)
  const chunks: Buffer[] = []
  const checksums = await drain(reading.plain, async (chunk) => void chunks.push(chunk))
  reading.object.objectKey.destroy()
  return { plain: Buffer.concat(chunks), checksums, reading }
}

/** It fails with this finding, in a sentence that names the object. */
export function finds(promise: Promise<unknown>, finding: Finding, text = /./): Promise<void> {
  return assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof RecoveryError, String((error as Error).stack))
    assert.equal(error.finding, finding, error.message)
    assert.match(error.message, text)
    return true
  })
}
