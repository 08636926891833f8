import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readRange } from '../../src/s3/operations/object.ts'

const MAX = Number.MAX_SAFE_INTEGER

describe('a Range field', () => {
  it('is one range of bytes, also with blanks, and in any case', () => {
    assert.deepEqual(readRange('bytes=0-5'), { kind: 'closed', start: 0, end: 5 })
    assert.deepEqual(readRange('Bytes= 1 -\t2 '), { kind: 'closed', start: 1, end: 2 })
    assert.deepEqual(readRange('bytes=7-'), { kind: 'open', start: 7 })
    assert.deepEqual(readRange('bytes=-7'), { kind: 'suffix', length: 7 })
  })

  it('may end far behind any object, as clients write "to the end"', () => {
    assert.deepEqual(readRange('bytes=2-9223372036854775806'), { kind: 'closed', start: 2, end: MAX })
    assert.deepEqual(readRange(`bytes=-${'9'.repeat(40)}`), { kind: 'suffix', length: MAX })
    assert.deepEqual(readRange(`bytes=${'9'.repeat(40)}-`), { kind: 'open', start: MAX })
  })

  it('that is none, or several, is no range', () => {
    for (const field of ['', 'bytes=', 'bytes=-', 'bytes=3-1', 'bytes=0-1,3-4', 'lines=0-1', 'bytes=1 2-3'])
      assert.equal(readRange(field), undefined, field)
  })

  it('full of blanks is read once, however long it is', { timeout: 60_000 }, () => {
    const blanks = ' '.repeat(3_000_000)
    assert.equal(readRange(`bytes=${blanks}x`), undefined)
    assert.equal(readRange(`bytes=1${blanks}x`), undefined)
    assert.equal(readRange(`bytes=1-${blanks}2${blanks}x`), undefined)
  })
})
