/**
 * AWS KMS (API 2014-11-01, JSON 1.1) as a local server: Signature Version 4 checked exactly, key states, aliases, contexts, and the
 * service's exceptions, by its public API reference. Only what the gateway may call; anything else is refused.
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

export type KeyState = 'Enabled' | 'Disabled' | 'PendingDeletion' | 'PendingImport' | 'Unavailable'

interface Cmk {
  readonly arn: string
  readonly id: string
  readonly secret: Buffer
  usage: 'ENCRYPT_DECRYPT' | 'SIGN_VERIFY'
  state: KeyState
}

interface Account {
  readonly secretAccessKey: string
  readonly token: string | undefined
  /** ARNs that it may use; all without it. */
  readonly only: readonly string[] | undefined
}

const ACCOUNT = '111122223333'
const SKEW_MS = 5 * 60_000
const SERVER_FAULTS = /^(KMSInternalException|DependencyTimeoutException|KeyUnavailableException)$/

export class AwsKmsEmulator extends Emulator {
  readonly region = 'eu-central-1'
  readonly #keys = new Map<string, Cmk>()
  readonly #aliases = new Map<string, string>()
  readonly #accounts = new Map<string, Account>()
  protected override readonly contentType = 'application/x-amz-json-1.1'

  static start(): Promise<AwsKmsEmulator> {
    return new AwsKmsEmulator().listen()
  }

  /** Returns the ARN. */
  createKey(alias: string, { usage = 'ENCRYPT_DECRYPT' as Cmk['usage'], region = this.region } = {}): string {
    const id = randomUUID()
    const arn = `arn:aws:kms:${region}:${ACCOUNT}:key/${id}`
    this.#keys.set(arn, { arn, id, secret: randomBytes(32), usage, state: 'Enabled' })
    this.#aliases.set(`alias/${alias}`, arn)
    return arn
  }

  setState(arn: string, state: KeyState): void {
    const key = this.#keys.get(arn)
    if (key === undefined) throw new TypeError(`no key ${arn}`)
    key.state = state
  }

  setAccount(
    accessKeyId: string,
    secretAccessKey: string,
    more: { token?: string; only?: string[] } = {},
  ): void {
    this.#accounts.set(accessKeyId, { secretAccessKey, token: more.token, only: more.only })
  }

  protected override actionOf(request: IncomingMessage): string {
    return String(request.headers['x-amz-target']).replace(/^TrentService\./, '')
  }

  protected override answer(request: IncomingMessage, body: Buffer, refuse: string | undefined): Answered {
    const action = this.actionOf(request)
    const parameters = parse(body) ?? {}
    try {
      if (refuse !== undefined) throw new Refusal(refuse)
      if (request.method !== 'POST' || request.url !== '/') throw new Refusal('UnknownOperationException')
      const account = this.#authenticate(request, body)
      const answer = this.#run(action, parameters, account)
      return { action, body: parameters, error: undefined, status: 200, answer }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      const { code } = error
      const answer = { __type: code, message: error.message }
      return { action, body: parameters, error: code, status: SERVER_FAULTS.test(code) ? 500 : 400, answer }
    }
  }

  #authenticate(request: IncomingMessage, body: Buffer): Account {
    const match =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([a-z0-9-]+)\/kms\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/.exec(
        request.headers.authorization ?? '',
      )
    if (match === null) throw new Refusal('IncompleteSignature')
    const [, accessKeyId = '', date = '', region = '', names = '', signature = ''] = match
    const account = this.#accounts.get(accessKeyId)
    if (account === undefined) throw new Refusal('UnrecognizedClientException')
    const signed = names.split(';')
    const stamp = String(request.headers['x-amz-date'])
    const [, day = '', time = ''] = /^(\d{8})T(\d{6})Z$/.exec(stamp) ?? []
    if (!['host', 'x-amz-date', 'x-amz-target'].every((name) => signed.includes(name)) || day !== date)
      throw new Refusal('IncompleteSignature')
    const lines = signed.map((name) => `${name}:${String(request.headers[name] ?? '').trim()}\n`)
    const canonical = ['POST', '/', '', lines.join(''), names, sha256(body)].join('\n')
    const scope = `${date}/${region}/kms/aws4_request`
    const toSign = ['AWS4-HMAC-SHA256', stamp, scope, sha256(canonical)].join('\n')
    const key = [date, region, 'kms', 'aws4_request'].reduce<Buffer | string>(
      hmac,
      `AWS4${account.secretAccessKey}`,
    )
    if (!timingSafeEqual(hmac(key, toSign), Buffer.from(signature, 'hex')))
      throw new Refusal('InvalidSignatureException')
    const at = Date.parse(
      `${day.replace(/(....)(..)(..)/, '$1-$2-$3')}T${time.replace(/(..)(..)(..)/, '$1:$2:$3')}Z`,
    )
    if (!(Math.abs(at - this.now()) <= SKEW_MS)) throw new Refusal('InvalidSignatureException')
    if ((request.headers['x-amz-security-token'] ?? undefined) !== account.token)
      throw new Refusal('UnrecognizedClientException')
    return account
  }

  #run(action: string, p: Record<string, unknown>, account: Account): Record<string, unknown> {
    const context = contextOf(p['EncryptionContext'])
    switch (action) {
      case 'GenerateDataKey': {
        if (p['KeySpec'] !== 'AES_256') throw new Refusal('ValidationException')
        const key = this.#usable(p['KeyId'], account)
        const plaintext = randomBytes(32)
        return {
          KeyId: key.arn,
          Plaintext: plaintext.toString('base64'),
          CiphertextBlob: wrap(key, plaintext, context),
        }
      }
      case 'Encrypt': {
        const plaintext = Buffer.from(String(p['Plaintext']), 'base64')
        if (plaintext.length < 1 || plaintext.length > 4096) throw new Refusal('ValidationException')
        const key = this.#usable(p['KeyId'], account)
        return { KeyId: key.arn, CiphertextBlob: wrap(key, plaintext, context) }
      }
      case 'Decrypt': {
        const { key, plaintext } = this.#open(p['CiphertextBlob'], context, account, p['KeyId'])
        return { KeyId: key.arn, Plaintext: plaintext.toString('base64') }
      }
      case 'ReEncrypt': {
        const source = contextOf(p['SourceEncryptionContext'])
        const { key, plaintext } = this.#open(p['CiphertextBlob'], source, account, p['SourceKeyId'])
        const target = this.#usable(p['DestinationKeyId'], account)
        const blob = wrap(target, plaintext, contextOf(p['DestinationEncryptionContext']))
        return { KeyId: target.arn, SourceKeyId: key.arn, CiphertextBlob: blob }
      }
      case 'DescribeKey': {
        const { arn, id, usage, state } = this.#find(p['KeyId'])
        const KeySpec = usage === 'SIGN_VERIFY' ? 'ECC_NIST_P256' : 'SYMMETRIC_DEFAULT'
        return { KeyMetadata: { Arn: arn, KeyId: id, KeyUsage: usage, KeySpec, KeyState: state } }
      }
      default:
        throw new Refusal('UnknownOperationException')
    }
  }

  /** By ARN, id, alias, or the ARN of an alias. */
  #find(name: unknown): Cmk {
    const text = String(name)
    const alias = this.#aliases.get(text.replace(/^arn:aws:kms:[a-z0-9-]+:\d+:(?=alias\/)/, ''))
    const key =
      this.#keys.get(text) ??
      this.#keys.get(alias ?? '') ??
      [...this.#keys.values()].find(({ id }) => id === text)
    if (key === undefined) throw new Refusal('NotFoundException')
    return key
  }

  #usable(name: unknown, { only }: Account): Cmk {
    const key = this.#find(name)
    if (only !== undefined && !only.includes(key.arn)) throw new Refusal('AccessDeniedException')
    if (key.state === 'Disabled') throw new Refusal('DisabledException')
    if (key.state !== 'Enabled') throw new Refusal('KMSInvalidStateException')
    if (key.usage !== 'ENCRYPT_DECRYPT') throw new Refusal('InvalidKeyUsageException')
    return key
  }

  #open(blob: unknown, context: string, account: Account, named: unknown): { key: Cmk; plaintext: Buffer } {
    const bytes = Buffer.from(String(blob), 'base64')
    const [head, sealed] = [bytes.subarray(0, 36), bytes.subarray(36)]
    const maker = [...this.#keys.values()].find(({ id }) => id === head.toString('latin1'))
    if (maker === undefined && /^[0-9a-f-]{36}$/.test(head.toString('latin1')))
      throw new Refusal(
        'AccessDeniedException',
        'The ciphertext refers to a customer master key that does not exist.',
      )
    if (maker === undefined || sealed.length < 29) throw new Refusal('InvalidCiphertextException')
    if (named !== undefined && this.#find(named) !== maker) throw new Refusal('IncorrectKeyException')
    const key = this.#usable(maker.arn, account)
    const decipher = createDecipheriv('aes-256-gcm', key.secret, sealed.subarray(0, 12))
    decipher.setAAD(Buffer.from(context))
    decipher.setAuthTag(sealed.subarray(-16))
    try {
      return { key, plaintext: Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]) }
    } catch {
      throw new Refusal('InvalidCiphertextException')
    }
  }
}

function wrap(key: Cmk, plaintext: Buffer, context: string): string {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key.secret, nonce)
  cipher.setAAD(Buffer.from(context))
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
  return Buffer.concat([Buffer.from(key.id), nonce, sealed]).toString('base64')
}

/** Pairs of texts, whose order does not count. */
function contextOf(value: unknown): string {
  const pairs = Object.entries(value ?? {})
  if (pairs.some(([, text]) => typeof text !== 'string')) throw new Refusal('SerializationException')
  return JSON.stringify(pairs.sort(([a], [b]) => (a < b ? -1 : 1)))
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
