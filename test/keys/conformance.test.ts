import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { addKey, createKeyring, LocalKms } from '../../src/keys/index.ts'
import { AwsKms } from '../../src/keys/kms/aws.ts'
import { TencentKms } from '../../src/keys/kms/tencent.ts'
import { VaultKms } from '../../src/keys/kms/vault.ts'
import { kmsConformance } from '../conformance/kms.ts'
import { AwsKmsEmulator } from '../emulators/aws-kms.ts'
import { TencentKmsEmulator } from '../emulators/tencent-kms.ts'
import { VaultEmulator } from '../emulators/vault.ts'

kmsConformance('the local keyring', async () => {
  const [cmk, other] = ['local:0000000000000001', 'local:0000000000000002']
  const keys = new Map([cmk, other].map((id) => [id, randomBytes(32)]))
  return {
    kms: new LocalKms({ realm: 'r', current: cmk, keys }),
    cmk,
    other,
    absent: 'local:0000000000000003',
    close: async () => undefined,
  }
})

kmsConformance('a keyring under a passphrase, with a key that was added', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sealgate-conformance-'))
  const path = join(directory, 'keyring.json')
  const passphrase = { value: 'correct horse battery staple' }
  const { current: other } = createKeyring(path, { passphrase })
  const keyring = addKey(path, { passphrase })
  return {
    kms: new LocalKms(keyring),
    cmk: keyring.current,
    other,
    absent: 'local:0000000000000003',
    close: async () => rmSync(directory, { recursive: true }),
  }
})

kmsConformance('Tencent KMS (emulated)', async () => {
  const emulator = await TencentKmsEmulator.start()
  emulator.setAccount('id', 'key')
  const { region, endpoint } = emulator
  const credentials = async () => ({ secretId: 'id', secretKey: 'key' })
  return {
    kms: new TencentKms({ region, endpoint, credentials, timeoutMs: 2000 }),
    cmk: `tencent:${emulator.createKey('one')}`,
    other: `tencent:${emulator.createKey('two')}`,
    absent: 'tencent:00000000-0000-4000-8000-000000000000',
    close: () => emulator.close(),
  }
})

kmsConformance('AWS KMS (emulated)', async () => {
  const emulator = await AwsKmsEmulator.start()
  const credentials = { accessKeyId: 'id', secretAccessKey: 'key' }
  emulator.setAccount('id', 'key')
  const { region, endpoint } = emulator
  const kms = await AwsKms.load({ region, endpoint, credentials, timeoutMs: 2000 })
  const cmk = emulator.createKey('one')
  return {
    kms,
    cmk,
    other: emulator.createKey('two'),
    absent: cmk.replace(/[0-9a-f]{12}$/, '000000000000'),
    close: async () => {
      kms.close()
      await emulator.close()
    },
  }
})

kmsConformance('Vault Transit (emulated)', async () => {
  const emulator = await VaultEmulator.start()
  for (const name of ['one', 'two']) emulator.createKey(name)
  const kms = new VaultKms({
    address: emulator.endpoint,
    mount: 'transit',
    namespace: null,
    auth: { method: 'token', token: emulator.createToken() },
    timeoutMs: 2000,
  })
  return {
    kms,
    cmk: 'vault:one',
    other: 'vault:two',
    absent: 'vault:three',
    close: async () => {
      kms.close()
      await emulator.close()
    },
  }
})
