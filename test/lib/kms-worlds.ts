/** Every kind of key service as a gateway is configured for it, with two CMKs that its credentials may use: its own, and a foreign one. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { addKey, createKeyring, type KmsOptions, type OpenedKms, openKms } from '../../src/keys/index.ts'
import { AwsKmsEmulator } from '../emulators/aws-kms.ts'
import type { Emulator } from '../emulators/emulator.ts'
import { TencentKmsEmulator } from '../emulators/tencent-kms.ts'
import { VaultEmulator } from '../emulators/vault.ts'

export interface KmsWorld<E extends Emulator | null = Emulator | null> {
  readonly emulator: E
  readonly cmk: string
  readonly foreign: string
  /** A client of its own: nothing is remembered, no fault counted. */
  open(timeoutMs?: number): Promise<OpenedKms>
  /** What may be in no log, besides data keys. */
  readonly credential: string
  close(): Promise<void>
}

const NOTHING: KmsOptions = {
  provider: 'local',
  realm: null,
  timeoutMs: 2000,
  local: null,
  tencent: null,
  aws: null,
  vault: null,
}

const opening = (options: Partial<KmsOptions>) => (timeoutMs?: number) =>
  openKms({ ...NOTHING, ...options, ...(timeoutMs === undefined ? {} : { timeoutMs }) }, {})

export async function localWorld(): Promise<KmsWorld<null>> {
  const directory = mkdtempSync(join(tmpdir(), 'sealgate-world-'))
  const keyring = join(directory, 'keyring.json')
  const { current: foreign } = createKeyring(keyring)
  return {
    emulator: null,
    cmk: addKey(keyring).current,
    foreign,
    open: opening({ local: { keyring, passphrase: null } }),
    credential: 'there is none',
    close: async () => rmSync(directory, { recursive: true }),
  }
}

export async function tencentWorld(): Promise<KmsWorld<TencentKmsEmulator>> {
  const emulator = await TencentKmsEmulator.start()
  const credentials = { secretId: 'AKIDWORLD', secretKey: 'secret-key-of-the-world' }
  emulator.setAccount(credentials.secretId, credentials.secretKey)
  const { region, endpoint } = emulator
  const keyId = emulator.createKey('own')
  return {
    emulator,
    cmk: `tencent:${keyId}`,
    foreign: `tencent:${emulator.createKey('foreign')}`,
    open: opening({ provider: 'tencent', tencent: { region, endpoint, keyId, credentials } }),
    credential: credentials.secretKey,
    close: () => emulator.close(),
  }
}

export async function awsWorld(): Promise<KmsWorld<AwsKmsEmulator>> {
  const emulator = await AwsKmsEmulator.start()
  const credentials = { accessKeyId: 'AKIDWORLD', secretAccessKey: 'secret-key-of-the-world' }
  emulator.setAccount(credentials.accessKeyId, credentials.secretAccessKey)
  const { region, endpoint } = emulator
  const keyId = emulator.createKey('own')
  return {
    emulator,
    cmk: keyId,
    foreign: emulator.createKey('foreign'),
    open: opening({ provider: 'aws', aws: { region, endpoint, keyId, credentials } }),
    credential: credentials.secretAccessKey,
    close: () => emulator.close(),
  }
}

export async function vaultWorld(): Promise<KmsWorld<VaultEmulator>> {
  const emulator = await VaultEmulator.start()
  for (const name of ['own', 'foreign']) emulator.createKey(name)
  const token = emulator.createToken()
  return {
    emulator,
    cmk: 'vault:own',
    foreign: 'vault:foreign',
    open: opening({
      provider: 'vault',
      vault: {
        address: emulator.endpoint,
        mount: 'transit',
        namespace: null,
        key: 'own',
        caFile: null,
        auth: { method: 'token', token },
      },
    }),
    credential: token,
    close: () => emulator.close(),
  }
}

export const WORLDS = { local: localWorld, tencent: tencentWorld, aws: awsWorld, vault: vaultWorld } as const
