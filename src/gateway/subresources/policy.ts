import { SealgateError } from '../../errors.ts'
import type { Subresources } from '../../storage/subresources.ts'

/** S3's own limit. */
export const MAX_POLICY_BYTES = 20 * 1024
const MAX_STORED_BYTES = 64 * 1024
const ELEMENTS = ['Version', 'Id', 'Statement']
const STATEMENT = [
  'Sid',
  'Effect',
  'Principal',
  'NotPrincipal',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
]

/** A client's policy for the store. It may speak of its own bucket alone, whose name there is put in. */
export function writePolicy(store: Subresources, bucket: string, text: string): string {
  if (Buffer.byteLength(text) > MAX_POLICY_BYTES)
    throw malformed(`Policies have at most ${MAX_POLICY_BYTES} bytes.`)
  const stored = store.storedBucket(bucket)
  return rebuild(parse(text), 'client', (resource) => rename(resource, bucket, stored))
}

/** The store's policy for a client. */
export function readPolicy(store: Subresources, bucket: string, text: string): string {
  if (Buffer.byteLength(text) > MAX_STORED_BYTES) throw senseless()
  const stored = store.storedBucket(bucket)
  return rebuild(parse(text), 'store', (resource) => rename(resource, stored, bucket) ?? resource)
}

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    throw malformed('Policies must be valid JSON.')
  }
}

function rebuild(policy: Json, from: 'client' | 'store', resource: (text: string) => string | null): string {
  const { Statement, ...rest } = pick(policy, ELEMENTS, from)
  const statements = Statement === undefined || Statement === null ? [] : [Statement].flat()
  const rebuilt = statements.map((statement) =>
    Object.fromEntries(
      Object.entries(pick(statement, STATEMENT, from)).map(([name, value]) => [
        name,
        name === 'Resource' || name === 'NotResource' ? renamed(value, resource) : value,
      ]),
    ),
  )
  return JSON.stringify({ ...rest, Statement: rebuilt })
}

function pick(value: Json, known: readonly string[], from: 'client' | 'store'): Record<string, Json> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw from === 'client' ? malformed('Policies must be valid JSON of an object.') : senseless()
  const entries = Object.entries(value as Record<string, Json>)
  const other = entries.find(([name]) => !known.includes(name))
  if (other !== undefined && from === 'client')
    throw malformed(`Policies have no element ${other[0].slice(0, 100)}.`)
  return Object.fromEntries(entries.filter(([name]) => known.includes(name)))
}

/** One resource, or a list of them. */
function renamed(value: Json, resource: (text: string) => string | null): Json {
  const names = [value].flat().map((text) => (typeof text === 'string' ? resource(text) : null))
  if (names.includes(null)) throw malformed('Policy has invalid resource: it may name its own bucket alone.')
  return Array.isArray(value) ? names : (names[0] ?? null)
}

/** `arn:aws:s3:::BUCKET` and what is behind it; null for another bucket's. */
function rename(resource: string, from: string, to: string): string | null {
  const [, head = '', bucket = '', rest = ''] =
    /^(arn:[a-z-]{1,20}:s3:::)([^/]*)(\/.*)?$/s.exec(resource) ?? []
  return bucket === from ? head + to + rest : null
}

function malformed(message: string): SealgateError {
  return new SealgateError('MalformedPolicy', message)
}

function senseless(): SealgateError {
  return new SealgateError('ServiceUnavailable', undefined, {
    reason: "the store's policy makes no sense",
    headers: { 'retry-after': '1' },
  })
}
