import { readFile } from 'node:fs/promises'
import { SingleFlight } from '../../base/single-flight.ts'
import type { HttpAnswer } from './http-client.ts'
import { isRecord, jsonObject } from './json.ts'
import { KmsError, SIGN_IN_REFUSED, saidText } from './kms-error.ts'

/** How the gateway proves itself to Vault or OpenBao. Files are read again whenever they are needed: others renew them. */
export type VaultAuth =
  | { readonly method: 'token'; readonly token: string }
  | { readonly method: 'token-file'; readonly file: string }
  | {
      readonly method: 'approle'
      readonly mount: string
      readonly roleId: string
      readonly secretId: { readonly value: string } | { readonly file: string }
    }
  | {
      readonly method: 'kubernetes'
      readonly mount: string
      readonly role: string
      readonly tokenFile: string
    }

export interface VaultSessionOptions {
  readonly auth: VaultAuth
  readonly send: (
    method: 'GET' | 'POST',
    path: string,
    token: string | null,
    body?: object,
  ) => Promise<HttpAnswer>
  readonly now: () => number
}

interface Token {
  readonly value: string
  /** Infinity for one without an end, or whose end cannot be learnt. */
  readonly endsAt: number
  readonly isRenewable: boolean
}

/** What was not taken, and until when it is not shown again. */
interface RefusedProof {
  readonly proof: string
  readonly error: KmsError
  readonly pauseMs: number
  readonly until: number
}

/** Vault and OpenBao lock a role for everybody after some wrong proofs: one that was refused waits, twice as long each time. */
const FIRST_PAUSE_MS = 30_000
const LONGEST_PAUSE_MS = 600_000

/** A token is renewed when two thirds of its life are over; if that fails, after two thirds of what is left, and so on. */
const RENEW_AFTER = 2 / 3
const MIN_PAUSE_MS = 1000
/** What a timer can wait at most. */
const MAX_PAUSE_MS = 2 ** 31 - 1

/**
 * The token for calls to Vault. One that can be renewed is, by renew-self as long as that lengthens its life, and also while nobody asks: what has
 * ended cannot be renewed. After its end whoever needs a token signs in again; one from a file is read again in time.
 */
export class VaultSession {
  readonly #o: VaultSessionOptions
  readonly #flight = new SingleFlight<Token>()
  #token: Token | undefined
  #refused: RefusedProof | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: VaultSessionOptions) {
    this.#o = options
  }

  async token(): Promise<string> {
    const known = this.#token
    if (known !== undefined && this.#o.now() < known.endsAt) return known.value
    return (await this.#flight.run('', () => this.#begin())).value
  }

  /** Another token after this one was refused; null if there is none, and the refusal is about what it may do. */
  async replace(refused: string): Promise<string | null> {
    if (this.#token !== undefined && this.#token.value !== refused) return this.#token.value
    const { method } = this.#o.auth
    if (method === 'token') return null
    // Signing in leaves a token behind in Vault, so it is not done for each call that a policy forbids.
    if (
      method !== 'token-file' &&
      (await this.#o.send('GET', 'auth/token/lookup-self', refused)).status === 200
    )
      return null
    const { value } = await this.#flight.run('', () => this.#begin())
    return value === refused ? null : value
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  async #begin(): Promise<Token> {
    const { auth } = this.#o
    if (auth.method === 'token') return this.#keep(await this.#lookUp(auth.token))
    if (auth.method === 'token-file') return this.#keep(await this.#lookUp(await secretIn(auth.file)))
    return this.#signIn(auth)
  }

  async #signIn(auth: SignIn): Promise<Token> {
    const shown = await proofOf(auth)
    const proof = JSON.stringify(shown)
    const before = this.#refused?.proof === proof ? this.#refused : undefined
    const leftMs = before === undefined ? 0 : before.until - this.#o.now()
    // A clock that was set back must not make it longer.
    if (before !== undefined && leftMs > 0 && leftMs <= before.pauseMs) throw before.error
    const answer = await this.#o.send('POST', `auth/${auth.mount}/login`, null, shown)
    const granted = grantOf(answer, this.#o.now())
    if (granted !== null) {
      this.#refused = undefined
      return this.#keep(granted)
    }
    if (isPassing(answer.status)) throw refusal(answer, '')
    const pauseMs = before === undefined ? FIRST_PAUSE_MS : Math.min(2 * before.pauseMs, LONGEST_PAUSE_MS)
    const error = new KmsError('denied', SIGN_IN_REFUSED, signInRefusal(answer, auth, shown, pauseMs))
    this.#refused = { proof, error, pauseMs, until: this.#o.now() + pauseMs }
    throw error
  }

  /** Why a token that was answered 403 may not: in words, with the field that it is from. */
  async whyRefused(token: string): Promise<string> {
    const { status } = await this.#o.send('GET', 'auth/token/lookup-self', token)
    const from = FIELD_OF_TOKEN[this.#o.auth.method]
    return status === 200
      ? `the policies of the token (${from}) do not allow it, or the key is not there`
      : `Vault does not know the token (${from}): it has ended or was revoked`
  }

  /** A token that may not look itself up is used as it is. */
  async #lookUp(value: string): Promise<Token> {
    const answer = await this.#o.send('GET', 'auth/token/lookup-self', value)
    if (isPassing(answer.status)) throw refusal(answer, '')
    const data = jsonObject(answer.text)?.['data']
    const { ttl, renewable } = isRecord(data) ? data : {}
    return { value, endsAt: endOf(ttl, this.#o.now()), isRenewable: renewable === true }
  }

  #keep(token: Token): Token {
    this.#token = token
    this.#watch(token)
    return token
  }

  #watch(token: Token): void {
    clearTimeout(this.#timer)
    if (this.#isClosed || token.endsAt === Number.POSITIVE_INFINITY) return
    const pauseMs = Math.max(MIN_PAUSE_MS, (token.endsAt - this.#o.now()) * RENEW_AFTER)
    this.#timer = setTimeout(() => void this.#renew(token), Math.min(pauseMs, MAX_PAUSE_MS)).unref()
  }

  async #renew(token: Token): Promise<void> {
    try {
      await this.#flight.run('', async () => (await this.#extend(token)) ?? (await this.#afterLast(token)))
    } catch {
      // What still lives is used to its end, and then whoever needs it gets the error.
      if (this.#o.now() < token.endsAt) this.#watch(token)
    }
  }

  /** It cannot be renewed any more. */
  async #afterLast(token: Token): Promise<Token> {
    return this.#o.auth.method === 'token-file' ? this.#begin() : token
  }

  /** Null if the token has no longer life after it than before: it is at its end, or may not be renewed. */
  async #extend(token: Token): Promise<Token | null> {
    if (!token.isRenewable) return null
    const answer = await this.#o.send('POST', 'auth/token/renew-self', token.value, {})
    if (isPassing(answer.status)) throw refusal(answer, '')
    const renewed = grantOf(answer, this.#o.now())
    const isLonger = renewed !== null && renewed.endsAt > token.endsAt + MIN_PAUSE_MS
    return isLonger ? this.#keep(renewed) : null
  }
}

const FIELD_OF_TOKEN: Readonly<Record<VaultAuth['method'], string>> = {
  token: 'kms.vault.token',
  'token-file': 'kms.vault.tokenFile',
  approle: 'of the sign-in by kms.vault.roleId',
  kubernetes: 'of the sign-in by kms.vault.role',
}

function signInRefusal(
  { status, text }: HttpAnswer,
  { method, mount }: SignIn,
  shown: Readonly<Record<string, string>>,
  pauseMs: number,
): string {
  const errors = jsonObject(text)?.['errors']
  let said = Array.isArray(errors) ? saidText(errors.join('; ')) : ''
  for (const secret of [shown['secret_id'] ?? '', shown['jwt'] ?? ''])
    if (secret !== '') said = said.replaceAll(secret, '[left out]')
  const check =
    method === 'approle'
      ? 'kms.vault.roleId and kms.vault.secretId or secretIdFile'
      : 'kms.vault.role and kms.vault.jwtFile'
  return `Vault refuses the sign-in at auth/${mount} with HTTP ${status}${said === '' ? '' : ` (${said})`}; check ${check}. The same is shown again after ${pauseMs / 1000} s, what is new at once`
}

type SignIn = Extract<VaultAuth, { method: 'approle' | 'kubernetes' }>

async function proofOf(auth: SignIn): Promise<Readonly<Record<string, string>>> {
  if (auth.method === 'kubernetes') return { role: auth.role, jwt: await secretIn(auth.tokenFile) }
  const { secretId } = auth
  return {
    role_id: auth.roleId,
    secret_id: 'value' in secretId ? secretId.value : await secretIn(secretId.file),
  }
}

async function secretIn(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new KmsError(
      'denied',
      'NoCredentials',
      `${file}, which proves the gateway to Vault, cannot be read (${code})`,
    )
  }
}

/** The token that a sign-in or a renewal answers. */
function grantOf({ status, text }: HttpAnswer, now: number): Token | null {
  const granted = jsonObject(text)?.['auth']
  if (status !== 200 || !isRecord(granted) || typeof granted['client_token'] !== 'string') return null
  return {
    value: granted['client_token'],
    endsAt: endOf(granted['lease_duration'], now),
    isRenewable: granted['renewable'] === true,
  }
}

function endOf(lifeS: unknown, now: number): number {
  return typeof lifeS === 'number' && lifeS > 0 ? now + lifeS * 1000 : Number.POSITIVE_INFINITY
}

/** 412 is a replica that has not caught up, 472 and 473 are standbys, 503 is a sealed Vault: all of them pass. */
export function isPassing(status: number): boolean {
  return status >= 500 || [412, 429, 472, 473].includes(status)
}

export function refusal({ status }: HttpAnswer, message: string): KmsError {
  if (!isPassing(status)) return new KmsError('denied', `HTTP ${status}`, message)
  const fault = status === 429 ? 'throttled' : 'unavailable'
  return new KmsError(fault, `HTTP ${status}`, 'Vault cannot serve at the moment')
}
