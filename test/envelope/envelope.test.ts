import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { ObjectKey, openEnvelope, parseEnvelope, sealEnvelope } from '../../src/envelope/index.ts'
import { parseDekEnvelope } from '../lib/dek-envelope.ts'
import { BINDING, isIntegrity } from './helpers.ts'

const dek = {
  dekId: randomBytes(16),
  cmkId: 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab',
  wrapped: randomBytes(184),
  plaintext: randomBytes(32),
}
const objectKey = ObjectKey.generate()
const fields = { dek, objectKey, kind: 'single', plainSize: 1234, binding: BINDING } as const
const seal = (): string => sealEnvelope({ ...fields, metadataHash: Buffer.alloc(32, 7) })

test('an envelope opens to the key that was sealed, with every field', () => {
  const envelope = parseDekEnvelope(seal())
  assert.equal(envelope.kind, 'single')
  assert.deepEqual(envelope.dekId, dek.dekId)
  assert.equal(envelope.cmkId, dek.cmkId)
  assert.deepEqual(envelope.wrapped, dek.wrapped)
  assert.equal(envelope.plainSize, 1234)
  assert.deepEqual(envelope.metadataHash, Buffer.alloc(32, 7))
  const opened = openEnvelope(envelope, dek.plaintext, BINDING)
  assert.deepEqual(opened.partKey(0, Buffer.alloc(0)), objectKey.partKey(0, Buffer.alloc(0)))
})

test('an AWS-sized envelope takes about 580 characters', () => {
  assert.ok(seal().length < 600)
})

test('a multipart envelope has no plaintext size', () => {
  const text = sealEnvelope({ ...fields, kind: 'multipart', plainSize: null, metadataHash: Buffer.alloc(32) })
  assert.equal(parseEnvelope(text).plainSize, null)
  openEnvelope(parseEnvelope(text), dek.plaintext, BINDING)
})

test('sealing the same key again shares no salt and no ciphertext', () => {
  const [a, b] = [parseEnvelope(seal()), parseEnvelope(seal())]
  assert.notDeepEqual(a.objectSalt, b.objectSalt)
  assert.notDeepEqual(a.sealedKey, b.sealedKey)
  assert.deepEqual(a.commitment, b.commitment)
})

test('every flipped bit of an envelope is refused', () => {
  const bytes = Buffer.from(seal(), 'base64url')
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const bad = Buffer.from(bytes)
    bad[bit >> 3]! ^= 1 << (bit & 7)
    assert.throws(
      () => openEnvelope(parseEnvelope(bad.toString('base64url')), dek.plaintext, BINDING),
      isIntegrity,
    )
  }
})

test('an envelope cut or extended at any length is refused', () => {
  const text = seal()
  const bytes = Buffer.from(text, 'base64url')
  for (let length = 0; length < bytes.length; length++)
    assert.throws(() => parseEnvelope(bytes.toString('base64url', 0, length)), isIntegrity)
  assert.throws(
    () => parseEnvelope(Buffer.concat([bytes, Buffer.alloc(1)]).toString('base64url')),
    isIntegrity,
  )
})

test('only the canonical text of an envelope is accepted', () => {
  const text = seal()
  const standard = Buffer.from(text, 'base64url').toString('base64')
  for (const bad of [
    `${text}=`,
    ` ${text}`,
    `${text}\n`,
    `${text.slice(0, 9)} ${text.slice(9)}`,
    `${standard}==`,
    '',
  ])
    assert.throws(() => parseEnvelope(bad), isIntegrity)
  assert.throws(() => parseEnvelope('A'.repeat(1_000_000)), isIntegrity)
})

test('stray low bits of the last character are refused', () => {
  const cmk = { ...dek, wrapped: randomBytes(dek.wrapped.length + 1) }
  for (const given of [dek, cmk]) {
    const text = sealEnvelope({ ...fields, dek: given, metadataHash: Buffer.alloc(32) })
    if (text.length % 4 === 0) continue
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const next = alphabet[alphabet.indexOf(text.at(-1)!) + 1]!
    assert.throws(() => parseEnvelope(text.slice(0, -1) + next), isIntegrity)
  }
})

test('an envelope does not open in another realm, bucket or key, nor with bytes moved between them', () => {
  const envelope = parseEnvelope(seal())
  for (const bad of [
    { ...BINDING, realm: 'realm-2' },
    { ...BINDING, bucket: 'photo' },
    { ...BINDING, key: `${BINDING.key} ` },
    { ...BINDING, bucket: `${BINDING.bucket}a`, key: BINDING.key.slice(1) },
    { ...BINDING, key: BINDING.key.normalize('NFD').toUpperCase() },
  ])
    assert.throws(() => openEnvelope(envelope, dek.plaintext, bad), isIntegrity)
  assert.throws(() => openEnvelope(envelope, randomBytes(32), BINDING), isIntegrity)
})

test('a key name with a lone surrogate is refused rather than taken for another', () => {
  assert.throws(
    () => sealEnvelope({ ...fields, metadataHash: Buffer.alloc(32), binding: { ...BINDING, key: '\ud800' } }),
    TypeError,
  )
})

test('an object key prints as [secret] and is of no use once destroyed', () => {
  const key = ObjectKey.from(Buffer.alloc(32, 0x41))
  for (const shown of [
    inspect(key),
    inspect({ key }, { showHidden: true }),
    JSON.stringify({ key }),
    `${key}`,
  ]) {
    assert.match(shown, /\[secret\]/)
    assert.doesNotMatch(shown, /AAAA|41 41|4141|QUFB/)
  }
  key.destroy()
  key.destroy()
  assert.throws(() => key.commitment(), TypeError)
})
