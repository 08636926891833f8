import type { KMSClient } from '@aws-sdk/client-kms'
import { isLoopback } from '../../base/loopback.ts'
import { awsFault } from './aws-fault.ts'
import { ownId } from './cmk-id.ts'
import {
  type EncryptionContext,
  type GeneratedDataKey,
  type ReEncryptingKms,
  WrappedKeyError,
} from './kms.ts'
import { KmsError } from './kms-error.ts'

type Sdk = typeof import('@aws-sdk/client-kms')

export interface AwsKmsOptions {
  /** Of names that have none of their own; an ARN is asked in its own region. */
  readonly region: string
  /** AWS's own unless given. */
  readonly endpoint?: string | undefined
  /** Also to another machine. Default false. */
  readonly allowsPlainHttp?: boolean
  /** From where AWS's own clients take them unless given. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined
  readonly timeoutMs: number
}

/** Nothing that we ask for has a long answer. */
const MAX_ANSWER_BYTES = 64 * 1024

/**
 * AWS KMS. Every call names the CMK by its ARN, also Decrypt, which could do without and would then open what any CMK has wrapped; every
 * answer must name the same one. The SDK does not retry (ResilientKms does), but for one thing: a clock that it has just set right.
 */
export class AwsKms implements ReEncryptingKms {
  readonly #sdk: Sdk
  readonly #o: AwsKmsOptions
  readonly #clients = new Map<string, KMSClient>()
  /** There were credentials once: when there are none now, their source is away. */
  #hasWorked = false

  private constructor(sdk: Sdk, options: AwsKmsOptions) {
    this.#sdk = sdk
    this.#o = options
  }

  /** Loads the SDK, which costs a tenth of a second and some 27 MB: nobody else shall pay for it. */
  static async load(options: AwsKmsOptions): Promise<AwsKms> {
    return new AwsKms(await import('@aws-sdk/client-kms'), options)
  }

  async generateDataKey(cmkId: string, context: EncryptionContext): Promise<GeneratedDataKey> {
    const KeyId = requireArn(cmkId)
    const command = new this.#sdk.GenerateDataKeyCommand({
      KeyId,
      KeySpec: 'AES_256',
      EncryptionContext: { ...context },
    })
    const answer = await this.#call(KeyId, (client, options) => client.send(command, options))
    requireKey(answer.KeyId, KeyId)
    return { plaintext: plaintextOf(answer.Plaintext), wrapped: wrappedOf(answer.CiphertextBlob) }
  }

  async encrypt(cmkId: string, plaintext: Uint8Array, context: EncryptionContext): Promise<Buffer> {
    const KeyId = requireArn(cmkId)
    const command = new this.#sdk.EncryptCommand({
      KeyId,
      Plaintext: plaintext,
      EncryptionContext: { ...context },
    })
    const holdsKey = true
    const answer = await this.#call(KeyId, (client, options) => client.send(command, options), { holdsKey })
    requireKey(answer.KeyId, KeyId)
    return wrappedOf(answer.CiphertextBlob)
  }

  async decrypt(cmkId: string, wrapped: Uint8Array, context: EncryptionContext): Promise<Buffer> {
    const KeyId = requireArn(cmkId)
    requireBlob(wrapped)
    const command = new this.#sdk.DecryptCommand({
      KeyId,
      CiphertextBlob: wrapped,
      EncryptionContext: { ...context },
    })
    const answer = await this.#call(KeyId, (client, options) => client.send(command, options))
    requireKey(answer.KeyId, KeyId)
    return plaintextOf(answer.Plaintext)
  }

  /** One call stays in one region. */
  canReEncrypt(from: string, to: string): boolean {
    return ownId('aws', from) !== null && ownId('aws', to) !== null && regionOf(from) === regionOf(to)
  }

  async reEncrypt(
    wrapped: Uint8Array,
    from: string,
    to: string,
    context: EncryptionContext,
  ): Promise<Buffer> {
    const [SourceKeyId, DestinationKeyId] = [requireArn(from), requireArn(to)]
    requireBlob(wrapped)
    const command = new this.#sdk.ReEncryptCommand({
      CiphertextBlob: wrapped,
      SourceKeyId,
      SourceEncryptionContext: { ...context },
      DestinationKeyId,
      DestinationEncryptionContext: { ...context },
    })
    const answer = await this.#call(SourceKeyId, (client, options) => client.send(command, options))
    requireKey(answer.SourceKeyId, SourceKeyId)
    requireKey(answer.KeyId, DestinationKeyId)
    return wrappedOf(answer.CiphertextBlob)
  }

  /** The ARN of the CMK that a key id, an alias or the ARN of an alias stands for now. */
  async resolve(name: string): Promise<string> {
    const command = new this.#sdk.DescribeKeyCommand({ KeyId: name })
    const { KeyMetadata: key } = await this.#call(name, (client, options) => client.send(command, options))
    if (key?.Arn === undefined || ownId('aws', key.Arn) === null)
      throw new KmsError('protocol', 'MissingField', 'AWS KMS described a key without its ARN')
    const { KeyUsage = 'ENCRYPT_DECRYPT', KeySpec = 'SYMMETRIC_DEFAULT' } = key
    if (KeyUsage !== 'ENCRYPT_DECRYPT' || KeySpec !== 'SYMMETRIC_DEFAULT')
      throw new KmsError('key-usage', 'WrongKind', `${name} is no symmetric key for encryption`)
    return key.Arn
  }

  close(): void {
    for (const client of this.#clients.values()) client.destroy()
    this.#clients.clear()
  }

  async #call<T>(
    key: string,
    send: (client: KMSClient, options: { abortSignal: AbortSignal }) => Promise<T>,
    { holdsKey = false } = {},
  ): Promise<T> {
    const client = this.#client(regionOf(key) ?? this.#o.region)
    const once = async () => {
      const signal = AbortSignal.timeout(this.#o.timeoutMs)
      // Looking for credentials does not heed the signal.
      const answer = await Promise.race([send(client, { abortSignal: signal }), abortOf(signal)])
      this.#hasWorked = true
      return answer
    }
    try {
      return await once().catch((error: unknown) => (hasSetClock(error) ? once() : Promise.reject(error)))
    } catch (error) {
      throw awsFault(error, { hadCredentials: this.#hasWorked, holdsKey })
    }
  }

  #client(region: string): KMSClient {
    const known = this.#clients.get(region)
    if (known !== undefined) return known
    const { endpoint, credentials, timeoutMs } = this.#o
    const client = new this.#sdk.KMSClient({
      region,
      maxAttempts: 1,
      requestHandler: { connectionTimeout: timeoutMs, requestTimeout: timeoutMs },
      streamCollector: limited,
      ...(endpoint === undefined ? {} : { endpoint }),
      // A copy: the SDK writes into it.
      ...(credentials === undefined ? {} : { credentials: { ...credentials } }),
    })
    if (this.#o.allowsPlainHttp !== true) refusePlainHttp(client)
    this.#clients.set(region, client)
    return client
  }
}

/** Looked at where the request is whole: the SDK takes endpoints from variables and profiles as well (AWS_ENDPOINT_URL and its like). */
function refusePlainHttp(client: KMSClient): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const { protocol, hostname } = args.request as { protocol: string; hostname: string }
      const url = `${protocol}//${hostname}`
      if (protocol !== 'https:' && !isLoopback(url))
        throw new KmsError(
          'denied',
          'PlainHttp',
          `${url} would take data keys over the network in the clear; use https://, or set kms.aws.plainHttp to anywhere (SEALGATE_AWS_KMS_PLAIN_HTTP) if something else protects the way`,
        )
      return next(args)
    },
    { step: 'build', name: 'refusePlainHttp' },
  )
}

async function limited(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of stream) {
    size += chunk.length
    if (size > MAX_ANSWER_BYTES)
      throw new KmsError('protocol', 'AnswerTooLong', 'the answer is no answer of AWS KMS')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
  )
}

/** The answer's date told the SDK that our clock is wrong; the next call is signed with the right time. */
function hasSetClock(error: unknown): boolean {
  return (error as { $metadata?: { clockSkewCorrected?: boolean } }).$metadata?.clockSkewCorrected === true
}

function regionOf(name: string): string | null {
  return /^arn:[^:]*:kms:([^:]+):/.exec(name)?.[1] ?? null
}

function requireArn(cmkId: string): string {
  if (ownId('aws', cmkId) !== null) return cmkId
  throw new KmsError('not-found', 'NoSuchKey', `${cmkId} is no ARN of a CMK`)
}

/** What no blob can be is not worth a call. */
function requireBlob(wrapped: Uint8Array): void {
  if (wrapped.length === 0 || wrapped.length > 6144) throw new WrappedKeyError('it is no blob of AWS KMS')
}

/** An answer under another key would be written into an envelope that names this one. */
function requireKey(answered: string | undefined, asked: string): void {
  if (answered !== asked) throw new KmsError('protocol', 'OtherKey', 'AWS KMS answered with another CMK')
}

function plaintextOf(bytes: Uint8Array | undefined): Buffer {
  const key = Buffer.from(bytes ?? [])
  bytes?.fill(0)
  if (key.length === 32) return key
  key.fill(0)
  throw new KmsError('protocol', 'WrongLength', 'AWS KMS answered a key that is not 32 bytes long')
}

function wrappedOf(bytes: Uint8Array | undefined): Buffer {
  if (bytes !== undefined && bytes.length > 0) return Buffer.from(bytes)
  throw new KmsError('protocol', 'MissingField', 'AWS KMS answered without a CiphertextBlob')
}
