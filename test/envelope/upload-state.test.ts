import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import {
  ObjectKey,
  openUploadState,
  readUploadStateEnvelope,
  sealUploadState,
} from '../../src/envelope/index.ts'
import { BINDING, isIntegrity } from './helpers.ts'

const objectKey = ObjectKey.generate()
const ref = { ...BINDING, uploadId: '2~abc' }

test('an upload state does not open for another upload, key, bucket, realm or object key', () => {
  const state = sealUploadState(objectKey, ref, 'init', Buffer.from('x'), 'envelope')
  for (const name of ['realm', 'bucket', 'key', 'uploadId'] as const) {
    const other = { ...ref, [name]: `${ref[name]}x` }
    assert.throws(() => openUploadState(objectKey, other, 'init', state), isIntegrity)
  }
  assert.throws(() => openUploadState(ObjectKey.generate(), ref, 'init', state), isIntegrity)
})

test('an upload state gives its envelope back before and its payload after it is opened', () => {
  const payload = randomBytes(1000)
  const state = sealUploadState(objectKey, ref, 'done', payload, 'theEnvelope')
  assert.equal(readUploadStateEnvelope(state), 'theEnvelope')
  assert.deepEqual(openUploadState(objectKey, ref, 'done', state), payload)
  assert.throws(() => openUploadState(objectKey, ref, 'init', state), isIntegrity)
})

test('every flipped bit and every cut of an upload state is found', () => {
  const state = sealUploadState(objectKey, ref, 'init', Buffer.from('payload'), 'envelope')
  for (let bit = 0; bit < state.length * 8; bit++) {
    const bad = Buffer.from(state)
    bad[bit >> 3]! ^= 1 << (bit & 7)
    assert.throws(() => openUploadState(objectKey, ref, 'init', bad), isIntegrity)
  }
  for (let length = 0; length < state.length; length++)
    assert.throws(() => openUploadState(objectKey, ref, 'init', state.subarray(0, length)), isIntegrity)
})
