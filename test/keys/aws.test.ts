import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, beforeEach, describe, it } from 'node:test'
import { AwsKms, type AwsKmsOptions } from '../../src/keys/kms/aws.ts'
import { WrappedKeyError } from '../../src/keys/kms/kms.ts'
import { KmsError, type KmsFault } from '../../src/keys/kms/kms-error.ts'
import { AwsKmsEmulator } from '../emulators/aws-kms.ts'
import type { Fault } from '../emulators/emulator.ts'

const context = { realm: 'r', bucket: 'b', dekId: '00'.repeat(16) }
// Frozen, as a configuration is.
const credentials = Object.freeze({ accessKeyId: 'AKIDTEST', secretAccessKey: 'secret-of-the-tests' })
let emulator: AwsKmsEmulator
let cmk: string
let kms: AwsKms

before(async () => {
  emulator = await AwsKmsEmulator.start()
  emulator.setAccount(credentials.accessKeyId, credentials.secretAccessKey)
  cmk = emulator.createKey('orders')
  kms = await connect()
})
after(async () => {
  kms.close()
  await emulator.close()
})
beforeEach(() => {
  emulator.calls.length = 0
})

function connect(more: Partial<AwsKmsOptions> = {}): Promise<AwsKms> {
  const { region, endpoint } = emulator
  return AwsKms.load({ region, endpoint, credentials, timeoutMs: 1000, ...more })
}

async function faults(promise: Promise<unknown>, fault: KmsFault, code?: string): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof KmsError, String(error))
    assert.equal(error.fault, fault, error.message)
    if (code !== undefined) assert.equal(error.code, code)
    return true
  })
}

describe('AWS KMS', () => {
  it('names the CMK and the context on every call', async () => {
    const { plaintext, wrapped } = await kms.generateDataKey(cmk, context)
    assert.ok((await kms.decrypt(cmk, wrapped, context)).equals(plaintext))
    await kms.decrypt(cmk, await kms.encrypt(cmk, randomBytes(32), context), context)
    assert.deepEqual(
      emulator.calls.map(({ action, body }) => [action, body['KeyId'], body['EncryptionContext']]),
      ['GenerateDataKey', 'Decrypt', 'Encrypt', 'Decrypt'].map((action) => [action, cmk, context]),
    )
  })

  it('opens nothing that another CMK wrapped, though it may use that one too', async () => {
    const foreign = emulator.createKey('foreign')
    const forged = await kms.generateDataKey(foreign, context)
    await assert.rejects(kms.decrypt(cmk, forged.wrapped, context), WrappedKeyError)
    assert.equal(emulator.calls.at(-1)?.error, 'IncorrectKeyException')
    const { wrapped } = await kms.generateDataKey(cmk, context)
    wrapped.write('00000000', 0)
    await assert.rejects(kms.decrypt(cmk, wrapped, context), WrappedKeyError)
    assert.equal(emulator.calls.at(-1)?.error, 'AccessDeniedException')
  })

  it('moves a wrapped key to another CMK of its region without showing it, and checks both ends', async () => {
    const [target, third] = [emulator.createKey('target'), emulator.createKey('third')]
    const { plaintext, wrapped } = await kms.generateDataKey(cmk, context)
    const moved = await kms.reEncrypt(wrapped, cmk, target, context)
    assert.deepEqual(
      emulator.calls.map(({ action }) => action),
      ['GenerateDataKey', 'ReEncrypt'],
    )
    assert.ok((await kms.decrypt(target, moved, context)).equals(plaintext))
    const refused = (promise: Promise<unknown>) => assert.rejects(promise, WrappedKeyError)
    await refused(kms.reEncrypt(wrapped, third, target, context))
    await refused(kms.reEncrypt(wrapped, cmk, target, { ...context, bucket: 'other' }))
    for (const field of ['KeyId', 'SourceKeyId']) {
      emulator.fail({ kind: 'change', change: (answer) => (answer[field] = third) })
      await faults(kms.reEncrypt(wrapped, cmk, target, context), 'protocol', 'OtherKey')
    }
    assert.ok(kms.canReEncrypt(cmk, target))
    assert.ok(!kms.canReEncrypt(cmk, emulator.createKey('far', { region: 'us-east-1' })))
    assert.ok(!kms.canReEncrypt(cmk, 'local:0123456789abcdef'))
  })

  it('finds the ARN of an id, an alias and the ARN of an alias, and takes no key of another kind', async () => {
    const [id = ''] = cmk.split('/').slice(1)
    for (const name of [id, 'alias/orders', `${cmk.split('key/')[0]}alias/orders`])
      assert.equal(await kms.resolve(name), cmk)
    await faults(kms.resolve('alias/order'), 'not-found', 'NotFoundException')
    const signing = emulator.createKey('signing', { usage: 'SIGN_VERIFY' })
    await faults(kms.resolve('alias/signing'), 'key-usage')
    await faults(kms.generateDataKey(signing, context), 'key-usage', 'InvalidKeyUsageException')
  })

  it('asks a key in its own region', async () => {
    const far = emulator.createKey('far', { region: 'ap-southeast-2' })
    const { plaintext, wrapped } = await kms.generateDataKey(far, context)
    assert.ok((await kms.decrypt(far, wrapped, context)).equals(plaintext))
  })

  it('says what is wrong with the key or the credentials', async () => {
    const other = emulator.createKey('states')
    emulator.setState(other, 'Disabled')
    await faults(kms.generateDataKey(other, context), 'disabled')
    emulator.setState(other, 'PendingDeletion')
    await faults(kms.generateDataKey(other, context), 'invalid-state')
    await faults(kms.generateDataKey(`${cmk.slice(0, -4)}0000`, context), 'not-found')
    await faults(kms.generateDataKey('alias/orders', context), 'not-found', 'NoSuchKey')
    const wrong = await connect({ credentials: { ...credentials, secretAccessKey: 'another' } })
    await faults(wrong.generateDataKey(cmk, context), 'denied', 'InvalidSignatureException')
    emulator.setAccount('AKIDLIMITED', 'limited', { only: [other] })
    const limited = await connect({
      credentials: { accessKeyId: 'AKIDLIMITED', secretAccessKey: 'limited' },
    })
    await faults(limited.generateDataKey(cmk, context), 'denied', 'AccessDeniedException')
  })

  it('takes the service’s clock when its own is wrong, with one more call', async () => {
    const fresh = await connect()
    emulator.clockOffsetMs = 20 * 60_000
    assert.equal((await fresh.generateDataKey(cmk, context)).plaintext.length, 32)
    assert.equal(emulator.calls.length, 2)
    await fresh.generateDataKey(cmk, context)
    assert.equal(emulator.calls.length, 3)
    emulator.clockOffsetMs = 0
    fresh.close()
  })

  const table: [string, Fault, KmsFault][] = [
    ['throttling', { kind: 'error', code: 'ThrottlingException' }, 'throttled'],
    ['an internal error', { kind: 'error', code: 'KMSInternalException' }, 'unavailable'],
    ['a key that cannot be reached', { kind: 'error', code: 'KeyUnavailableException' }, 'unavailable'],
    ['an expired token', { kind: 'error', code: 'ExpiredTokenException' }, 'denied'],
    ['a 502 of a proxy', { kind: 'status', status: 502 }, 'unavailable'],
    ['a 429 of a proxy', { kind: 'status', status: 429 }, 'throttled'],
    ['a page where an answer should be', { kind: 'status', status: 200 }, 'protocol'],
    ['a redirect', { kind: 'status', status: 302 }, 'protocol'],
    ['a cut connection', { kind: 'cut' }, 'unavailable'],
    ['half an answer', { kind: 'half' }, 'unavailable'],
    ['half an answer that is complete to HTTP', { kind: 'truncated' }, 'protocol'],
    ['silence', { kind: 'silence' }, 'unavailable'],
    ['silence after half an answer', { kind: 'stall' }, 'unavailable'],
    [
      'an answer under another CMK',
      { kind: 'change', change: (answer) => (answer['KeyId'] = 'other') },
      'protocol',
    ],
    ['a short key', { kind: 'change', change: (answer) => (answer['Plaintext'] = 'AAAA') }, 'protocol'],
    ['no key', { kind: 'change', change: (answer) => delete answer['Plaintext'] }, 'protocol'],
    ['no wrapped key', { kind: 'change', change: (answer) => (answer['CiphertextBlob'] = '') }, 'protocol'],
    [
      'an answer without an end',
      { kind: 'change', change: (answer) => (answer['More'] = 'x'.repeat(100_000)) },
      'protocol',
    ],
  ]
  for (const [name, fault, expected] of table) {
    it(`${name} is ${expected}, is told without the key, and the next call is served`, async () => {
      let secret = ''
      const keepSecret: Fault =
        fault.kind === 'change'
          ? {
              kind: 'change',
              change: (answer) => {
                secret = String(answer['Plaintext'])
                fault.change(answer)
              },
            }
          : fault
      emulator.fail(keepSecret)
      const error = await kms.generateDataKey(cmk, context).catch((error: unknown) => error)
      assert.ok(error instanceof KmsError, String(error))
      assert.equal(error.fault, expected, error.message)
      const told = `${error.stack} ${JSON.stringify(error)} ${error.cause instanceof Error ? error.cause.stack : ''}`
      assert.doesNotMatch(told, /Plaintext/)
      assert.ok(secret === '' || !told.includes(secret))
      assert.equal((await kms.generateDataKey(cmk, context)).plaintext.length, 32)
    })
  }
})

describe('AWS KMS by plain HTTP', () => {
  it('is not asked on another machine, from wherever its address came, unless that is allowed', async () => {
    const key = 'arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'
    const credentials = { accessKeyId: 'id', secretAccessKey: 'secret' }
    process.env['AWS_ENDPOINT_URL_KMS'] = 'http://kms.invalid:1'
    try {
      const asked = async (allowsPlainHttp: boolean) => {
        const kms = await AwsKms.load({ region: 'eu-west-1', credentials, timeoutMs: 2000, allowsPlainHttp })
        try {
          return await kms.encrypt(key, Buffer.alloc(32, 1), { a: 'b' })
        } catch (error) {
          return (error as KmsError).code
        } finally {
          kms.close()
        }
      }
      assert.equal(await asked(false), 'PlainHttp')
      assert.equal(await asked(true), 'ConnectionFailed')
    } finally {
      delete process.env['AWS_ENDPOINT_URL_KMS']
    }
  })
})
