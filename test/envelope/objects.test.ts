import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  layoutParts,
  metadataHash,
  openEnvelope,
  openFooter,
  openRange,
  plainSize,
  segmentsSize,
  verifyPadding,
} from '../../src/envelope/index.ts'
import { SealgateError } from '../../src/errors.ts'
import { WrappedKeyError } from '../../src/keys/kms/kms.ts'
import { KmsError } from '../../src/keys/kms/kms-error.ts'
import { LocalKms } from '../../src/keys/kms/local.ts'
import { parseDekEnvelope } from '../lib/dek-envelope.ts'
import vectors from '../vectors/objects.json' with { type: 'json' }
import { bytesOf, collect } from './helpers.ts'

const { keyring } = vectors
const kms = new LocalKms({
  realm: keyring.realm,
  current: keyring.current,
  keys: new Map(keyring.keys.map(({ id, key }) => [id, Buffer.from(key, 'base64')])),
})

interface Vector {
  readonly bucket: string
  readonly key: string
  readonly attributes: {
    readonly headers: Readonly<Record<string, string>>
    readonly metadata: Readonly<Record<string, string>> & { readonly sealgate: string }
  }
  readonly object: string
}

/** All that FORMAT.md section 8 asks of a reader, in its order; the body comes in chunks of the given size. */
async function open({ bucket, key, attributes, object }: Vector, chunkSize: number): Promise<Buffer> {
  const stored = Buffer.from(object, 'base64')
  const envelope = parseDekEnvelope(attributes.metadata.sealgate)
  const context = { realm: keyring.realm, bucket, dekId: envelope.dekId.toString('hex') }
  const dek = await kms.decrypt(envelope.cmkId, envelope.wrapped, context)
  const objectKey = openEnvelope(envelope, dek, { realm: keyring.realm, bucket, key })
  refuseUnless(envelope.metadataHash.equals(metadataHash(attributes.headers, attributes.metadata)))
  const size = plainSize(stored.length)
  refuseUnless(size !== null && (envelope.plainSize ?? size) === size)
  const opened = openFooter(objectKey, stored, stored.length)
  if (!('footer' in opened)) throw new SealgateError('ObjectIntegrityError')
  const { footer } = opened
  refuseUnless((envelope.kind === 'single') === (footer.parts.length === 0))
  const parts = layoutParts(footer)
  const data = parts.reduce((sum, part) => sum + part.storedSize, 0)
  const body = inChunks(stored.subarray(0, data), chunkSize)
  const plain = await collect(
    openRange({ objectKey, parts, start: 0, endInclusive: footer.plainSize - 1, body }),
  )
  verifyPadding(stored.subarray(data))
  assert.equal(
    data,
    parts.reduce((sum, part) => sum + segmentsSize(part.plainSize), 0),
  )
  return plain
}

async function* inChunks(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

function refuseUnless(holds: boolean): void {
  if (!holds) throw new SealgateError('ObjectIntegrityError')
}

function isRefusal(error: unknown): boolean {
  return (
    error instanceof KmsError ||
    error instanceof WrappedKeyError ||
    (error instanceof SealgateError && error.kind === 'ObjectIntegrityError')
  )
}

describe('stored objects, whole', () => {
  for (const vector of vectors.opens) {
    it(`opens ${vector.name}, in one chunk, in pieces and byte by byte`, async () => {
      const plain = bytesOf(vector.size, vector.seed)
      for (const chunkSize of [1 << 20, 65_536, 1000, ...(vector.size < 1000 ? [1] : [])]) {
        assert.ok((await open(vector, chunkSize)).equals(plain), `chunks of ${chunkSize}`)
      }
    })
  }
  for (const vector of vectors.refused) {
    it(`refuses ${vector.name} (section ${vector.section})`, async () => {
      await assert.rejects(open(vector, 1 << 20), isRefusal)
    })
  }
})
