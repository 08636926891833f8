import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { metadataHash } from '../../src/envelope/index.ts'

const hex = (...o: Parameters<typeof metadataHash>): string => metadataHash(...o).toString('hex')

test('the hash is over the sorted, length-prefixed names and values', () => {
  const list = ['content-type', 'text/plain', 'x-amz-meta-a', 'é', 'x-amz-meta-b', '']
  const bytes = list.flatMap((text) => {
    const size = Buffer.alloc(4)
    size.writeUInt32BE(text.length)
    return [size, Buffer.from(text, 'latin1')]
  })
  const expected = createHash('sha256').update(Buffer.concat(bytes)).digest('hex')
  assert.equal(hex({ 'content-type': 'text/plain' }, { b: '', A: 'é' }), expected)
})

test('an absent Content-Type counts as binary/octet-stream', () => {
  assert.equal(hex({}, {}), hex({ 'content-type': 'binary/octet-stream' }, {}))
  assert.notEqual(hex({}, {}), hex({ 'content-type': 'text/html' }, {}))
})

test('the envelope, unbound headers, outer blanks and aws-chunked do not count', () => {
  const plain = hex({ 'content-encoding': 'gzip' }, { a: 'b' })
  assert.equal(
    hex({ 'content-encoding': 'aws-chunked, gzip', etag: 'x' }, { a: ' b\t', sealgate: 'x' }),
    plain,
  )
  assert.equal(hex({ 'content-encoding': 'aws-chunked' }, {}), hex({}, {}))
  assert.notEqual(hex({ 'content-encoding': 'gzip' }, { a: 'b\u00a0' }), plain)
})

test('every bound header and every metadata name and value changes the hash', () => {
  const names = [
    'content-type',
    'content-encoding',
    'content-language',
    'content-disposition',
    'cache-control',
  ]
  const all = [...names, 'expires', 'x-amz-website-redirect-location']
  const hashes = [
    ...all.map((name) => hex({ [name]: 'v' }, {})),
    hex({}, { a: 'v' }),
    hex({}, { b: 'v' }),
    hex({}, { a: 'w' }),
  ]
  assert.equal(new Set([...hashes, hex({}, {})]).size, hashes.length + 1)
  assert.notEqual(hex({}, { ab: 'c' }), hex({}, { a: 'bc' }))
})

test('values that latin1 cannot hold, and names that differ in case only, are refused', () => {
  assert.throws(() => metadataHash({}, { a: 'Ł' }), TypeError)
  assert.throws(() => metadataHash({}, { a: '1', A: '2' }), TypeError)
})
