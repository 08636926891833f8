/**
 * Who signed the policy of a form (API reference, "Authenticating Requests in Browser-Based Uploads Using POST"). The base64 text of the policy
 * is the string to sign. Errors are those that Amazon S3 answers.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { signingKeyOf } from '../../base/signing-key.ts'
import { SealgateError } from '../../errors.ts'
import { checkLifetime } from '../presigned.ts'
import { notVersion4, parseTimestamp } from '../signature-claim.ts'
import { requireSignature } from '../sigv2.ts'
import { type AuthenticateOptions, MAX_SKEW_MS, REGION, secretOf } from '../sigv4.ts'
import type { FormFields } from './form-fields.ts'
import { hasSecrets } from './post-policy.ts'

/** A signing key of version 4 is good for so long. */
const MAX_AGE_S = 7 * 24 * 3600

export interface FormIdentity {
  readonly accessKeyId: string
  /** Base64, as it was signed. */
  readonly policy: string
}

export interface AuthenticateFormOptions extends AuthenticateOptions {
  readonly acceptsVersion2: boolean
}

/**
 * @throws SealgateError AccessDenied for a form that nobody signed, InvalidArgument, InvalidAccessKeyId, SignatureDoesNotMatch
 */
export function authenticateForm(fields: FormFields, options: AuthenticateFormOptions): FormIdentity {
  if (VERSION_4.some(([name]) => fields.get(name) !== undefined)) return authenticateVersion4(fields, options)
  if (VERSION_2.some(([name]) => fields.get(name) !== undefined)) return authenticateVersion2(fields, options)
  throw new SealgateError(
    'AccessDenied',
    'Anonymous access is not allowed. Sign a policy for the form with an access key.',
    { reason: 'anonymous' },
  )
}

/** Lower-case names with those by which a missing one is named, in the order in which they are missed. */
const VERSION_4 = [
  ['x-amz-algorithm', 'X-Amz-Algorithm'],
  ['x-amz-credential', 'X-Amz-Credential'],
  ['x-amz-date', 'X-Amz-Date'],
  ['x-amz-signature', 'X-Amz-Signature'],
] as const

const VERSION_2 = [
  ['awsaccesskeyid', 'AWSAccessKeyId'],
  ['signature', 'Signature'],
] as const

function authenticateVersion2(fields: FormFields, options: AuthenticateFormOptions): FormIdentity {
  if (!options.acceptsVersion2) throw notVersion4()
  const [accessKeyId = '', signature = ''] = VERSION_2.map(([name, shown]) =>
    requiredField(fields, name, shown),
  )
  const policy = requiredField(fields, 'policy', 'Policy')
  const secret = secretOf(accessKeyId, options)
  // All of its characters count: none may be cut to a byte that is another's.
  const shown = shownPolicy(policy)
  requireSignature({ accessKeyId, signature, secret, toSign: [policy], encoding: 'utf8', shown })
  return { accessKeyId, policy }
}

function authenticateVersion4(fields: FormFields, options: AuthenticateOptions): FormIdentity {
  const [algorithm = '', credential = '', date = '', signature = ''] = VERSION_4.map(([name, shown]) =>
    requiredField(fields, name, shown),
  )
  const policy = requiredField(fields, 'policy', 'Policy')
  if (algorithm !== 'AWS4-HMAC-SHA256')
    throw wrong('X-Amz-Algorithm', algorithm, 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"')
  const scope = credential.split('/').slice(-4)
  const accessKeyId = credential.split('/').slice(0, -4).join('/')
  if (accessKeyId === '') throw wrong('X-Amz-Credential', credential, MALFORMED)
  const secret = secretOf(accessKeyId, options)
  checkScope(credential, scope, date, options.region)
  checkTime(date, options.now())
  const key = signingKeyOf(accessKeyId, scope.join('/'), secret)
  const expected = createHmac('sha256', key).update(policy, 'utf8').digest()
  const provided = Buffer.from(/^[0-9a-f]{64}$/.test(signature) ? signature : '', 'hex')
  requireSame({ provided, expected, accessKeyId, policy, signature })
  return { accessKeyId, policy }
}

const MALFORMED =
  'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'

function checkScope(
  credential: string,
  [day, region = '', service, terminator]: readonly string[],
  date: string,
  expected: string | null,
): void {
  const fail = (message: string, details: Record<string, string> = {}) =>
    wrong('X-Amz-Credential', credential, message, details)
  if (terminator !== 'aws4_request')
    throw fail(`incorrect terminal "${terminator}". This endpoint uses "aws4_request".`)
  if (service !== 's3') throw fail(`incorrect service "${service}". This endpoint belongs to "s3".`)
  if (!REGION.test(region)) throw fail(MALFORMED)
  if (expected !== null && region !== expected)
    throw fail(`the region '${region}' is wrong; expecting '${expected}'`, { Region: expected })
  if (day !== date.slice(0, 8))
    throw fail(
      `incorrect date format or date "${day}". It is not the date of the form, "${date.slice(0, 8)}".`,
    )
}

function checkTime(date: string, now: number): void {
  const signedAt = parseTimestamp(date)
  if (signedAt === null)
    throw wrong('X-Amz-Date', date, 'X-Amz-Date must be formatted via ISO8601 Long format')
  checkLifetime({ signedAt, expiresS: MAX_AGE_S, now, maxSkewMs: MAX_SKEW_MS })
}

function requireSame(o: {
  readonly provided: Buffer
  readonly expected: Buffer
  readonly accessKeyId: string
  readonly policy: string
  readonly signature: string
}): void {
  if (o.provided.length === o.expected.length && timingSafeEqual(o.provided, o.expected)) return
  throw new SealgateError('SignatureDoesNotMatch', undefined, {
    details: {
      AWSAccessKeyId: o.accessKeyId,
      ...shownPolicy(o.policy),
      SignatureProvided: o.signature,
    },
  })
}

/** What was signed, unless there are secrets in it. */
function shownPolicy(policy: string): Record<string, string> {
  return hasSecrets(Buffer.from(policy, 'base64').toString()) ? {} : { StringToSign: policy }
}

/** The field's value; S3's words for one that is missing. */
export function requiredField(fields: FormFields, name: string, shown: string): string {
  const value = fields.get(name)
  if (value !== undefined && value !== '') return value
  throw wrong(
    shown,
    '',
    `Bucket POST must contain a field named '${shown}'.  If it is specified, please check the order of the fields.`,
  )
}

function wrong(
  name: string,
  value: string,
  message: string,
  details: Record<string, string> = {},
): SealgateError {
  return new SealgateError('InvalidArgument', message, {
    details: { ArgumentName: name, ArgumentValue: value.slice(0, 256), ...details },
  })
}
