import { readFileSync } from 'node:fs'
import { isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml'
import { FIELDS, type Field, type FieldName } from './fields.ts'

/** One frozen, checked configuration: what every process of the deployment starts from. */
export interface Config {
  readonly listen: { readonly host: string; readonly port: number }
  readonly dataDir: string
  readonly workers: number
  readonly region: string | null
  readonly domains: readonly string[]
  /** Null until the first start has made them. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | null
  readonly systemBucket: string
  readonly keyring: string | null
  /** First match wins; a bucket without a rule uses the keyring's current CMK and trusts the others of the keyring. */
  readonly buckets: readonly BucketRule[]
  readonly epoch: { readonly maxAgeMs: number; readonly maxObjects: number; readonly maxBytes: number }
  readonly limits: {
    readonly maxHeaderBytes: number
    readonly headersTimeoutMs: number
    readonly idleTimeoutMs: number
    readonly maxConnections: number
  }
  readonly shutdownGraceMs: number
  readonly logLevel: string
}

export interface BucketRule {
  /** Bucket name; `*` stands for any characters. */
  readonly match: string
  readonly cmk: string
  readonly retired: readonly string[]
}

/** All mistakes of a configuration at once, each with where it is and what would be right. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly mistakes: readonly string[]
  constructor(mistakes: readonly string[]) {
    super(
      `The configuration has ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`}:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`,
    )
    this.mistakes = mistakes
  }
}

/** The bucket rules, as YAML or JSON: the one field that is no single value. */
const BUCKETS_VARIABLE = 'SEALGATE_BUCKETS'

type Value = string | number | readonly string[] | null

/** Reads file and environment. Throws ConfigError. */
export function loadConfig(
  file: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): Config {
  const mistakes: string[] = []
  const values = new Map<string, Value>(Object.entries(FIELDS).map(([name, field]) => [name, field.default]))
  const rules = file === undefined ? [] : readFile(file, values, mistakes)
  const rulesOfVariable = readEnvironment(environment, values, mistakes)
  if ((values.get('accessKeyId') === null) !== (values.get('secretAccessKey') === null)) {
    mistakes.push(
      'accessKeyId, secretAccessKey: set both (SEALGATE_ACCESS_KEY_ID and SEALGATE_SECRET_ACCESS_KEY) or neither',
    )
  }
  if (mistakes.length > 0) throw new ConfigError(mistakes)
  return build(values, rulesOfVariable ?? rules)
}

function readFile(file: string, values: Map<string, Value>, mistakes: string[]): readonly BucketRule[] {
  const lines = new LineCounter()
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    mistakes.push(
      `${file}: cannot be read (${(error as NodeJS.ErrnoException).code}); name the file by --config or SEALGATE_CONFIG`,
    )
    return []
  }
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true })
  for (const error of document.errors)
    mistakes.push(`${file}:${error.linePos?.[0].line ?? 1}: ${error.message.split('\n')[0]}`)
  if (document.errors.length > 0 || document.contents === null) return []
  const rules: BucketRule[] = []
  const at = (node: unknown) => `${file}:${lines.linePos((node as Node | null)?.range?.[0] ?? 0).line}`
  const walk = (map: unknown, prefix: string) => {
    if (!isMap(map)) {
      mistakes.push(
        `${at(map)}: ${prefix === '' ? 'the file' : prefix.slice(0, -1)} must be a mapping of fields`,
      )
      return
    }
    for (const { key, value } of map.items) {
      const name = `${prefix}${String(key)}`
      if (name === 'buckets') rules.push(...readRules(value as Node | null, at, mistakes))
      else if (Object.keys(FIELDS).some((known) => known.startsWith(`${name}.`))) walk(value, `${name}.`)
      else if (!Object.hasOwn(FIELDS, name))
        mistakes.push(`${at(key)}: ${name}: no such field${didYouMean(name, Object.keys(FIELDS))}`)
      else {
        const raw = isScalar(value) ? value.value : ((value as Node | null)?.toJS(document) ?? null)
        check(name as FieldName, raw, `${at(value ?? key)}: ${name}`, values, mistakes)
      }
    }
  }
  walk(document.contents, '')
  return rules
}

function readRules(node: Node | null, at: (node: unknown) => string, mistakes: string[]): BucketRule[] {
  const rules = (node as { toJSON?: () => unknown } | null)?.toJSON?.()
  const isText = (value: unknown) => typeof value === 'string' && value !== ''
  const isRule = (rule: unknown): rule is { match: string; cmk: string; retired?: string[] } => {
    if (typeof rule !== 'object' || rule === null) return false
    const { match, cmk, retired = [], ...rest } = rule as Record<string, unknown>
    return (
      isText(match) &&
      isText(cmk) &&
      Array.isArray(retired) &&
      retired.every(isText) &&
      Object.keys(rest).length === 0
    )
  }
  if (!Array.isArray(rules) || !rules.every(isRule)) {
    mistakes.push(`${at(node)}: buckets: must be a list of {match: name or pattern, cmk: id, retired: [ids]}`)
    return []
  }
  return rules.map(({ match, cmk, retired }) => ({ match, cmk, retired: retired ?? [] }))
}

function readEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  values: Map<string, Value>,
  mistakes: string[],
): readonly BucketRule[] | null {
  let rules: readonly BucketRule[] | null = null
  const byVariable = new Map<string, FieldName>(
    Object.entries(FIELDS).map(([name, field]) => [field.env, name as FieldName]),
  )
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith('SEALGATE_') || variable === 'SEALGATE_CONFIG' || text === undefined) continue
    if (variable === BUCKETS_VARIABLE) {
      rules = readRules(parseDocument(text).contents, () => `environment: ${BUCKETS_VARIABLE}`, mistakes)
      continue
    }
    const name = byVariable.get(variable)
    if (name === undefined) {
      mistakes.push(
        `environment: ${variable}: no such variable${didYouMean(variable, [...byVariable.keys(), BUCKETS_VARIABLE])}`,
      )
      continue
    }
    const type = FIELDS[name].type
    const raw =
      type === 'integer' && /^-?\d{1,16}$/.test(text)
        ? Number(text)
        : type === 'list'
          ? text.split(',').filter((item) => item !== '')
          : text
    check(name, raw, `environment: ${variable}`, values, mistakes)
  }
  return rules
}

/** The value itself is named in a mistake only where it is not a secret. */
function check(
  name: FieldName,
  raw: unknown,
  where: string,
  values: Map<string, Value>,
  mistakes: string[],
): unknown {
  const field: Field = FIELDS[name]
  const wrong = (expected: string) => {
    const shown = field.type === 'string' && field.secret === true ? '' : ` (got ${JSON.stringify(raw)})`
    mistakes.push(`${where}: must be ${expected}${shown}; ${field.hint}`)
  }
  if (field.type === 'integer') {
    if (typeof raw !== 'number' || !Number.isSafeInteger(raw) || raw < field.min || raw > field.max)
      return wrong(`a whole number from ${field.min} to ${field.max}`)
  } else if (field.type === 'choice') {
    if (typeof raw !== 'string' || !field.values.includes(raw))
      return wrong(`one of ${field.values.join(', ')}`)
  } else if (field.type === 'list') {
    if (!Array.isArray(raw) || !raw.every((item) => typeof item === 'string' && field.pattern.test(item)))
      return wrong('a list of names')
  } else if (
    typeof raw !== 'string' ||
    raw === '' ||
    (field.pattern !== undefined && !field.pattern.test(raw))
  ) {
    return wrong('a text of the right form')
  }
  return values.set(name, raw as Value)
}

function didYouMean(name: string, known: readonly string[]): string {
  const [near] = known
    .map((other) => ({ other, distance: editDistance(name, other) }))
    .sort((a, b) => a.distance - b.distance)
  return near === undefined || near.distance > 3 ? '' : `; did you mean ${near.other}?`
}

/** Levenshtein's distance, case left aside. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (const [i, char] of [...a.toLowerCase()].entries()) {
    const next = [i + 1]
    for (const [j, other] of [...b.toLowerCase()].entries()) {
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (char === other ? 0 : 1)))
    }
    row = next
  }
  return row[b.length] ?? 0
}

function build(values: ReadonlyMap<string, Value>, buckets: readonly BucketRule[]): Config {
  const text = (name: FieldName) => values.get(name) as string
  const number = (name: FieldName) => values.get(name) as number
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(text('listen')) ?? []
  return freeze({
    listen: { host: host.replace(/^\[|\]$/g, ''), port: Number(port) },
    dataDir: text('dataDir'),
    workers: number('workers'),
    region: values.get('region') as string | null,
    domains: values.get('domains') as readonly string[],
    credentials:
      values.get('accessKeyId') === null
        ? null
        : { accessKeyId: text('accessKeyId'), secretAccessKey: text('secretAccessKey') },
    systemBucket: text('systemBucket'),
    keyring: values.get('kms.keyring') as string | null,
    buckets,
    epoch: {
      maxAgeMs: number('epoch.maxAgeMs'),
      maxObjects: number('epoch.maxObjects'),
      maxBytes: number('epoch.maxBytes'),
    },
    limits: {
      maxHeaderBytes: number('limits.maxHeaderBytes'),
      headersTimeoutMs: number('limits.headersTimeoutMs'),
      idleTimeoutMs: number('limits.idleTimeoutMs'),
      maxConnections: number('limits.maxConnections'),
    },
    shutdownGraceMs: number('shutdownGraceMs'),
    logLevel: text('logLevel'),
  })
}

function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) freeze(inner)
  return Object.freeze(value)
}
