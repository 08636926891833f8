import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { saidCode } from './said-code.ts'
import { SingleFlight } from './single-flight.ts'

/** Of Tencent Cloud. */
export interface TencentCredentials {
  readonly secretId: string
  readonly secretKey: string
  /** Of temporary credentials. */
  readonly token?: string | undefined
}

/**
 * There are none: `denied` until somebody changes something, `unavailable` while their source is away, `protocol` if that answers what it should
 * not. The message is for the log, and names no secret.
 */
export class TencentCredentialsError extends Error {
  override readonly name = 'TencentCredentialsError'
  readonly fault: 'denied' | 'unavailable' | 'protocol'
  readonly code: string

  constructor(fault: TencentCredentialsError['fault'], code: string, message: string) {
    super(message)
    this.fault = fault
    this.code = code
  }
}

/** Credentials with the time at which they end; without one they do not. */
interface Found extends TencentCredentials {
  readonly expiresAt?: number
}

export interface TencentCredentialsOptions {
  /** From the configuration; they come before everything else. */
  readonly configured?: TencentCredentials | undefined
  /** The fields of the configuration that hold them, for the error that says what to set. */
  readonly fields: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Where the instance's role is asked for; the metadata service of Tencent's machines. */
  readonly metadataEndpoint?: string
  readonly stsEndpoint?: string
  /** Where a profile is looked for. */
  readonly profiles?: readonly string[]
  readonly now?: () => number
}

/** New ones are fetched when the old ones have less than this left. */
const MARGIN_MS = 5 * 60_000
const TIMEOUT_MS = 3000
/** Credentials are short. */
const MAX_ANSWER_BYTES = 64 * 1024

/**
 * Tencent Cloud credentials in the order of its own clients: configuration, environment, profile file, the role of the virtual machine, the
 * service account of a TKE pod. Temporary ones are renewed before they end, by one request for all who wait.
 */
export function tencentCredentials(
  options: TencentCredentialsOptions,
): (refresh: boolean) => Promise<TencentCredentials> {
  const now = options.now ?? Date.now
  const fetching = new SingleFlight<Found>()
  let current: Found | undefined
  const renew = async (): Promise<Found> => {
    for (const source of SOURCES) {
      const found = await source(options)
      if (found !== null) return found
    }
    // There were some: their source is away, and that passes.
    throw new TencentCredentialsError(
      current === undefined ? 'denied' : 'unavailable',
      'NoCredentials',
      `no Tencent Cloud credentials: set ${options.fields}, or TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY, or give the machine or the pod a role`,
    )
  }
  return async (refresh) => {
    const left = (current?.expiresAt ?? Number.POSITIVE_INFINITY) - now()
    if (current !== undefined && !refresh && left > MARGIN_MS) return current
    try {
      current = await fetching.run('', renew)
      return current
    } catch (error) {
      // What still works is better than nothing while the source is away.
      if (current !== undefined && !refresh && left > 0) return current
      throw error
    }
  }
}

type Source = (options: TencentCredentialsOptions) => Promise<Found | null>

const configured: Source = async ({ configured }) => configured ?? null

const fromEnvironment: Source = async ({ environment }) => {
  const secretId = environment['TENCENTCLOUD_SECRET_ID']
  const secretKey = environment['TENCENTCLOUD_SECRET_KEY']
  if (!secretId || !secretKey) return null
  return { secretId, secretKey, token: environment['TENCENTCLOUD_SESSION_TOKEN'] || undefined }
}

const fromProfile: Source = async ({ profiles }) => {
  const paths = profiles ?? [join(homedir(), '.tencentcloud/credentials'), '/etc/tencentcloud/credentials']
  for (const path of paths) {
    const text = await readFile(path, 'utf8').catch(() => null)
    if (text === null) continue
    const values = new Map<string, string>()
    let section = ''
    for (const line of text.split(/\r?\n/)) {
      section = /^\s*\[(.+)\]\s*$/.exec(line)?.[1]?.trim() ?? section
      const [, name = '', value = ''] = /^\s*([a-z_]+)\s*=\s*(\S*)\s*$/.exec(line) ?? []
      if (section === 'default' && name !== '') values.set(name, value)
    }
    const [secretId, secretKey] = [values.get('secret_id'), values.get('secret_key')]
    if (secretId && secretKey) return { secretId, secretKey, token: values.get('token') || undefined }
  }
  return null
}

/** The role that a virtual machine was given (CAM). Elsewhere the name is not known, and the request fails at once. */
const fromInstanceRole: Source = async ({
  metadataEndpoint = 'http://metadata.tencentyun.com',
  environment,
}) => {
  // In a pod with a service account of its own the role of the machine is somebody else's.
  if (environment['TKE_ROLE_ARN'] !== undefined) return null
  const base = `${metadataEndpoint}/latest/meta-data/cam/security-credentials/`
  const role = await get(base)
  if (role === null) return null
  const answer = parse(await get(base + encodeURIComponent(role.trim())))
  if (answer?.['Code'] !== 'Success') return null
  return temporary(answer, answer['ExpiredTime'])
}

const fromServiceAccount: Source = async ({
  environment,
  stsEndpoint = 'https://sts.tencentcloudapi.com',
}) => {
  const { TKE_REGION: region, TKE_PROVIDER_ID: provider, TKE_ROLE_ARN: role } = environment
  const tokenFile = environment['TKE_WEB_IDENTITY_TOKEN_FILE']
  if (!region || !provider || !role || !tokenFile) return null
  const body = {
    ProviderId: provider,
    WebIdentityToken: await tokenIn(tokenFile),
    RoleArn: role,
    RoleSessionName: 'sealgate',
  }
  const headers = {
    'content-type': 'application/json',
    authorization: 'SKIP',
    'x-tc-action': 'AssumeRoleWithWebIdentity',
    'x-tc-version': '2018-08-13',
    'x-tc-region': region,
    'x-tc-timestamp': String(Math.floor(Date.now() / 1000)),
  }
  const text = await request(stsEndpoint, { method: 'POST', headers, body: JSON.stringify(body) })
  const response = parse(text)?.['Response'] as Record<string, unknown> | undefined
  const credentials = response?.['Credentials'] as Record<string, unknown> | undefined
  if (credentials === undefined) {
    const code = (response?.['Error'] as { Code?: unknown } | undefined)?.Code
    throw new TencentCredentialsError(
      'denied',
      code === undefined ? 'NoCredentials' : saidCode(code),
      'the role of the service account was refused',
    )
  }
  return temporary(credentials, response?.['ExpiredTime'])
}

async function tokenIn(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const what = `${file} (TKE_WEB_IDENTITY_TOKEN_FILE) cannot be read (${code})`
    throw new TencentCredentialsError('denied', 'NoCredentials', what)
  }
}

const SOURCES: readonly Source[] = [
  configured,
  fromEnvironment,
  fromProfile,
  fromInstanceRole,
  fromServiceAccount,
]

function temporary(fields: Record<string, unknown>, expiresS: unknown): Found {
  const [secretId, secretKey, token] = [fields['TmpSecretId'], fields['TmpSecretKey'], fields['Token']]
  if (typeof secretId !== 'string' || typeof secretKey !== 'string' || typeof token !== 'string')
    throw new TencentCredentialsError(
      'protocol',
      'NoCredentials',
      'the answer holds no temporary credentials',
    )
  if (typeof expiresS !== 'number')
    throw new TencentCredentialsError(
      'protocol',
      'NoCredentials',
      'the temporary credentials came without their end',
    )
  return { secretId, secretKey, token, expiresAt: expiresS * 1000 }
}

async function get(url: string): Promise<string | null> {
  return request(url, {}).catch(() => null)
}

async function request(url: string, init: RequestInit): Promise<string> {
  try {
    const answer = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) })
    const text = await limited(answer)
    if (!answer.ok)
      throw new TencentCredentialsError(
        'unavailable',
        `HTTP ${answer.status}`,
        'no credentials were answered',
      )
    return text
  } catch (error) {
    if (error instanceof TencentCredentialsError) throw error
    throw new TencentCredentialsError(
      'unavailable',
      'ConnectionFailed',
      'the source of credentials did not answer',
    )
  }
}

async function limited(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of answer.body ?? []) {
    size += chunk.length
    if (size > MAX_ANSWER_BYTES)
      throw new TencentCredentialsError(
        'protocol',
        'AnswerTooLong',
        'the source of credentials does not answer with any',
      )
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parse(text: string | null): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text ?? '')
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}
