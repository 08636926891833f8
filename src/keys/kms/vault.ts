import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { ownId } from './cmk-id.ts'
import {
  canonicalContext,
  type EncryptionContext,
  type GeneratedDataKey,
  type Kms,
  WrappedKeyError,
} from './kms.ts'
import { KmsError } from './kms-error.ts'

/** How the gateway proves itself to Vault or OpenBao. */
export type VaultAuth =
  | { readonly method: 'token'; readonly token: string }
  | { readonly method: 'approle'; readonly mount: string; readonly roleId: string; readonly secretId: string }
  | {
      readonly method: 'kubernetes'
      readonly mount: string
      readonly role: string
      readonly tokenFile: string
    }

export interface VaultKmsOptions {
  /** Without a path, such as `https://vault.internal:8200`. */
  readonly address: string
  /** Where the Transit engine is mounted. */
  readonly mount: string
  readonly namespace: string | null
  readonly auth: VaultAuth
  readonly timeoutMs: number
  readonly now?: () => number
}

interface Session {
  readonly token: string
  /** Infinity for a token that was configured: its life is its owner's business. */
  readonly renewAt: number
}

interface HttpAnswer {
  readonly status: number
  readonly text: string
}

const MAX_ANSWER_BYTES = 64 * 1024

/**
 * The Transit engine of Vault and OpenBao (HTTP API, "Transit secrets engine"). The CMK is a key of the engine, by name; the context is its
 * associated data, which AES-256-GCM keys check. Ciphertexts are texts `vault:vN:…` that name the version, and are kept as they come.
 */
export class VaultKms implements Kms {
  readonly #o: VaultKmsOptions
  readonly #now: () => number
  #session: Promise<Session> | undefined

  constructor(options: VaultKmsOptions) {
    this.#o = options
    this.#now = options.now ?? Date.now
  }

  /** Made here: the engine's own data keys take no associated data, and what is not bound could be moved. */
  async generateDataKey(cmkId: string, context: EncryptionContext): Promise<GeneratedDataKey> {
    const plaintext = randomBytes(32)
    return { plaintext, wrapped: await this.encrypt(cmkId, plaintext, context) }
  }

  async encrypt(cmkId: string, plaintext: Uint8Array, context: EncryptionContext): Promise<Buffer> {
    const data = await this.#call('encrypt', cmkId, {
      plaintext: Buffer.from(plaintext).toString('base64'),
      associated_data: associatedData(context),
    })
    return ciphertextOf(data)
  }

  async decrypt(cmkId: string, wrapped: Uint8Array, context: EncryptionContext): Promise<Buffer> {
    const ciphertext = Buffer.from(wrapped).toString('utf8')
    if (!CIPHERTEXT.test(ciphertext)) throw new WrappedKeyError('it is no ciphertext of Transit')
    const data = await this.#call('decrypt', cmkId, { ciphertext, associated_data: associatedData(context) })
    const text = data['plaintext']
    const key = Buffer.from(typeof text === 'string' ? text : '', 'base64')
    if (key.length === 32 && key.toString('base64') === text) return key
    key.fill(0)
    throw new KmsError('protocol', 'WrongLength', 'Vault answered a key that is not 32 bytes long')
  }

  async #call(verb: 'encrypt' | 'decrypt', cmkId: string, body: object): Promise<Record<string, unknown>> {
    const name = ownId('vault', cmkId)
    if (name === null) throw new KmsError('not-found', 'NoSuchKey', `${cmkId} is no key of Transit`)
    const path = `${this.#o.mount}/${verb}/${name}`
    const answer = await this.#send(path, body, (await this.#signIn(false)).token)
    if (answer.status !== 403 || this.#o.auth.method === 'token') return readAnswer(answer, verb)
    // The token may have been revoked, or have ended before its time.
    return readAnswer(await this.#send(path, body, (await this.#signIn(true)).token), verb)
  }

  /** One sign-in for all who wait. */
  async #signIn(again: boolean): Promise<Session> {
    const asked = this.#session
    const known = await asked?.catch(() => undefined)
    if (known !== undefined && !again && this.#now() < known.renewAt) return known
    if (this.#session === asked) this.#session = this.#newSession()
    return this.#session ?? this.#newSession()
  }

  async #newSession(): Promise<Session> {
    const { auth } = this.#o
    if (auth.method === 'token') return { token: auth.token, renewAt: Number.POSITIVE_INFINITY }
    const body =
      auth.method === 'approle'
        ? { role_id: auth.roleId, secret_id: auth.secretId }
        : { role: auth.role, jwt: (await readFile(auth.tokenFile, 'utf8')).trim() }
    const answer = await this.#send(`auth/${auth.mount}/login`, body, null)
    const granted = parse(answer.text)?.['auth']
    if (answer.status >= 500 || answer.status === 429) throw passing(answer.status)
    if (answer.status !== 200 || !isRecord(granted) || typeof granted['client_token'] !== 'string')
      throw new KmsError('denied', `HTTP ${answer.status}`, `Vault refuses the sign-in by ${auth.method}`)
    const lifeS = Number(granted['lease_duration'])
    const lifeMs = lifeS > 0 ? lifeS * 1000 : Number.POSITIVE_INFINITY
    return { token: granted['client_token'], renewAt: this.#now() + lifeMs * 0.8 }
  }

  async #send(path: string, body: object, token: string | null): Promise<HttpAnswer> {
    try {
      const answer = await fetch(`${this.#o.address}/v1/${path}`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(token === null ? {} : { 'x-vault-token': token }),
          ...(this.#o.namespace === null ? {} : { 'x-vault-namespace': this.#o.namespace }),
        },
        body: JSON.stringify(body),
        redirect: 'manual',
        signal: AbortSignal.timeout(this.#o.timeoutMs),
      })
      return { status: answer.status, text: await limitedText(answer) }
    } catch (error) {
      if (error instanceof KmsError) throw error
      throw new KmsError('unavailable', 'ConnectionFailed', 'Vault did not answer', error)
    }
  }
}

const CIPHERTEXT = /^vault:v\d{1,9}:[A-Za-z0-9+/]+=*$/

function readAnswer({ status, text }: HttpAnswer, verb: 'encrypt' | 'decrypt'): Record<string, unknown> {
  const parsed = parse(text)
  const data = parsed?.['data']
  if (status === 200 && isRecord(data)) return data
  if (status >= 500 || status === 429) throw passing(status)
  const errors = Array.isArray(parsed?.['errors']) ? (parsed['errors'] as unknown[]).join('; ') : ''
  if (status === 403) throw new KmsError('denied', 'HTTP 403', 'Vault does not permit the use of this key')
  if (status === 404 || errors.includes('encryption key not found'))
    throw new KmsError(
      'not-found',
      `HTTP ${status}`,
      'Vault has no such key or no Transit engine at this mount',
    )
  if (errors.includes('disallowed by policy'))
    throw new KmsError(
      'invalid-state',
      `HTTP ${status}`,
      'the version of the key is no longer allowed (min_decryption_version)',
    )
  if (status === 400 && verb === 'decrypt')
    throw new WrappedKeyError('Vault says that it did not wrap this under this context')
  throw new KmsError('protocol', `HTTP ${status}`, 'the answer is no answer of the Transit engine')
}

/** 503 is a sealed Vault, 472 and 473 a standby: all of them pass. */
function passing(status: number): KmsError {
  return new KmsError(
    status === 429 ? 'throttled' : 'unavailable',
    `HTTP ${status}`,
    'Vault cannot serve at the moment',
  )
}

function associatedData(context: EncryptionContext): string {
  return canonicalContext(context).toString('base64')
}

function ciphertextOf(data: Record<string, unknown>): Buffer {
  const text = data['ciphertext']
  if (typeof text === 'string' && CIPHERTEXT.test(text)) return Buffer.from(text)
  throw new KmsError('protocol', 'MissingField', 'Vault answered without a ciphertext')
}

async function limitedText(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of answer.body ?? []) {
    size += chunk.length
    if (size > MAX_ANSWER_BYTES)
      throw new KmsError('protocol', 'AnswerTooLong', 'the answer is no answer of Vault')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : null
  } catch {
    return null
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
