/**
 * Prints vectors of the object format: `node test/vectors/make-envelope-vectors.ts > test/vectors/envelope.json`.
 * Keys are fixed; salts are random and lie in the output, which is what a reader needs.
 */
import { ObjectKey, sealEnvelope, sealPartRecord } from '../../src/envelope/index.ts'
import { BINDING, bytesOf, sealedObject } from '../envelope/helpers.ts'

const vectors = []
for (const size of [0, 1, 100, 65_536, 65_537]) {
  const oek = bytesOf(32, `oek ${size}`)
  const dek = bytesOf(32, `dek ${size}`)
  const objectKey = ObjectKey.from(oek)
  const data = bytesOf(size, 'data')
  const wrapped = { dekId: bytesOf(16, 'id'), cmkId: 'alias/vector', wrapped: bytesOf(60, 'wrapped') }
  const kind = { kind: 'single', plainSize: size } as const
  const metadataHash = bytesOf(32, 'meta')
  const fields = { dek: { ...wrapped, plaintext: dek }, objectKey, ...kind, metadataHash, binding: BINDING }
  const ref = { ...BINDING, uploadId: 'upload-1' }
  const part = { partNumber: 7, time: 1_790_000_000_000, size, location: 'part', etag: 'etag' } as const
  const sum = { checksumAlgorithm: 'SHA1', checksum: bytesOf(20, 'sum'), salt: bytesOf(32, `salt ${size}`) } as const
  vectors.push({
    name: `single PUT of ${size} bytes`,
    sections: '4, 5, 6, 9.1',
    binding: BINDING,
    dek: dek.toString('hex'),
    oek: oek.toString('hex'),
    plaintextSeed: 'data',
    size,
    envelope: sealEnvelope(fields),
    object: (await sealedObject(objectKey, data)).toString('base64'),
    uploadId: 'upload-1',
    partRecord: sealPartRecord(objectKey, ref, { ...part, ...sum }),
  })
}
process.stdout.write(`${JSON.stringify(vectors, null, 1)}\n`)
