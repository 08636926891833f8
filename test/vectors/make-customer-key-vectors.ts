/** Prints vectors of objects under a customer's own key: `node test/vectors/make-customer-key-vectors.ts > test/vectors/customer-key.json`. */
import { ObjectKey, sealEnvelope } from '../../src/envelope/index.ts'
import { BINDING, bytesOf, sealedMultipart, sealedObject } from '../envelope/helpers.ts'

const customerKey = bytesOf(32, 'customer key')
const vectors = []
for (const [kind, size] of [
  ['single', 0],
  ['single', 100],
  ['multipart', 70_000],
] as const) {
  const oek = bytesOf(32, `oek of ${kind} ${size}`)
  const objectKey = ObjectKey.from(oek)
  const data = bytesOf(size, 'data')
  const plainSize = kind === 'single' ? size : null
  const metadataHash = bytesOf(32, 'meta')
  const object = kind === 'single' ? sealedObject(objectKey, data) : sealedMultipart(objectKey, [data])
  vectors.push({
    name: `${kind} of ${size} bytes under a customer key`,
    sections: '4, 5, 5.4, 6',
    binding: BINDING,
    customerKey: customerKey.toString('hex'),
    oek: oek.toString('hex'),
    plaintextSeed: 'data',
    size,
    envelope: sealEnvelope({ customerKey, objectKey, kind, plainSize, metadataHash, binding: BINDING }),
    object: (await object).toString('base64'),
  })
}
process.stdout.write(`${JSON.stringify(vectors, null, 1)}\n`)
