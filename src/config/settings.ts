import type { Field } from './field.ts'
import { FIELDS, type FieldName } from './fields.ts'
import { suggestion } from './suggestion.ts'

export type Value = string | number | readonly string[] | null

/** `environment`, or file and line. */
export type Origin = string

/** The bucket rules, as YAML or JSON: the one field that is no single value. */
export const BUCKETS_VARIABLE = 'SEALGATE_BUCKETS'
export const VARIABLE_PREFIX = 'SEALGATE_'

const RULE =
  '{match: name or pattern} with one or both of {cmk: id, retired: [ids]} and {plaintext: reject or read}'

export interface BucketRule {
  /** Bucket name; `*` stands for any characters. */
  readonly match: string
  readonly cmk?: string
  /** Of a rule with a CMK. */
  readonly retired?: readonly string[]
  readonly plaintext?: 'reject' | 'read'
}

/** What file and environment say, while they are read: checked values, where each is from, and every mistake. */
export class Settings {
  readonly values = new Map<FieldName, Value>(
    Object.entries(FIELDS).map(([name, field]) => [name as FieldName, field.default]),
  )
  /** A field that somebody set, well or badly, and where; a field that is not here has its default. */
  readonly origins = new Map<FieldName | 'buckets', Origin>()
  readonly mistakes: string[] = []
  rules: readonly BucketRule[] = []
  /** Where each of them stands. */
  ruleOrigins: readonly Origin[] = []

  /** A mistake shows the value only if it is not a secret. */
  set(name: FieldName, raw: unknown, origin: Origin): void {
    const field: Field = FIELDS[name]
    this.origins.set(name, origin)
    const expected = whatIsWrong(field, raw)
    if (expected === null) return void this.values.set(name, raw as Value)
    const shown = field.type === 'string' && field.secret === true ? '' : ` (got ${JSON.stringify(raw)})`
    this.mistakes.push(`${label(name, field.env, origin)}: must be ${expected}${shown}; ${field.hint}`)
  }

  /** `origins`: of the single rules, where they have any. */
  setRules(raw: unknown, origin: Origin, origins: readonly Origin[] = []): void {
    this.origins.set('buckets', origin)
    const rules = raw ?? []
    const where = (at: Origin) => label('buckets', BUCKETS_VARIABLE, at)
    if (!Array.isArray(rules)) return void this.mistakes.push(`${where(origin)}: must be a list of ${RULE}`)
    const whole = rules.map((_, index) => where(origins[index] ?? origin))
    if (rules.every(isRule)) {
      this.rules = rules
      this.ruleOrigins = whole
      return
    }
    for (const [index, rule] of rules.entries())
      if (!isRule(rule))
        this.mistakes.push(`${whole[index]}: rule ${index + 1} must be ${RULE} (got ${JSON.stringify(rule)})`)
  }

  unknown(what: 'field' | 'variable', name: string, known: readonly string[], origin: Origin): void {
    const prefix = what === 'variable' ? VARIABLE_PREFIX : ''
    this.mistakes.push(`${origin}: ${name}: no such ${what}${suggestion(name, known, prefix)}`)
  }
}

function label(name: string, variable: string, origin: Origin): string {
  return origin === 'environment' ? `environment: ${variable}` : `${origin}: ${name}`
}

/** What the value should have been, or null if it is right. */
function whatIsWrong(field: Field, raw: unknown): string | null {
  if (field.type === 'integer') {
    const fits = typeof raw === 'number' && Number.isSafeInteger(raw) && raw >= field.min && raw <= field.max
    return fits ? null : `a whole number from ${field.min} to ${field.max}`
  }
  if (field.type === 'choice')
    return typeof raw === 'string' && field.values.includes(raw) ? null : `one of ${field.values.join(', ')}`
  if (field.type === 'list') {
    const fits =
      Array.isArray(raw) && raw.every((item) => typeof item === 'string' && field.pattern.test(item))
    return fits ? null : field.form
  }
  if (typeof raw === 'number' || typeof raw === 'boolean') return `${field.form}, in quotes`
  const fits =
    typeof raw === 'string' && raw !== '' && (field.pattern === undefined || field.pattern.test(raw))
  return fits ? null : field.form
}

function isRule(rule: unknown): rule is BucketRule {
  if (typeof rule !== 'object' || rule === null) return false
  const { match, cmk, retired, plaintext, ...rest } = rule as Record<string, unknown>
  const namesKeys =
    isText(cmk) && (retired === undefined || (Array.isArray(retired) && retired.every(isText)))
  return (
    isText(match) &&
    (namesKeys || (cmk === undefined && retired === undefined && plaintext !== undefined)) &&
    (plaintext === undefined || plaintext === 'reject' || plaintext === 'read') &&
    Object.keys(rest).length === 0
  )
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}
