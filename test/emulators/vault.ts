/**
 * The part of Vault and OpenBao that the gateway uses, as a local server: Transit with associated data, key versions, tokens that end and can be
 * renewed, AppRole and Kubernetes sign-in. What it answers was compared with both (test/kms/vault.lane.ts runs the same calls there).
 */
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { type Answered, Emulator, parse, Refusal } from './emulator.ts'

interface TransitKey {
  readonly type: 'aes256-gcm96' | 'rsa-2048'
  readonly versions: Buffer[]
  isSoftDeleted: boolean
  minDecryptionVersion: number
}

interface Token {
  endsAt: number
  readonly renewable: boolean
  readonly ttlMs: number
  /** No renewal goes beyond it. */
  readonly maxEndsAt: number
  /** Names of keys; all without it. */
  readonly only: readonly string[] | undefined
}

interface TokenOptions {
  readonly ttlS?: number
  readonly renewable?: boolean
  readonly maxTtlS?: number
  readonly only?: readonly string[]
}

/** Refusals are `STATUS sentence`, as a fault's code too. */
const DENIED = '403 permission denied'

export class VaultEmulator extends Emulator {
  /** Time of its own, so that tests need not wait for the end of tokens. */
  time = Date.now()
  namespace = ''
  readonly #keys = new Map<string, TransitKey>()
  readonly #tokens = new Map<string, Token>()
  /** What proves somebody: a secret id or a service account's JWT, with what the token may do that is given for it. */
  readonly #proofs = new Map<string, TokenOptions>()

  static start(options: { tls?: boolean } = {}): Promise<VaultEmulator> {
    return new VaultEmulator(options).listen()
  }

  createKey(name: string, type: TransitKey['type'] = 'aes256-gcm96'): void {
    this.#keys.set(name, { type, versions: [randomBytes(32)], isSoftDeleted: false, minDecryptionVersion: 1 })
  }

  changeKey(name: string, change: (key: TransitKey) => void): void {
    const key = this.#keys.get(name)
    if (key === undefined) throw new TypeError(`no key ${name}`)
    change(key)
  }

  createToken({ ttlS = 0, renewable = true, maxTtlS = 1e9, only }: TokenOptions = {}): string {
    const value = `hvs.${randomUUID()}`
    const ttlMs = ttlS * 1000
    const endsAt = ttlS === 0 ? Number.POSITIVE_INFINITY : this.time + ttlMs
    this.#tokens.set(value, { endsAt, renewable, ttlMs, maxEndsAt: this.time + maxTtlS * 1000, only })
    return value
  }

  revoke(token: string): void {
    this.#tokens.delete(token)
  }

  revokeAll(): void {
    this.#tokens.clear()
  }

  get tokens(): number {
    return this.#tokens.size
  }

  /** Whoever shows this secret id or JWT is given such tokens. */
  allow(proof: string, options: TokenOptions = {}): void {
    this.#proofs.set(proof, options)
  }

  protected override actionOf(request: IncomingMessage): string {
    return (request.url ?? '').replace(/^\/v1\//, '')
  }

  protected override answer(request: IncomingMessage, body: Buffer, refuse: string | undefined): Answered {
    const path = this.actionOf(request)
    const parameters = parse(body) ?? {}
    const call = { action: path, body: parameters }
    try {
      if (refuse !== undefined) throw new Refusal(refuse)
      const answer = this.#run(request, path, parameters)
      return { ...call, error: undefined, status: 200, answer }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      const [, status = '500', sentence = ''] = /^(\d{3}) (.*)$/.exec(error.code) ?? []
      return { ...call, error: error.code, status: Number(status), answer: { errors: [sentence] } }
    }
  }

  #run(request: IncomingMessage, path: string, p: Record<string, unknown>): Record<string, unknown> {
    if (String(request.headers['x-vault-namespace'] ?? '') !== this.namespace)
      throw new Refusal('404 namespace not found')
    const method = request.method ?? ''
    const signIn = /^auth\/(approle|kubernetes)\/login$/.exec(path)
    if (signIn !== null && method === 'POST') return this.#signIn(String(p['secret_id'] ?? p['jwt']))
    const value = String(request.headers['x-vault-token'])
    const token = this.#tokens.get(value)
    if (token === undefined || token.endsAt <= this.time) throw new Refusal(DENIED)
    if (path === 'auth/token/lookup-self' && method === 'GET') {
      const ttl =
        token.endsAt === Number.POSITIVE_INFINITY ? 0 : Math.floor((token.endsAt - this.time) / 1000)
      return { data: { id: value, ttl, renewable: token.renewable } }
    }
    if (path === 'auth/token/renew-self' && method === 'POST') return this.#renew(value, token)
    const [, verb = '', name = ''] = /^transit\/(encrypt|decrypt)\/([^/]+)$/.exec(path) ?? []
    if (verb === '' || method !== 'POST') throw new Refusal('404 no handler for route')
    if (token.only !== undefined && !token.only.includes(name)) throw new Refusal(DENIED)
    return { data: verb === 'encrypt' ? this.#encrypt(name, p) : this.#decrypt(name, p) }
  }

  #signIn(proof: string): Record<string, unknown> {
    const options = this.#proofs.get(proof)
    if (options === undefined) throw new Refusal('400 invalid role or secret ID')
    const { ttlS = 0, renewable = true } = options
    return { auth: { client_token: this.createToken(options), lease_duration: ttlS, renewable } }
  }

  #renew(value: string, token: Token): Record<string, unknown> {
    if (!token.renewable) throw new Refusal('400 lease is not renewable')
    token.endsAt = Math.min(this.time + token.ttlMs, token.maxEndsAt)
    const lease_duration = Math.floor((token.endsAt - this.time) / 1000)
    return { auth: { client_token: value, lease_duration, renewable: true } }
  }

  #usable(name: string): TransitKey {
    const key = this.#keys.get(name)
    if (key === undefined) throw new Refusal('400 encryption key not found')
    if (key.isSoftDeleted) throw new Refusal('400 refusing to use soft-deleted key')
    if (key.type !== 'aes256-gcm96')
      throw new Refusal(`400 '[0].associated_data' provided for non-AEAD cipher suite ${key.type}`)
    return key
  }

  #encrypt(name: string, p: Record<string, unknown>): Record<string, unknown> {
    const key = this.#usable(name)
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', key.versions.at(-1) ?? Buffer.alloc(0), nonce)
    cipher.setAAD(Buffer.from(String(p['associated_data'] ?? ''), 'base64'))
    const plaintext = Buffer.from(String(p['plaintext']), 'base64')
    const sealed = Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
    return { ciphertext: `vault:v${key.versions.length}:${sealed.toString('base64')}` }
  }

  #decrypt(name: string, p: Record<string, unknown>): Record<string, unknown> {
    const key = this.#usable(name)
    const match = /^vault:v(\d+):(.*)$/.exec(String(p['ciphertext']))
    if (match === null) throw new Refusal('400 invalid ciphertext: no prefix')
    const version = Number(match[1])
    const secret = key.versions[version - 1]
    if (secret === undefined) throw new Refusal('400 invalid ciphertext: version is too new')
    if (version < key.minDecryptionVersion)
      throw new Refusal('400 ciphertext or signature version is disallowed by policy (too old)')
    const sealed = Buffer.from(match[2] ?? '', 'base64')
    if (sealed.length < 28) throw new Refusal('400 invalid ciphertext length')
    const decipher = createDecipheriv('aes-256-gcm', secret, sealed.subarray(0, 12))
    decipher.setAAD(Buffer.from(String(p['associated_data'] ?? ''), 'base64'))
    decipher.setAuthTag(sealed.subarray(-16))
    try {
      const plaintext = Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])
      return { plaintext: plaintext.toString('base64') }
    } catch {
      throw new Refusal('400 cipher: message authentication failed')
    }
  }
}
