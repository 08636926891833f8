import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { after, it } from 'node:test'
import { FORWARDABLE } from '../../src/base/forwardable.ts'
import { loadConfig } from '../../src/config/config.ts'
import type { Field } from '../../src/config/field.ts'
import { FIELDS } from '../../src/config/fields.ts'
import { ERRORS } from '../../src/errors.ts'
import { switchOf } from '../../src/gateway/subresources/closed-access.ts'
import { SUBRESOURCES } from '../../src/gateway/subresources/table.ts'
import { subresourceName } from '../../src/s3/not-implemented.ts'
import { OPERATIONS } from '../../src/s3/operation-table.ts'

const root = join(import.meta.dirname, '../..')
const directory = mkdtempSync(join(tmpdir(), 'sealgate-docs-'))
after(() => rmSync(directory, { recursive: true }))

const page = (name: string): string => readFileSync(join(root, name), 'utf8')

/** The cells of every table row whose first cell is code. */
function rows(text: string): string[][] {
  return [...text.matchAll(/^\| (`.*) \|$/gm)].map(([, row = '']) => row.split(' | '))
}

it('docs/operations.md has every field with its variable, default and meaning, and no other', () => {
  const shown = (value: Field['default']) =>
    value === null ? '–' : Array.isArray(value) ? 'none' : `\`${value.toString()}\``
  const want = Object.entries(FIELDS).map(([name, field]) => [
    `\`${name}\``,
    `\`${field.env}\``,
    shown(field.default),
    field.hint,
  ])
  const found = rows(page('docs/operations.md')).filter(([name]) => name !== '`buckets`')
  assert.deepEqual(found, want)
})

it('docs/errors.md has every error with its status and message, and no other', () => {
  const want = Object.entries(ERRORS).map(([kind, { status, message }]) => [kind, String(status), message])
  const found = rows(page('docs/errors.md')).map(([kind = '', ...rest]) => [
    kind.replace(/[`\\*]/g, '').trim(),
    ...rest,
  ])
  assert.deepEqual(found, want)
})

it('README.md names every operation that needs no switch, docs/compatibility.md by its switch every other, and no more', () => {
  const switched = FORWARDABLE.map((name) => [`\`${name}\``, operationsOf(name).sort().join()])
  const text = section('docs/compatibility.md', /### What `s3\.forward` hands on\n([\s\S]*?)\n\n#/)
  const found = rows(text).map(([name, cell = '']) => [name, namedIn(cell).sort().join()])
  assert.deepEqual(found, switched)

  const elsewhere = new Set(FORWARDABLE.flatMap(operationsOf))
  const named = namedIn(section('README.md', /## Operations\n\n([\s\S]*?)\n\n/))
  assert.deepEqual(named.sort(), OPERATIONS.filter((name) => !elsewhere.has(name)).sort())
})

function section(name: string, pattern: RegExp): string {
  return pattern.exec(page(name))?.[1] ?? ''
}

function namedIn(text: string): string[] {
  return [...text.matchAll(/[A-Z][A-Za-z]+2?/g)]
    .map(([name]) => name)
    .filter((name) => /^(List|Create|Head|Delete|Get|Put|Copy|Post|Upload|Complete|Abort)[A-Z]/.test(name))
}

/** The operations on a sub-resource, which all are in the operation table. */
function operationsOf(name: string): string[] {
  const found = SUBRESOURCES.filter((resource) => resource.optional === true && switchOf(resource) === name)
  const names = found.flatMap(({ on, methods, name: resource }) =>
    methods.flatMap((method) =>
      [[resource], [resource, 'id']].map((query) =>
        subresourceName(method, on, resource, (parameter) => query.includes(parameter)),
      ),
    ),
  )
  return [...new Set(names)].filter((operation) => OPERATIONS.includes(operation))
}

it('config.example.yaml is the defaults as it is, and loads with every field taken in', () => {
  const text = page('config.example.yaml')
  const path = join(directory, 'example.yaml')
  writeFileSync(path, text)
  assert.deepEqual(loadConfig(path, {}), loadConfig(undefined, {}))
  // A comment about a field has a blank and a word; a field has a name and a colon.
  const taken = text.replace(/^# (?=[a-zA-Z0-9]+:(?: |$)| {2})/gm, '')
  writeFileSync(path, taken)
  const config = loadConfig(path, {})
  assert.deepEqual([config.domains, config.buckets.length], [['s3.example.com'], 1])
  for (const [name, field] of Object.entries(FIELDS)) {
    assert.match(taken, new RegExp(`\\(${field.env}\\)\\n *${name.split('.').at(-1)}: `), name)
  }
})

it('every link of a document leads to a file', () => {
  const pages = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.endsWith('.md') && !path.includes('node_modules') && !path.startsWith('.'),
  )
  assert.ok(pages.length > 8)
  for (const path of pages) {
    for (const [, link = ''] of page(path).matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
      if (/^[a-z]+:/.test(link)) continue
      const target = join(root, dirname(path), link)
      assert.ok(statSync(target, { throwIfNoEntry: false }), `${path}: ${relative(root, target)}`)
    }
  }
})
