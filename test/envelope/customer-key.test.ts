import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import {
  type CustomerEnvelope,
  isCustomerKeyOf,
  ObjectKey,
  openEnvelope,
  parseEnvelope,
  sealEnvelope,
} from '../../src/envelope/index.ts'
import { isError } from '../../src/errors.ts'
import vectors from '../vectors/customer-key.json' with { type: 'json' }
import { BINDING } from './helpers.ts'

const customerKey = randomBytes(32)
const objectKey = ObjectKey.generate()
const metadataHash = randomBytes(32)
const seal = () =>
  sealEnvelope({ customerKey, objectKey, kind: 'single', plainSize: 5, metadataHash, binding: BINDING })
const isIntegrity = (error: unknown) => isError(error, 'ObjectIntegrityError')

function parse(text: string): CustomerEnvelope {
  const envelope = parseEnvelope(text)
  assert.ok(envelope.keySource === 'customer')
  return envelope
}

describe("an envelope under a customer's own key", () => {
  it('opens with that key, for its own name', () => {
    const envelope = parse(seal())
    assert.ok(isCustomerKeyOf(envelope, customerKey))
    assert.deepEqual(openEnvelope(envelope, customerKey, BINDING).commitment(), objectKey.commitment())
    for (const field of ['realm', 'bucket', 'key'] as const)
      assert.throws(() => openEnvelope(envelope, customerKey, { ...BINDING, [field]: 'other' }), isIntegrity)
  })

  it('tells another key, and never opens with it', () => {
    const envelope = parse(seal())
    assert.ok(!isCustomerKeyOf(envelope, randomBytes(32)))
    assert.throws(() => openEnvelope(envelope, randomBytes(32), BINDING), isIntegrity)
    assert.throws(() => openEnvelope(envelope, randomBytes(16), BINDING), TypeError)
  })

  it('takes a fresh salt each time, so that two checks of one key have nothing in common', () => {
    const [a, b] = [parse(seal()), parse(seal())]
    assert.notDeepEqual(a.objectSalt, b.objectSalt)
    assert.notDeepEqual(a.customerCheck, b.customerCheck)
  })

  it('is refused with any bit of it changed, or cut at any length', () => {
    const bytes = Buffer.from(seal(), 'base64url')
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const bad = Buffer.from(bytes)
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      assert.throws(() => {
        const envelope = parseEnvelope(bad.toString('base64url'))
        openEnvelope(envelope, customerKey, BINDING)
        assert.ok(envelope.keySource === 'customer')
        if (!isCustomerKeyOf(envelope, customerKey))
          throw new TypeError('opened with a check that does not fit')
      }, isIntegrity)
    }
    for (let length = 0; length < bytes.length; length++)
      assert.throws(() => parseEnvelope(bytes.toString('base64url', 0, length)), isIntegrity)
  })

  for (const vector of vectors) {
    it(`the stored vector opens: ${vector.name}`, () => {
      const envelope = parse(vector.envelope)
      const key = Buffer.from(vector.customerKey, 'hex')
      assert.ok(isCustomerKeyOf(envelope, key))
      const same = ObjectKey.from(Buffer.from(vector.oek, 'hex'))
      assert.deepEqual(openEnvelope(envelope, key, vector.binding).commitment(), same.commitment())
    })
  }
})
