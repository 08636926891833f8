/** The policy of a form: API reference, "POST Policy" (sigv4-HTTPPOSTConstructPolicy), with the errors that Amazon S3 answers. */
import { SealgateError } from '../../errors.ts'
import type { FormFields } from './form-fields.ts'

export interface PostPolicy {
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
  readonly conditions: readonly Condition[]
}

type Condition = MatchCondition | RangeCondition

interface MatchCondition {
  readonly operator: 'eq' | 'starts-with'
  /** As the policy has it, with `$`. */
  readonly field: string
  readonly value: string
}

interface RangeCondition {
  readonly operator: 'content-length-range'
  readonly min: number | string
  readonly max: number | string
}

/** How many bytes the file may have, both inclusive. */
export interface SizeRange {
  readonly min: number
  readonly max: number
}

/** @throws SealgateError InvalidPolicyDocument */
export function parsePolicy(base64: string): PostPolicy {
  const document = parseJson(base64)
  const other = Object.keys(document).find((name) => name !== 'expiration' && name !== 'conditions')
  if (other !== undefined) throw invalid(`Unexpected: '${other.slice(0, 100)}'`)
  const { expiration, conditions } = document
  if (expiration === undefined) throw invalid('Policy missing expiration.')
  if (conditions === undefined) throw invalid('Policy missing conditions.')
  if (!Array.isArray(conditions)) throw invalid("Invalid 'conditions' value: must be a List.")
  return { expiresAt: readExpiration(expiration), conditions: conditions.map(readCondition) }
}

/**
 * Whether the policy allows the form: every condition holds, and every field has one.
 * @throws SealgateError AccessDenied
 */
export function checkPolicy(
  { expiresAt, conditions }: PostPolicy,
  form: { readonly fields: FormFields; readonly bucket: string; readonly now: number },
): SizeRange {
  if (form.now > expiresAt) throw denied('Policy expired.')
  let range: SizeRange = { min: 0, max: Number.MAX_SAFE_INTEGER }
  for (const condition of conditions) {
    if (condition.operator === 'content-length-range') range = narrower(range, condition)
    else if (!holds(condition, form)) throw failed(condition)
  }
  const named = new Set(conditions.map((condition) => ('field' in condition ? nameOf(condition) : '')))
  const extra = form.fields.names().filter(([key]) => !named.has(key) && !isExempt(key))
  if (extra.length > 0) throw denied(`Extra input fields: ${extra.map(([, sent]) => sent).join(', ')}`)
  return range
}

/** Backslashes before what JSON does not escape, as the language has them beside its own. */
function parseJson(base64: string): Record<string, unknown> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(base64, 'base64'))
    const json = text.replace(/\\(.)/gs, (escaped, character: string) =>
      character === '$' ? '$' : character === 'v' ? '\\u000b' : escaped,
    )
    const value: unknown = JSON.parse(json)
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>
  } catch (cause) {
    throw invalid('Invalid JSON.', cause)
  }
  throw invalid('Invalid JSON.')
}

function readExpiration(value: unknown): number {
  const time =
    typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/.test(value)
      ? Date.parse(value)
      : Number.NaN
  // A list or an object is not made a text: it may be nested a thousand times.
  const shown = typeof value === 'object' ? 'object' : String(value).slice(0, 100)
  if (Number.isNaN(time)) throw invalid(`Invalid 'expiration' value: '${shown}'`)
  return time
}

function readCondition(condition: unknown): Condition {
  if (Array.isArray(condition)) return readListed(condition)
  if (typeof condition !== 'object' || condition === null)
    throw invalid('Invalid condition: must be a List or Object.')
  const [property, ...others] = Object.entries(condition)
  if (property === undefined || others.length > 0)
    throw invalid('Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.')
  const [name, value] = property
  if (typeof value !== 'string') throw invalid('Invalid Simple-Condition: value must be a string.')
  return { operator: 'eq', field: `$${name}`, value }
}

function readListed([name, first, second, ...others]: readonly unknown[]): Condition {
  if (typeof name !== 'string') throw invalid('Invalid Condition: missing operation identifier.')
  const operator = name.toLowerCase()
  if (operator !== 'eq' && operator !== 'starts-with' && operator !== 'content-length-range')
    throw invalid(`Invalid Condition: unknown operation '${name.slice(0, 100)}'.`)
  if (second === undefined || others.length > 0)
    throw invalid(`Invalid ${operator}: wrong number of arguments.`)
  if (operator === 'content-length-range') return { operator, min: readBound(first), max: readBound(second) }
  if (typeof first !== 'string' || typeof second !== 'string') throw invalid('Invalid JSON.')
  return { operator, field: first, value: second }
}

/** A number, or one in quotes; a text that is none makes a condition that fails. */
function readBound(bound: unknown): number | string {
  if (typeof bound === 'string') return /^\d{1,15}$/.test(bound) ? Number(bound) : bound
  if (typeof bound === 'number' && Number.isSafeInteger(bound) && bound >= 0) return bound
  throw invalid('Invalid content-length-range: a bound is a whole number of bytes.')
}

function narrower(range: SizeRange, condition: RangeCondition): SizeRange {
  const { min, max } = condition
  if (typeof min === 'string' || typeof max === 'string') throw failed(condition)
  return { min: Math.max(range.min, min), max: Math.min(range.max, max) }
}

function nameOf({ field }: MatchCondition): string {
  return field.startsWith('$') ? field.slice(1).toLowerCase() : ''
}

function holds(
  condition: MatchCondition,
  { fields, bucket }: { readonly fields: FormFields; readonly bucket: string },
): boolean {
  const name = nameOf(condition)
  // The bucket is that of the address; a field that says another one is a form for another bucket.
  if (name === 'bucket')
    return [bucket, fields.get(name) ?? bucket].every((value) => matches(condition, value))
  const value = fields.get(name)
  if (name === '' || value === undefined) return false
  const values = name === 'content-type' && condition.operator === 'starts-with' ? value.split(',') : [value]
  return values.every((one) => matches(condition, one))
}

function matches({ operator, value }: MatchCondition, actual: string): boolean {
  return operator === 'eq' ? actual === value : actual.startsWith(value)
}

/** A customer's key or a session's token, which an error document is the wrong place for. */
export function hasSecrets(text: string): boolean {
  return /customer-key|security-token/i.test(text)
}

/** Fields that need no condition. */
function isExempt(name: string): boolean {
  return EXEMPT.has(name) || name.startsWith('x-ignore-')
}

const EXEMPT = new Set(['file', 'policy', 'x-amz-signature', 'signature', 'awsaccesskeyid'])

function failed(condition: Condition): SealgateError {
  const { operator, ...operands } = condition
  const isSecret = 'field' in condition && hasSecrets(condition.field)
  const shown = isSecret ? { ...operands, value: '***' } : operands
  const words = [operator, ...Object.values(shown)].map((word) => JSON.stringify(word))
  return denied(`Policy Condition failed: [${words.join(', ')}]`)
}

function denied(message: string): SealgateError {
  return new SealgateError('AccessDenied', `Invalid according to Policy: ${message}`)
}

function invalid(message: string, cause?: unknown): SealgateError {
  return new SealgateError('InvalidPolicyDocument', `Invalid Policy: ${message}`, { cause })
}
