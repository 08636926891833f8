import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'

const directory = join(import.meta.dirname, '../e2e')

it('the tests that test/e2e/README.md names are there', () => {
  const text = readFileSync(join(directory, 'README.md'), 'utf8')
  const rows = [...text.matchAll(/^\| (.+) \| (\[.*) \|$/gm)]
  assert.ok(rows.length > 40)
  let named = 0
  for (const [, behaviour = '', proofs = ''] of rows) {
    const groups = proofs.split('; ')
    for (const group of groups) {
      const [, path = '', titles = ''] = /^\[[^\]]+\]\(([^)]+)\) (.+)$/.exec(group) ?? []
      const source = readFileSync(join(directory, path), 'utf8')
      for (const [, title = ''] of titles.matchAll(/"([^"]+)"/g)) {
        named += 1
        assert.ok(source.includes(title), `${behaviour}: ${path} has no ${title}`)
      }
    }
  }
  assert.ok(named > 80)
})
