import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join, normalize } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '../src')
const LOW = ['errors', 'base']
const MAY: Record<string, string[]> = {
  cli: ['app', 'config', 'envelope', 'keys', 'storage', 'telemetry', ...LOW],
  app: ['config', 's3', 'http', 'gateway', 'envelope', 'keys', 'storage', 'telemetry', ...LOW],
  s3: ['http', 'gateway', 'telemetry', ...LOW],
  http: ['telemetry', ...LOW],
  gateway: ['envelope', 'keys', 'storage', ...LOW],
  envelope: LOW,
  keys: LOW,
  storage: LOW,
  config: LOW,
  telemetry: LOW,
  base: ['errors'],
  errors: [],
}
const room = (file: string) => file.split('/')[0]!.replace(/\.ts$/, '')
const files = globSync('**/*.ts', { cwd: ROOT })
const text = (file: string) => readFileSync(join(ROOT, file), 'utf8')

test('imports between rooms follow the map, which has no cycle', () => {
  const wrong: string[] = []
  for (const file of files) {
    for (const [, path] of text(file).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
      const to = room(normalize(join(file, '..', path!)))
      if (to !== room(file) && !MAY[room(file)]?.includes(to)) wrong.push(`${file} -> ${path}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('no room on the path of a request parses with new URL, which rewrites object keys', () => {
  const guarded = files.filter((f) => ['s3', 'gateway', 'storage', 'http'].includes(room(f)))
  assert.deepEqual(
    guarded.filter((f) => text(f).includes('new URL(')),
    [],
  )
})
