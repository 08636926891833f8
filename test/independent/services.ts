/** The key services that the independent reader can reach, each as the gateway is configured for it and as the reader is told of it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TencentKmsEmulator } from '../emulators/tencent-kms.ts'

export interface Service {
  readonly name: string
  readonly env: Readonly<Record<string, string>>
  /** What key_services.py reads, apart from the realm. */
  describe(dataDir: string): object
  close(): Promise<void>
}

export async function local(): Promise<Service> {
  return {
    name: 'local',
    env: {},
    describe: (dataDir) => ({
      keyring: JSON.parse(readFileSync(join(dataDir, 'keyring.json'), 'utf8')) as object,
    }),
    close: async () => undefined,
  }
}

export async function tencent(): Promise<Service> {
  const emulator = await TencentKmsEmulator.start()
  const [secretId, secretKey] = ['AKIDGATEWAY', 'gateway-secret']
  emulator.setAccount(secretId, secretKey)
  const { endpoint, region } = emulator
  return {
    name: 'tencent',
    env: {
      SEALGATE_KMS: 'tencent',
      SEALGATE_TENCENT_REGION: region,
      SEALGATE_TENCENT_KMS_ENDPOINT: endpoint,
      SEALGATE_TENCENT_KMS_KEY_ID: emulator.createKey('sealgate'),
      SEALGATE_TENCENT_SECRET_ID: secretId,
      SEALGATE_TENCENT_SECRET_KEY: secretKey,
    },
    describe: () => ({ tencent: { endpoint, region, secretId, secretKey } }),
    close: () => emulator.close(),
  }
}
