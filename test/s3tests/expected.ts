import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The reason of every test that is known not to pass. */
export type Expected = ReadonlyMap<string, string>

export function readExpected(): Expected {
  return parseExpected(readFileSync(join(import.meta.dirname, 'expected.txt'), 'utf8'))
}

/** A line `## reason` and under it the names of tests, one a line; other lines that begin with `#` are comments. */
export function parseExpected(text: string): Expected {
  const expected = new Map<string, string>()
  let reason = ''
  for (const line of text.split('\n').map((raw) => raw.trim())) {
    if (line.startsWith('## ')) reason = line.slice(3)
    if (line === '' || line.startsWith('#')) continue
    if (reason === '') throw new Error(`expected.txt: ${line} stands under no reason`)
    if (expected.has(line)) throw new Error(`expected.txt: ${line} stands there twice`)
    expected.set(line, reason)
  }
  return expected
}
