import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import type { TencentCredentials } from '../../src/base/tencent-credentials.ts'
import { WrappedKeyError } from '../../src/keys/kms/kms.ts'
import { KmsError, type KmsFault } from '../../src/keys/kms/kms-error.ts'
import { signTc3 } from '../../src/keys/kms/tc3.ts'
import { TencentKms } from '../../src/keys/kms/tencent.ts'
import type { Fault } from '../emulators/emulator.ts'
import { TencentKmsEmulator } from '../emulators/tencent-kms.ts'

const context = { realm: 'r', bucket: 'b', dekId: '00'.repeat(16) }
const credentials: TencentCredentials = { secretId: 'AKIDTEST', secretKey: 'secret-of-the-tests' }
let emulator: TencentKmsEmulator
let id: string
let cmk: string
let kms: TencentKms

before(async () => {
  emulator = await TencentKmsEmulator.start()
  emulator.setAccount(credentials.secretId, credentials.secretKey)
  id = emulator.createKey('orders')
  cmk = `tencent:${id}`
  kms = connect()
})
after(() => emulator.close())

function connect(more: Partial<ConstructorParameters<typeof TencentKms>[0]> = {}): TencentKms {
  const { region, endpoint } = emulator
  return new TencentKms({ region, endpoint, credentials: async () => credentials, timeoutMs: 500, ...more })
}

async function faults(promise: Promise<unknown>, fault: KmsFault, code?: string): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof KmsError, String(error))
    assert.equal(error.fault, fault)
    if (code !== undefined) assert.equal(error.code, code)
    return true
  })
}

describe('signTc3', () => {
  const request = {
    secretId: 'AKIDEXAMPLE0000000000000000000000000',
    secretKey: 'SKEXAMPLEsecret0000000000000000000',
    service: 'kms',
    host: 'kms.ap-guangzhou.tencentcloudapi.com',
    contentType: 'application/json',
    headers: {},
    timestampS: 1_700_000_000,
    body: '{"KeyId":"11111111-2222-3333-4444-555555555555","KeySpec":"AES_256","EncryptionContext":"{\\"b\\":\\"bucket/key\\"}"}',
  }

  it('gives the signatures that the official client gives', () => {
    assert.ok(signTc3(request).endsWith('254504257ec0bc54761d7ef39aab8cb7e2823e6bebf2df3b9d85be85b2ee0394'))
    const withAction = signTc3({ ...request, headers: { 'x-tc-action': 'GenerateDataKey' } })
    assert.ok(withAction.includes('SignedHeaders=content-type;host;x-tc-action, '))
    assert.ok(withAction.endsWith('08a77afd76dc1834d9713feb19a8df4b8fdf42b5985e2930f79abae0bd70ca6e'))
  })
})

describe('Tencent KMS', () => {
  it('makes data keys that open again, also after a rotation and when the key is archived', async () => {
    const made = await kms.generateDataKey(cmk, context)
    assert.equal(made.plaintext.length, 32)
    assert.match(made.wrapped.toString(), /-k-/)
    emulator.rotate(id)
    assert.ok((await kms.decrypt(cmk, made.wrapped, context)).equals(made.plaintext))
    emulator.setState(id, 'Archived')
    assert.ok((await kms.decrypt(cmk, made.wrapped, context)).equals(made.plaintext))
    await faults(kms.generateDataKey(cmk, context), 'invalid-state', 'ResourceUnavailable.CmkArchived')
    emulator.setState(id, 'Enabled')
  })

  it('wraps keys that were made here', async () => {
    const dek = randomBytes(32)
    const wrapped = await kms.encrypt(cmk, dek, context)
    assert.ok((await kms.decrypt(cmk, wrapped, context)).equals(dek))
  })

  it('opens nothing under another context, from another key, or altered', async () => {
    const { wrapped } = await kms.generateDataKey(cmk, context)
    const refused = (promise: Promise<unknown>) => assert.rejects(promise, WrappedKeyError)
    await refused(kms.decrypt(cmk, wrapped, { ...context, bucket: 'other' }))
    await refused(kms.decrypt(cmk, Buffer.concat([wrapped.subarray(0, -5), Buffer.from('AAAA=')]), context))
    await refused(kms.decrypt(cmk, Buffer.from('no blob'), context))
    // A CMK that the gateway's account may use, and that somebody else may use too: what it wrapped is not ours.
    const foreign = `tencent:${emulator.createKey('foreign')}`
    const forged = await kms.generateDataKey(foreign, context)
    await refused(kms.decrypt(cmk, forged.wrapped, context))
  })

  it('moves a wrapped key to another CMK without showing it, and checks both ends', async () => {
    const target = `tencent:${emulator.createKey('target')}`
    const third = `tencent:${emulator.createKey('third')}`
    const { plaintext, wrapped } = await kms.generateDataKey(cmk, context)
    emulator.calls.length = 0
    const moved = await kms.reEncrypt(wrapped, cmk, target, context)
    assert.deepEqual(
      emulator.calls.map(({ action }) => action),
      ['ReEncrypt'],
    )
    assert.ok((await kms.decrypt(target, moved, context)).equals(plaintext))
    const refused = (promise: Promise<unknown>) => assert.rejects(promise, WrappedKeyError)
    await refused(kms.reEncrypt(wrapped, third, target, context))
    await refused(kms.reEncrypt(wrapped, cmk, target, { ...context, bucket: 'other' }))
    emulator.fail({ kind: 'change', change: (answer) => (answer['KeyId'] = 'other') })
    await faults(kms.reEncrypt(wrapped, cmk, target, context), 'protocol', 'OtherKey')
    assert.ok(kms.canReEncrypt(cmk, target) && !kms.canReEncrypt(cmk, 'local:0123456789abcdef'))
  })

  it('finds a CMK by its exact alias only', async () => {
    for (let n = 0; n < 250; n++) emulator.createKey(`orders-${n}`)
    assert.equal(await kms.resolveAlias('orders'), cmk)
    await faults(kms.resolveAlias('order'), 'not-found')
  })

  it('looks for an alias on so many pages, and takes no id that is none', async () => {
    const change = (page: (length: number) => object[]) =>
      ({
        kind: 'change',
        change: (answer) => {
          answer['KeyMetadatas'] = page(200)
        },
      }) as const satisfies Fault
    emulator.calls.length = 0
    emulator.outage = change((length) => Array.from({ length }, (_, n) => ({ KeyId: `k${n}`, Alias: 'x' })))
    await faults(kms.resolveAlias('orders'), 'not-found', 'TooManyAliases')
    assert.equal(emulator.calls.length, 50)
    emulator.outage = change(() => [{ KeyId: '../other\u001b[2J', Alias: 'orders' }])
    await faults(kms.resolveAlias('orders'), 'protocol', 'NoKeyId')
    emulator.outage = undefined
  })

  it('says what is wrong with the key or the credentials', async () => {
    const other = emulator.createKey('states')
    emulator.setState(other, 'Disabled')
    await faults(kms.generateDataKey(`tencent:${other}`, context), 'disabled')
    emulator.setState(other, 'PendingDelete')
    await faults(kms.generateDataKey(`tencent:${other}`, context), 'invalid-state')
    await faults(kms.generateDataKey('tencent:11111111-2222-3333-4444-555555555555', context), 'not-found')
    await faults(kms.generateDataKey('orders', context), 'not-found')
    const wrong = connect({ credentials: async () => ({ ...credentials, secretKey: 'another' }) })
    await faults(wrong.generateDataKey(cmk, context), 'denied', 'AuthFailure.SignatureFailure')
  })

  it('asks for new credentials once when the service does not know the old ones', async () => {
    emulator.setAccount('AKIDTEMPORARY', 'temporary', 'token-2')
    const asked: boolean[] = []
    const renewing = connect({
      credentials: async (refresh) => {
        asked.push(refresh)
        return { secretId: 'AKIDTEMPORARY', secretKey: 'temporary', token: refresh ? 'token-2' : 'token-1' }
      },
    })
    assert.equal((await renewing.generateDataKey(cmk, context)).plaintext.length, 32)
    assert.deepEqual(asked, [false, true])
  })

  it('takes the service’s clock when its own is wrong', async () => {
    emulator.clockOffsetMs = 20 * 60_000
    assert.equal((await kms.generateDataKey(cmk, context)).plaintext.length, 32)
    emulator.clockOffsetMs = 0
    assert.equal((await connect().generateDataKey(cmk, context)).plaintext.length, 32)
  })

  const table: [string, Fault, KmsFault][] = [
    ['throttling', { kind: 'error', code: 'RequestLimitExceeded.UinLimitExceeded' }, 'throttled'],
    ['an internal error', { kind: 'error', code: 'InternalError' }, 'unavailable'],
    ['a 502 of a proxy', { kind: 'status', status: 502 }, 'unavailable'],
    ['a page where an answer should be', { kind: 'status', status: 200 }, 'protocol'],
    ['a redirect', { kind: 'status', status: 302 }, 'protocol'],
    ['a cut connection', { kind: 'cut' }, 'unavailable'],
    ['half an answer', { kind: 'half' }, 'unavailable'],
    ['silence', { kind: 'silence' }, 'unavailable'],
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
    it(`${name} is ${expected}, and the next call is served`, async () => {
      emulator.fail(fault)
      await faults(kms.generateDataKey(cmk, context), expected)
      assert.equal((await kms.generateDataKey(cmk, context)).plaintext.length, 32)
    })
  }
})
