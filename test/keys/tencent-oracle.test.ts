/** The emulator is held to the official client: what that sends, it takes, and what it answers, that understands. */
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { CommonClient } from 'tencentcloud-sdk-nodejs-common'
import { TencentKms } from '../../src/keys/kms/tencent.ts'
import { TencentKmsEmulator } from '../emulators/tencent-kms.ts'

let emulator: TencentKmsEmulator
let cmk: string
const credential = { secretId: 'AKIDOFFICIAL', secretKey: 'official-secret' }
type Answer = Record<string, string>

before(async () => {
  emulator = await TencentKmsEmulator.start()
  emulator.setAccount(credential.secretId, credential.secretKey)
  emulator.acceptOfficialClient = true
  cmk = emulator.createKey('official')
})
after(() => emulator.close())

function official(secretKey = credential.secretKey) {
  const endpoint = new URL(emulator.endpoint).host
  return new CommonClient(endpoint, '2019-01-18', {
    credential: { ...credential, secretKey },
    region: emulator.region,
    profile: { httpProfile: { endpoint, protocol: 'http://', reqTimeout: 5 } },
  })
}

it('GenerateDataKey, Encrypt, Decrypt and ReEncrypt of the official client are served', async () => {
  const EncryptionContext = '{"a":"b"}'
  const client = official()
  const made = (await client.request('GenerateDataKey', {
    KeyId: cmk,
    KeySpec: 'AES_256',
    EncryptionContext,
  })) as Answer
  assert.equal(Buffer.from(made['Plaintext'] ?? '', 'base64').length, 32)
  const opened = (await client.request('Decrypt', {
    CiphertextBlob: made['CiphertextBlob'],
    EncryptionContext,
  })) as Answer
  assert.deepEqual([opened['Plaintext'], opened['KeyId']], [made['Plaintext'], cmk])
  const wrapped = (await client.request('Encrypt', {
    KeyId: cmk,
    Plaintext: 'aGVsbG8=',
    EncryptionContext,
  })) as Answer
  emulator.rotate(cmk)
  const again = (await client.request('ReEncrypt', {
    CiphertextBlob: wrapped['CiphertextBlob'],
    SourceEncryptionContext: EncryptionContext,
    DestinationEncryptionContext: EncryptionContext,
  })) as Answer
  assert.notEqual(again['CiphertextBlob'], wrapped['CiphertextBlob'])
  const reopened = (await client.request('Decrypt', {
    CiphertextBlob: again['CiphertextBlob'],
    EncryptionContext,
  })) as Answer
  assert.equal(reopened['Plaintext'], 'aGVsbG8=')
})

it('its errors are the official client’s errors', async () => {
  const code = (expected: string) => (error: { code?: string }) => error.code === expected
  await assert.rejects(
    official('wrong').request('GenerateDataKey', { KeyId: cmk, KeySpec: 'AES_256' }),
    code('AuthFailure.SignatureFailure'),
  )
  await assert.rejects(
    official().request('GenerateDataKey', { KeyId: cmk, KeySpec: 'AES_256', Odd: 1 }),
    code('UnknownParameter'),
  )
  await assert.rejects(official().request('Decrypt', {}), code('MissingParameter'))
  await assert.rejects(official().request('Nothing', {}), code('InvalidAction'))
  emulator.setState(cmk, 'Disabled')
  await assert.rejects(
    official().request('GenerateDataKey', { KeyId: cmk, KeySpec: 'AES_256' }),
    code('ResourceUnavailable.CmkDisabled'),
  )
  emulator.setState(cmk, 'Enabled')
})

it('what our client wrapped, the official one opens with the same context', async () => {
  const { region, endpoint } = emulator
  const kms = new TencentKms({ region, endpoint, credentials: async () => credential, timeoutMs: 1000 })
  const made = await kms.generateDataKey(`tencent:${cmk}`, { realm: 'r', bucket: 'b', dekId: '01' })
  const opened = (await official().request('Decrypt', {
    CiphertextBlob: made.wrapped.toString(),
    EncryptionContext: '{"bucket":"b","dekId":"01","realm":"r"}',
  })) as Answer
  assert.equal(opened['Plaintext'], made.plaintext.toString('base64'))
})

it('what our client moved to another CMK, the official one opens', async () => {
  const { region, endpoint } = emulator
  const kms = new TencentKms({ region, endpoint, credentials: async () => credential, timeoutMs: 1000 })
  const context = { realm: 'r', bucket: 'b', dekId: '02' }
  const target = emulator.createKey('next')
  const made = await kms.generateDataKey(`tencent:${cmk}`, context)
  const moved = await kms.reEncrypt(made.wrapped, `tencent:${cmk}`, `tencent:${target}`, context)
  const opened = (await official().request('Decrypt', {
    CiphertextBlob: moved.toString(),
    EncryptionContext: '{"bucket":"b","dekId":"02","realm":"r"}',
  })) as Answer
  assert.deepEqual([opened['KeyId'], opened['Plaintext']], [target, made.plaintext.toString('base64')])
})
