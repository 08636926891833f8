import { saidCode } from '../../base/said-code.ts'
import type { TencentCredentials } from '../../base/tencent-credentials.ts'
import { ownId } from './cmk-id.ts'
import { type HttpAnswer, HttpClient } from './http-client.ts'
import { isRecord, jsonObject } from './json.ts'
import {
  type EncryptionContext,
  type GeneratedDataKey,
  type ReEncryptingKms,
  WrappedKeyError,
} from './kms.ts'
import { KmsError, type KmsFault, NOT_SAID, saidText } from './kms-error.ts'
import { signTc3 } from './tc3.ts'

export interface TencentKmsOptions {
  readonly region: string
  /** `https://kms.<region>.tencentcloudapi.com` unless given; no path. */
  readonly endpoint?: string | undefined
  /** Asked before every call; `refresh` means that the service refused the last ones. */
  readonly credentials: (refresh: boolean) => Promise<TencentCredentials>
  readonly timeoutMs: number
  readonly now?: () => number
}

const VERSION = '2019-01-18'
const MAX_CONTEXT_BYTES = 1024
const ALIASES_A_PAGE = 200
/** An account has some hundreds of CMKs at most. */
const MAX_ALIAS_PAGES = 50

/**
 * Tencent Cloud KMS, API 2019-01-18 (product 573). Errors come inside HTTP 200. The wrapped DEK is an opaque text and is kept as it came.
 * Decrypt has no parameter for the key: the answer names the one that was used, and is believed only if it is the one that was asked.
 */
export class TencentKms implements ReEncryptingKms {
  readonly #o: TencentKmsOptions
  readonly #endpoint: string
  readonly #host: string
  readonly #now: () => number
  readonly #http: HttpClient
  /** Milliseconds that the service's clock is ahead of ours, as far as its answers tell. */
  #skewMs = 0

  constructor(options: TencentKmsOptions) {
    this.#o = options
    this.#endpoint = options.endpoint ?? `https://kms.${options.region}.tencentcloudapi.com`
    this.#host = new URL(this.#endpoint).host
    this.#now = options.now ?? Date.now
    this.#http = new HttpClient({ name: 'the KMS', timeoutMs: options.timeoutMs })
  }

  async generateDataKey(cmkId: string, context: EncryptionContext): Promise<GeneratedDataKey> {
    const KeyId = keyIdOf(cmkId)
    const answer = await this.#call('GenerateDataKey', {
      KeyId,
      KeySpec: 'AES_256',
      EncryptionContext: contextText(context),
    })
    requireKey(answer, KeyId)
    return { plaintext: plaintextOf(answer, 32), wrapped: wrappedOf(answer) }
  }

  async encrypt(cmkId: string, plaintext: Uint8Array, context: EncryptionContext): Promise<Buffer> {
    const KeyId = keyIdOf(cmkId)
    const answer = await this.#call('Encrypt', {
      KeyId,
      Plaintext: Buffer.from(plaintext).toString('base64'),
      EncryptionContext: contextText(context),
    })
    requireKey(answer, KeyId)
    return wrappedOf(answer)
  }

  async decrypt(cmkId: string, wrapped: Uint8Array, context: EncryptionContext): Promise<Buffer> {
    const keyId = keyIdOf(cmkId)
    const answer = await this.#call('Decrypt', {
      CiphertextBlob: Buffer.from(wrapped).toString('utf8'),
      EncryptionContext: contextText(context),
    })
    // A blob that opens under another CMK was not made by us: whoever made it knows the key in it.
    if (answer['KeyId'] !== keyId) throw new WrappedKeyError('it was wrapped under another CMK')
    return plaintextOf(answer, 32)
  }

  /** All CMKs of this client are in one region. */
  canReEncrypt(from: string, to: string): boolean {
    return ownId('tencent', from) !== null && ownId('tencent', to) !== null
  }

  async reEncrypt(
    wrapped: Uint8Array,
    from: string,
    to: string,
    context: EncryptionContext,
  ): Promise<Buffer> {
    const [source, target] = [keyIdOf(from), keyIdOf(to)]
    const text = contextText(context)
    const answer = await this.#call('ReEncrypt', {
      CiphertextBlob: Buffer.from(wrapped).toString('utf8'),
      DestinationKeyId: target,
      SourceEncryptionContext: text,
      DestinationEncryptionContext: text,
    })
    if (answer['SourceKeyId'] !== source) throw new WrappedKeyError('it was wrapped under another CMK')
    requireKey(answer, target)
    return wrappedOf(answer)
  }

  /** The canonical id of the CMK with exactly this alias; the service only searches for parts of one. */
  async resolveAlias(alias: string): Promise<string> {
    for (let number = 0; number < MAX_ALIAS_PAGES; number += 1) {
      const Offset = number * ALIASES_A_PAGE
      const answer = await this.#call('ListKeyDetail', {
        Offset,
        Limit: ALIASES_A_PAGE,
        SearchKeyAlias: alias,
      })
      const page = Array.isArray(answer['KeyMetadatas']) ? (answer['KeyMetadatas'] as unknown[]) : []
      const found = page.find((key) => isRecord(key) && key['Alias'] === alias)
      if (isRecord(found)) return canonical(textOf(found, 'KeyId'))
      if (page.length < ALIASES_A_PAGE)
        throw new KmsError('not-found', 'NoSuchAlias', `no CMK has the alias ${alias}`)
    }
    throw new KmsError(
      'not-found',
      'TooManyAliases',
      `the list of CMKs whose aliases are like ${alias} has no end; name the CMK by its id`,
    )
  }

  close(): void {
    this.#http.close()
  }

  async #call(action: string, parameters: object): Promise<Record<string, unknown>> {
    const body = JSON.stringify(parameters)
    try {
      return await this.#send(action, body, await this.#o.credentials(false))
    } catch (error) {
      if (!(error instanceof KmsError)) throw error
      if (error.code === 'AuthFailure.SignatureExpire') {
        // The answer's Date has just told the difference between the clocks.
        return this.#send(action, body, await this.#o.credentials(false))
      }
      if (error.code === 'AuthFailure.TokenFailure' || error.code === 'AuthFailure.SecretIdNotFound')
        return this.#send(action, body, await this.#o.credentials(true))
      throw error
    }
  }

  async #send(
    action: string,
    body: string,
    credentials: TencentCredentials,
  ): Promise<Record<string, unknown>> {
    const timestampS = Math.floor((this.#now() + this.#skewMs) / 1000)
    const contentType = 'application/json'
    // All that decides what happens is signed, not only what the service insists on.
    const headers = {
      'x-tc-action': action,
      'x-tc-region': this.#o.region,
      'x-tc-timestamp': String(timestampS),
      'x-tc-version': VERSION,
      ...(credentials.token === undefined ? {} : { 'x-tc-token': credentials.token }),
    }
    const { secretId, secretKey } = credentials
    const signing = { secretId, secretKey, service: 'kms', host: this.#host, contentType, body, timestampS }
    const answer = await this.#http.send({
      method: 'POST',
      url: this.#endpoint,
      headers: { ...headers, 'content-type': contentType, authorization: signTc3({ ...signing, headers }) },
      body,
    })
    this.#noteClock(answer.date)
    return readAnswer(answer, { holdsKey: action === 'Encrypt' })
  }

  /** Dates of HTTP have whole seconds, and answers take their time: a small difference is none. */
  #noteClock(date: string | null): void {
    const ahead = Date.parse(date ?? '') - this.#now()
    if (!Number.isNaN(ahead)) this.#skewMs = Math.abs(ahead) > 60_000 ? ahead : 0
  }
}

function readAnswer({ status, text }: HttpAnswer, request: { holdsKey: boolean }): Record<string, unknown> {
  const response = jsonObject(text)?.['Response']
  if (isRecord(response) && isRecord(response['Error'])) {
    const { Code, Message } = response['Error']
    throw errorOf(saidCode(Code), request.holdsKey ? NOT_SAID : saidText(Message))
  }
  if (status >= 500) throw new KmsError('unavailable', `HTTP ${status}`, 'the KMS failed')
  if (status !== 200 || !isRecord(response))
    throw new KmsError('protocol', `HTTP ${status}`, 'the answer is no answer of the KMS')
  return response
}

const FAULTS: readonly (readonly [RegExp, KmsFault])[] = [
  [/^RequestLimitExceeded/, 'throttled'],
  [/^(InternalError|ServiceUnavailable)|^UnsupportedOperation\.ServiceTemporaryUnavailable$/, 'unavailable'],
  [/^ResourceUnavailable\.CmkDisabled$/, 'disabled'],
  [/^ResourceUnavailable\.CmkNotFound$|^InvalidParameterValue\.InvalidKeyId$/, 'not-found'],
  [/^ResourceUnavailable/, 'invalid-state'],
  [/^(AuthFailure|UnauthorizedOperation|IpInBlacklist|IpNotInWhitelist)/, 'denied'],
]

function errorOf(code: string, message: string): Error {
  if (code === 'InvalidParameterValue.InvalidCiphertext' || code === 'FailedOperation.DecryptError')
    return new WrappedKeyError('the KMS says that it did not wrap this under this context')
  const fault = FAULTS.find(([pattern]) => pattern.test(code))?.[1] ?? 'protocol'
  return new KmsError(fault, code, message)
}

/** One text for one context: what Encrypt was given, Decrypt must get byte for byte. */
function contextText(context: EncryptionContext): string {
  const text = JSON.stringify(
    Object.fromEntries(Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1))),
  )
  if (Buffer.byteLength(text) > MAX_CONTEXT_BYTES)
    throw new RangeError('expected a context of at most 1024 bytes')
  return text
}

function keyIdOf(cmkId: string): string {
  const id = ownId('tencent', cmkId)
  if (id === null) throw new KmsError('not-found', 'NoSuchKey', `${cmkId} is no CMK of Tencent Cloud KMS`)
  return id
}

function canonical(keyId: string): string {
  const id = `tencent:${keyId}`
  if (ownId('tencent', id) !== null) return id
  throw new KmsError('protocol', 'NoKeyId', 'the KMS names a CMK by what is no id of one')
}

/** An answer under another key would be written into an envelope that names this one. */
function requireKey(answer: Record<string, unknown>, keyId: string): void {
  if (answer['KeyId'] !== keyId)
    throw new KmsError('protocol', 'OtherKey', 'the KMS answered with another CMK')
}

function plaintextOf(answer: Record<string, unknown>, bytes: number): Buffer {
  const text = textOf(answer, 'Plaintext')
  const plaintext = Buffer.from(text, 'base64')
  if (plaintext.length === bytes && plaintext.toString('base64') === text) return plaintext
  plaintext.fill(0)
  throw new KmsError('protocol', 'WrongLength', `the KMS answered a key that is not ${bytes} bytes long`)
}

/** An opaque text, kept as it came. */
function wrappedOf(answer: Record<string, unknown>): Buffer {
  return Buffer.from(textOf(answer, 'CiphertextBlob'))
}

function textOf(answer: Record<string, unknown>, name: string): string {
  const value = answer[name]
  if (typeof value === 'string' && value !== '') return value
  throw new KmsError('protocol', 'MissingField', `the KMS answered without ${name}`)
}
