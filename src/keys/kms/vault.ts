import { randomBytes } from 'node:crypto'
import { ownId } from './cmk-id.ts'
import { type HttpAnswer, HttpClient } from './http-client.ts'
import { isRecord, jsonObject } from './json.ts'
import {
  canonicalContext,
  type EncryptionContext,
  type GeneratedDataKey,
  type Kms,
  WrappedKeyError,
} from './kms.ts'
import { KmsError, type KmsFault } from './kms-error.ts'
import { isPassing, refusal, type VaultAuth, VaultSession } from './vault-session.ts'

export interface VaultKmsOptions {
  /** Without a path, such as `https://vault.internal:8200`. */
  readonly address: string
  /** Where the Transit engine is mounted. */
  readonly mount: string
  readonly namespace: string | null
  readonly auth: VaultAuth
  /** PEM certificates of the authority of Vault's own certificate, if the system does not trust it. */
  readonly ca?: string | undefined
  readonly timeoutMs: number
  readonly now?: () => number
}

/**
 * The Transit engine of Vault and OpenBao (HTTP API, "Transit secrets engine"). The CMK is a key of the engine, by name; the context is its
 * associated data, which AEAD keys check. Ciphertexts are texts `vault:vN:…` that name the version, and are kept as they come.
 */
export class VaultKms implements Kms {
  readonly #o: VaultKmsOptions
  readonly #http: HttpClient
  readonly #session: VaultSession

  constructor(options: VaultKmsOptions) {
    const { auth, timeoutMs, ca, now = Date.now } = options
    this.#o = options
    const name = `Vault (kms.vault.address ${options.address})`
    this.#http = new HttpClient({ name, timeoutMs, ca })
    const send = (method: 'GET' | 'POST', path: string, token: string | null, body?: object) =>
      this.#send(method, path, token, body)
    this.#session = new VaultSession({ auth, now, send })
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
    const text = data['ciphertext']
    if (typeof text === 'string' && CIPHERTEXT.test(text)) return Buffer.from(text)
    throw new KmsError('protocol', 'MissingField', 'Vault answered without a ciphertext')
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

  close(): void {
    this.#session.close()
    this.#http.close()
  }

  async #call(verb: 'encrypt' | 'decrypt', cmkId: string, body: object): Promise<Record<string, unknown>> {
    const name = ownId('vault', cmkId)
    if (name === null) throw new KmsError('not-found', 'NoSuchKey', `${cmkId} is no key of Transit`)
    const path = `${this.#o.mount}/${verb}/${name}`
    const token = await this.#session.token()
    const answer = await this.#send('POST', path, token, body)
    // The token may have been revoked, or have ended before its time.
    const other = answer.status === 403 ? await this.#session.replace(token) : null
    const last = other === null ? answer : await this.#send('POST', path, other, body)
    if (last.status === 403) throw refusal(last, await this.#whyForbidden(path, other ?? token))
    return dataOf(last, { verb, path })
  }

  async #whyForbidden(path: string, token: string): Promise<string> {
    const why = await this.#session.whyRefused(token)
    return `Vault (${this.#o.address}) does not permit ${path}: ${why}`
  }

  #send(method: 'GET' | 'POST', path: string, token: string | null, body?: object): Promise<HttpAnswer> {
    const { address, namespace } = this.#o
    return this.#http.send({
      method,
      url: `${address}/v1/${path}`,
      headers: {
        'content-type': 'application/json',
        'x-vault-request': 'true',
        ...(token === null ? {} : { 'x-vault-token': token }),
        ...(namespace === null ? {} : { 'x-vault-namespace': namespace }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  }
}

const CIPHERTEXT = /^vault:v\d{1,9}:[A-Za-z0-9+/]+=*$/

/** What the engine says of a blob that it did not make, or not under this key and context. */
const NOT_OURS =
  /invalid ciphertext|message authentication failed|no such key version|could not decode|illegal base64/

/** Sentences of the engine; statuses alone do not tell. */
const FAULTS: readonly (readonly [RegExp, KmsFault, string])[] = [
  [/encryption key not found/, 'not-found', 'Vault has no such key'],
  [/soft-deleted/, 'disabled', 'the key is soft-deleted'],
  [
    /disallowed by policy|too old|minimum encryption key version/,
    'invalid-state',
    'the version of the key is no longer allowed (min_decryption_version)',
  ],
  [
    /non-AEAD cipher|not supported for key type|missing 'context'/,
    'key-usage',
    'the key is not of type aes256-gcm96 or another that takes associated data, or it is a derived one',
  ],
]

interface Call {
  readonly verb: 'encrypt' | 'decrypt'
  readonly path: string
}

function dataOf(answer: HttpAnswer, { verb, path }: Call): Record<string, unknown> {
  const { status, text } = answer
  const parsed = jsonObject(text)
  const data = parsed?.['data']
  if (status === 200 && isRecord(data)) return data
  if (isPassing(status)) throw refusal(answer, '')
  const errors = Array.isArray(parsed?.['errors']) ? parsed['errors'].join('; ') : ''
  const known = FAULTS.find(([pattern]) => pattern.test(errors))
  if (known !== undefined) throw new KmsError(known[1], `HTTP ${status}`, `${path}: ${known[2]}`)
  if (status === 404)
    throw new KmsError(
      'not-found',
      'HTTP 404',
      `${path}: Vault has no Transit engine at this mount (kms.vault.mount), or no such namespace (kms.vault.namespace)`,
    )
  if (verb === 'decrypt' && status === 400 && NOT_OURS.test(errors))
    throw new WrappedKeyError('Vault says that it did not wrap this under this context')
  throw new KmsError('protocol', `HTTP ${status}`, `${path}: the answer is no answer of the Transit engine`)
}

function associatedData(context: EncryptionContext): string {
  return canonicalContext(context).toString('base64')
}
