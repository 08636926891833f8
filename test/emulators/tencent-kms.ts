/**
 * Tencent Cloud KMS (API 2019-01-18) as a local server: real signatures, key states, versions, contexts, limits, and errors inside HTTP
 * 200, by the service's public documentation. Where the documentation is silent it is strict (contexts are compared byte for byte).
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  randomBytes,
  randomUUID,
  timingSafeEqual,
} from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { type Answered, Emulator, parse, Refusal } from './emulator.ts'

export type KeyState = 'Enabled' | 'Disabled' | 'PendingDelete' | 'PendingImport' | 'Archived'

interface Cmk {
  readonly id: string
  alias: string
  state: KeyState
  /** The newest is the last; blobs name theirs. */
  readonly versions: Buffer[]
}

interface Account {
  readonly secretKey: string
  token: string | undefined
}

const VERSION = '2019-01-18'
const SKEW_S = 300

export class TencentKmsEmulator extends Emulator {
  readonly region = 'ap-guangzhou'
  readonly #keys = new Map<string, Cmk>()
  readonly #accounts = new Map<string, Account>()
  /** The official client signs the host without its port and takes the service's name from the endpoint. */
  acceptOfficialClient = false
  /** Calls that an account has in a second, of all kinds together; the service's default is 300. */
  quotaPerSecond = Number.POSITIVE_INFINITY
  #spent = { second: 0, calls: 0 }

  static start(): Promise<TencentKmsEmulator> {
    return new TencentKmsEmulator().listen()
  }

  createKey(alias: string): string {
    const id = randomUUID()
    this.#keys.set(id, { id, alias, state: 'Enabled', versions: [randomBytes(32)] })
    return id
  }

  setState(id: string, state: KeyState): void {
    this.#key(id).state = state
  }

  rotate(id: string): void {
    this.#key(id).versions.push(randomBytes(32))
  }

  setAccount(secretId: string, secretKey: string, token?: string): void {
    this.#accounts.set(secretId, { secretKey, token })
  }

  removeAccount(secretId: string): void {
    this.#accounts.delete(secretId)
  }

  #key(id: string): Cmk {
    const key = this.#keys.get(id)
    if (key === undefined) throw new TypeError(`no key ${id}`)
    return key
  }

  protected override actionOf(request: IncomingMessage): string {
    return String(request.headers['x-tc-action'])
  }

  protected override answer(request: IncomingMessage, body: Buffer, refuse: string | undefined): Answered {
    const answer = refuse === undefined ? this.#answer(request, body) : failure(refuse)
    const error = (answer['Error'] as { Code: string } | undefined)?.Code
    return {
      action: this.actionOf(request),
      body: parse(body) ?? {},
      error,
      status: 200,
      answer,
    }
  }

  protected override wrap(answer: Record<string, unknown>): unknown {
    return { Response: { ...answer, RequestId: randomUUID() } }
  }

  #answer(request: IncomingMessage, body: Buffer): Record<string, unknown> {
    try {
      if (request.method !== 'POST' || request.url !== '/') throw new Refusal('InvalidRequest')
      this.#authenticate(request, body)
      if (request.headers['x-tc-version'] !== VERSION) throw new Refusal('NoSuchVersion')
      if (request.headers['x-tc-region'] === undefined) throw new Refusal('MissingParameter')
      const parameters = parse(body)
      if (parameters === null) throw new Refusal('InvalidParameter')
      this.#spend()
      return this.#run(String(request.headers['x-tc-action']), parameters)
    } catch (error) {
      if (error instanceof Refusal) return failure(error.code)
      throw error
    }
  }

  #spend(): void {
    const second = Math.floor(this.now() / 1000)
    if (second !== this.#spent.second) this.#spent = { second, calls: 0 }
    this.#spent.calls += 1
    if (this.#spent.calls > this.quotaPerSecond) throw new Refusal('RequestLimitExceeded')
  }

  #authenticate(request: IncomingMessage, body: Buffer): void {
    const match =
      /^TC3-HMAC-SHA256 Credential=([^/]+)\/(\d{4}-\d\d-\d\d)\/([^/]+)\/tc3_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
        request.headers.authorization ?? '',
      )
    const [, secretId = '', date = '', service = '', names = '', signature = ''] = match ?? []
    if (match === null || (service !== 'kms' && !this.acceptOfficialClient))
      throw new Refusal('AuthFailure.InvalidAuthorization')
    const account = this.#accounts.get(secretId)
    if (account === undefined) throw new Refusal('AuthFailure.SecretIdNotFound')
    const timestamp = Number(request.headers['x-tc-timestamp'])
    if (!(Math.abs(timestamp - this.now() / 1000) <= SKEW_S)) throw new Refusal('AuthFailure.SignatureExpire')
    if (new Date(timestamp * 1000).toISOString().slice(0, 10) !== date)
      throw new Refusal('AuthFailure.SignatureFailure')
    if ((request.headers['x-tc-token'] ?? undefined) !== account.token)
      throw new Refusal('AuthFailure.TokenFailure')
    const signed = names.split(';')
    if (!signed.includes('host') || !signed.includes('content-type'))
      throw new Refusal('AuthFailure.InvalidAuthorization')
    const host = request.headers.host ?? ''
    const hosts = this.acceptOfficialClient ? [host, host.replace(/:\d+$/, '')] : [host]
    const hash = (data: string | Buffer) => createHash('sha256').update(data).digest('hex')
    const key = [date, service, 'tc3_request'].reduce<Buffer | string>(hmac, `TC3${account.secretKey}`)
    const fits = hosts.some((name) => {
      const lines = signed.map((field) => {
        const value = field === 'host' ? name : String(request.headers[field] ?? '')
        return `${field}:${value.trim().toLowerCase()}\n`
      })
      const canonical = ['POST', '/', '', lines.join(''), names, hash(body)].join('\n')
      const toSign = ['TC3-HMAC-SHA256', timestamp, `${date}/${service}/tc3_request`, hash(canonical)].join(
        '\n',
      )
      return timingSafeEqual(hmac(key, toSign), Buffer.from(signature, 'hex'))
    })
    if (!fits) throw new Refusal('AuthFailure.SignatureFailure')
  }

  #run(action: string, parameters: Record<string, unknown>): Record<string, unknown> {
    switch (action) {
      case 'GenerateDataKey':
        return this.#generateDataKey(
          read(parameters, ['KeyId'], ['KeySpec', 'NumberOfBytes', 'EncryptionContext']),
        )
      case 'Encrypt':
        return this.#encrypt(read(parameters, ['KeyId', 'Plaintext'], ['EncryptionContext']))
      case 'Decrypt':
        return this.#decrypt(read(parameters, ['CiphertextBlob'], ['EncryptionContext']))
      case 'ReEncrypt':
        return this.#reEncrypt(
          read(
            parameters,
            ['CiphertextBlob'],
            ['DestinationKeyId', 'SourceEncryptionContext', 'DestinationEncryptionContext'],
          ),
        )
      case 'ListKeyDetail':
        return this.#listKeyDetail(read(parameters, [], ['Offset', 'Limit', 'SearchKeyAlias']))
      default:
        throw new Refusal('InvalidAction')
    }
  }

  #generateDataKey(p: Record<string, unknown>): Record<string, unknown> {
    const bytes = p['NumberOfBytes'] ?? { AES_128: 16, AES_256: 32 }[String(p['KeySpec'])]
    if (typeof bytes !== 'number' || bytes < 1 || bytes > 1024) throw new Refusal('InvalidParameter')
    const key = this.#usable(String(p['KeyId']), 'encrypt')
    const plaintext = randomBytes(bytes)
    return {
      KeyId: key.id,
      Plaintext: plaintext.toString('base64'),
      CiphertextBlob: wrap(key, plaintext, contextOf(p['EncryptionContext'])),
    }
  }

  #encrypt(p: Record<string, unknown>): Record<string, unknown> {
    const plaintext = Buffer.from(String(p['Plaintext']), 'base64')
    if (plaintext.length === 0 || plaintext.length > 4096)
      throw new Refusal('InvalidParameterValue.InvalidPlaintext')
    const key = this.#usable(String(p['KeyId']), 'encrypt')
    return { KeyId: key.id, CiphertextBlob: wrap(key, plaintext, contextOf(p['EncryptionContext'])) }
  }

  #decrypt(p: Record<string, unknown>): Record<string, unknown> {
    const { key, plaintext } = this.#open(String(p['CiphertextBlob']), contextOf(p['EncryptionContext']))
    return { KeyId: key.id, Plaintext: plaintext.toString('base64') }
  }

  #reEncrypt(p: Record<string, unknown>): Record<string, unknown> {
    const blob = String(p['CiphertextBlob'])
    const { key, plaintext, version } = this.#open(blob, contextOf(p['SourceEncryptionContext']))
    const target = this.#usable(String(p['DestinationKeyId'] ?? key.id), 'encrypt')
    const moved = target !== key || version !== key.versions.length - 1
    const context = contextOf(p['DestinationEncryptionContext'])
    return {
      KeyId: target.id,
      SourceKeyId: key.id,
      ReEncrypted: moved,
      CiphertextBlob: moved ? wrap(target, plaintext, context) : blob,
    }
  }

  /** The search is fuzzy, on id and alias. */
  #listKeyDetail(p: Record<string, unknown>): Record<string, unknown> {
    const [offset, limit] = [Number(p['Offset'] ?? 0), Number(p['Limit'] ?? 10)]
    if (limit > 200) throw new Refusal('InvalidParameterValue')
    const text = String(p['SearchKeyAlias'] ?? '')
    const found = [...this.#keys.values()].filter(
      ({ id, alias }) => id.includes(text) || alias.includes(text),
    )
    const page = found
      .slice(offset, offset + limit)
      .map(({ id, alias, state }) => ({ KeyId: id, Alias: alias, KeyState: state }))
    return { TotalCount: found.length, KeyMetadatas: page }
  }

  #usable(id: string, use: 'encrypt' | 'decrypt'): Cmk {
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id))
      throw new Refusal('InvalidParameterValue.InvalidKeyId')
    const key = this.#keys.get(id)
    if (key === undefined) throw new Refusal('ResourceUnavailable.CmkNotFound')
    if (key.state === 'Disabled') throw new Refusal('ResourceUnavailable.CmkDisabled')
    if (key.state === 'PendingDelete') throw new Refusal('ResourceUnavailable.KeyPendingDelete')
    if (key.state === 'PendingImport') throw new Refusal('ResourceUnavailable.CmkStateNotSupport')
    if (key.state === 'Archived' && use === 'encrypt') throw new Refusal('ResourceUnavailable.CmkArchived')
    return key
  }

  #open(blob: string, context: string): { key: Cmk; plaintext: Buffer; version: number } {
    const broken = new Refusal('InvalidParameterValue.InvalidCiphertext')
    const match = /^([A-Za-z0-9+/]+=*)-k-([A-Za-z0-9+/]+=*)$/.exec(blob)
    if (match === null) throw broken
    const [id = '', version = ''] = Buffer.from(match[1] ?? '', 'base64')
      .toString()
      .split('#')
    if (!this.#keys.has(id)) throw broken
    const key = this.#usable(id, 'decrypt')
    const sealed = Buffer.from(match[2] ?? '', 'base64')
    const secret = key.versions[Number(version)]
    if (secret === undefined || sealed.length < 29) throw broken
    const decipher = createDecipheriv('aes-256-gcm', secret, sealed.subarray(0, 12))
    decipher.setAAD(Buffer.from(`${match[1]}\0${context}`))
    decipher.setAuthTag(sealed.subarray(-16))
    try {
      const plaintext = Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])
      return { key, plaintext, version: Number(version) }
    } catch {
      throw broken
    }
  }
}

function wrap(key: Cmk, plaintext: Buffer, context: string): string {
  const version = key.versions.length - 1
  const head = Buffer.from(`${key.id}#${version}`).toString('base64')
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key.versions[version] ?? Buffer.alloc(0), nonce)
  cipher.setAAD(Buffer.from(`${head}\0${context}`))
  const sealed = Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
  return `${head}-k-${sealed.toString('base64')}`
}

function contextOf(value: unknown): string {
  if (value === undefined) return ''
  if (typeof value !== 'string' || Buffer.byteLength(value) > 1024 || parse(Buffer.from(value)) === null)
    throw new Refusal('InvalidParameter')
  return value
}

/** An unknown field is an error, and so is a missing one. */
function read(
  parameters: Record<string, unknown>,
  required: readonly string[],
  optional: readonly string[],
): Record<string, unknown> {
  if (required.some((name) => parameters[name] === undefined)) throw new Refusal('MissingParameter')
  if (Object.keys(parameters).some((name) => !required.includes(name) && !optional.includes(name)))
    throw new Refusal('UnknownParameter')
  return parameters
}

function failure(code: string): Record<string, unknown> {
  return { Error: { Code: code, Message: `emulated ${code}` } }
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
