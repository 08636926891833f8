import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ObjectKey, openEnvelope, openPartRecord, parseEnvelope } from '../../src/envelope/index.ts'
import vectors from '../vectors/envelope.json' with { type: 'json' }
import { bytesOf, openObject } from './helpers.ts'

for (const vector of vectors)
  test(`the stored vector opens: ${vector.name}`, async () => {
    const envelope = parseEnvelope(vector.envelope)
    assert.equal(envelope.plainSize, vector.size)
    const key = openEnvelope(envelope, Buffer.from(vector.dek, 'hex'), vector.binding)
    const same = ObjectKey.from(Buffer.from(vector.oek, 'hex'))
    assert.deepEqual(key.commitment(), same.commitment())
    const opened = await openObject(key, Buffer.from(vector.object, 'base64'))
    assert.ok(opened.equals(bytesOf(vector.size, vector.plaintextSeed)))
    const ref = { ...vector.binding, uploadId: vector.uploadId }
    const record = openPartRecord(key, ref, vector.partRecord)
    assert.deepEqual([record.partNumber, record.size, record.etag], [7, vector.size, 'etag'])
  })
