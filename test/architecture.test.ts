import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join, normalize } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '../src')
const LOW = ['errors', 'base']
const MAY: Record<string, string[]> = {
  cli: ['app', 'check', 'offline', 'recovery', 'config', 'envelope', 'keys', 'storage', 'telemetry', ...LOW],
  app: ['open-store', 'config', 's3', 'http', 'gateway', 'envelope', 'keys', 'storage', 'telemetry', ...LOW],
  'open-store': ['config', 'storage', 'telemetry', ...LOW],
  offline: ['app', 'config', 'gateway', 'keys', 'storage', 'telemetry', ...LOW],
  check: ['app', 'offline', 'config', 'gateway', 'keys', 'storage', 'telemetry', ...LOW],
  recovery: ['envelope', 'storage', ...LOW],
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

/** Of the room of stores: what those of the wire share knows neither of the two that are built on it. */
const STORES: Record<string, string[]> = { wire: [], s3: ['wire', 'cos'], cos: ['wire'], filesystem: [] }

test('a store knows of the others what this map says', () => {
  const storeOf = (file: string) => /^storage\/([^/.]+)(?:\/|\.ts$)/.exec(file)?.[1] ?? ''
  const wrong: string[] = []
  for (const file of files.filter((name) => storeOf(name) in STORES)) {
    for (const [, path] of text(file).matchAll(/from\s*'(\.[^']+)'/g)) {
      const [from, to] = [storeOf(file), storeOf(normalize(join(file, '..', path!)))]
      if (to in STORES && to !== from && !STORES[from]?.includes(to)) wrong.push(`${file} -> ${path}`)
    }
  }
  assert.deepEqual(wrong, [])
})

/** The files that a file needs at run time, within src. */
function neededBy(file: string): string[] {
  const statements = text(file).matchAll(
    /^(?:import|export)\s+(?!type\b)(?:([^'"();=]*?)\s+from\s+)?'(\.[^']+\.ts)'/gm,
  )
  return [...statements]
    .filter(([, names = '']) => names === '' || !/^\{(?:\s*type\s+[^,}]+,?)*\s*\}\s*$/.test(names))
    .map(([, , path = '']) => normalize(join(file, '..', path)))
}

test('no file needs itself through others', () => {
  const circles: string[] = []
  const done = new Set<string>()
  const visit = (file: string, way: readonly string[]): void => {
    if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file].join(' -> '))
    if (done.has(file)) return
    done.add(file)
    for (const next of neededBy(file)) visit(next, [...way, file])
  }
  for (const file of files) visit(file, [])
  assert.deepEqual(circles, [])
  assert.ok(neededBy('app.ts').includes('gateway/gateway.ts'), 'the reading of imports works')
})

test('an index lists what other rooms may use, and its own room goes past it', () => {
  const inside = files.filter((file) =>
    neededBy(file).some((to) => to.endsWith('index.ts') && room(to) === room(file)),
  )
  assert.deepEqual(inside, [])
})

test('no room on the path of a request parses by WHATWG rules, which rewrite object keys', () => {
  const guarded = files.filter((f) => ['s3', 'gateway', 'storage', 'http'].includes(room(f)))
  assert.deepEqual(
    guarded.filter((f) => /\bnew URL\b|\bURL\.|\bURLSearchParams\b/.test(text(f))),
    [],
  )
})

test('the SDK of AWS KMS is loaded only where it is used: other deployments do without its memory and its time', () => {
  const loaded = files.filter((f) =>
    /^(?:import|export)\s+(?!type\b)(?:[^'"();=]*?\s+from\s+)?'@aws-sdk\//m.test(text(f)),
  )
  assert.deepEqual(loaded, [])
  assert.match(text('keys/kms/aws.ts'), /await import\('@aws-sdk\/client-kms'\)/)
})
