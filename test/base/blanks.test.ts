import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { trimBlanks } from '../../src/base/blanks.ts'

describe('trimBlanks', () => {
  it('takes blanks and tabs at both ends, and nothing else', () => {
    for (const [text, trimmed] of [
      ['', ''],
      [' \t ', ''],
      ['\t a b\t ', 'a b'],
      ['\u00a0a\v', '\u00a0a\v'],
    ] as const)
      assert.equal(trimBlanks(text), trimmed)
  })

  it('agrees with the pattern that says the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(' ', '\t', 'a', '\u00a0', '\n') }), (text) => {
        assert.equal(trimBlanks(text), text.replace(/^[ \t]+|[ \t]+$/g, ''))
      }),
    )
  })

  it('reads a run of blanks inside once, however long it is', { timeout: 60_000 }, () => {
    const text = `a${' '.repeat(10_000_000)}a`
    assert.equal(trimBlanks(` ${text} `).length, text.length)
  })
})
