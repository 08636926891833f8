import { SealgateError } from '../errors.ts'
import { allowedBy } from '../gateway/cors.ts'
import type { Gateway } from '../gateway/gateway.ts'
import type { Answer } from './context.ts'
import type { RequestHeaders } from './headers.ts'
import type { Target } from './target.ts'

const METHODS = ['GET', 'PUT', 'HEAD', 'POST', 'DELETE']

/** A browser's question whether a page may send a request; it carries no signature. */
export async function preflight(
  gateway: Gateway,
  { bucket, key }: Target,
  headers: RequestHeaders,
): Promise<Answer> {
  const origin = headers.get('origin')
  const method = headers.get('access-control-request-method')
  if (origin === undefined)
    throw new SealgateError('BadRequest', 'Insufficient information. Origin request header needed.')
  if (method === undefined || !METHODS.includes(method))
    throw new SealgateError('BadRequest', `Invalid Access-Control-Request-Method: ${method ?? 'null'}`)
  const asked = headers
    .all('access-control-request-headers')
    .flatMap((value) => value.split(','))
    .map((name) => name.trim())
    .filter((name) => name !== '')
  const rules = bucket === null ? [] : await gateway.cors.of(bucket)
  const allowed = allowedBy(rules, { origin, method, headers: asked })
  if (allowed !== null) return { status: 200, headers: { ...allowed, 'content-length': 0 } }
  throw new SealgateError(
    'AccessForbidden',
    rules.length === 0
      ? 'CORSResponse: CORS is not enabled for this bucket.'
      : 'CORSResponse: This CORS request is not allowed. No rule of the bucket allows the origin, the method and all of the headers.',
    { details: { Method: method, ResourceType: key === null ? 'BUCKET' : 'OBJECT' } },
  )
}

/** What every answer to a page of another origin says, errors too. A bucket whose rules cannot be had is served all the same, to others. */
export async function corsHeaders(
  gateway: Gateway,
  method: string,
  { bucket }: Target,
  headers: RequestHeaders,
): Promise<Readonly<Record<string, string>>> {
  const origin = headers.all('origin')[0]
  if (origin === undefined || bucket === null || method === 'OPTIONS') return {}
  try {
    return allowedBy(await gateway.cors.of(bucket), { origin, method, headers: [] }) ?? {}
  } catch (error) {
    gateway.warn('the CORS rules of a bucket cannot be read', error)
    return {}
  }
}
