/** The key services that the independent reader can reach, each as the gateway is configured for it and as the reader is told of it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import { capture } from '../cli/capture.ts'
import { TencentKmsEmulator } from '../emulators/tencent-kms.ts'
import { BINARIES, VaultServer } from '../kms/vault-server.ts'
import { ended } from '../lib/child-process.ts'
import { freePort } from '../lib/server.ts'

export interface Service {
  readonly name: string
  readonly env: Readonly<Record<string, string>>
  /** What happens between the last write and the reader. */
  afterwards?(dataDir: string): Promise<void>
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

/** A keyring that was made under a passphrase. */
export async function passphrase(): Promise<Service> {
  const secret = 'five random words, or ünïcode'
  return {
    name: 'passphrase',
    env: { SEALGATE_KEYRING_PASSPHRASE: secret },
    describe: (dataDir) => ({
      keyring: JSON.parse(readFileSync(join(dataDir, 'keyring.json'), 'utf8')) as object,
      passphrase: secret,
    }),
    close: async () => undefined,
  }
}

/** A keyring whose first key was left for another one, and is gone. */
export async function leftKey(): Promise<Service> {
  const id = `local:${randomBytes(8).toString('hex')}`
  let retired = ''
  const ringOf = (dataDir: string) => join(dataDir, 'ring.jsonl')
  return {
    name: 'left-key',
    env: {},
    async afterwards(dataDir) {
      const path = join(dataDir, 'keyring.json')
      const keyring = JSON.parse(readFileSync(path, 'utf8')) as { current: string; keys: object[] }
      retired = keyring.current
      keyring.keys.push({ id, key: randomBytes(32).toString('base64') })
      writeFileSync(path, JSON.stringify({ ...keyring, current: id }))
      const environment = {
        SEALGATE_DATA_DIR: dataDir,
        SEALGATE_BUCKETS: JSON.stringify([{ match: '*', cmk: id, retired: [retired] }]),
      }
      for (const args of [['rewrap'], ['keys', 'export', '--out', ringOf(dataDir)]]) {
        const { status, stderr } = await capture(args, { environment })
        if (status !== 0) throw new Error(`${args.join(' ')}: ${stderr}`)
      }
      keyring.keys = keyring.keys.filter((key) => 'id' in key && key.id === id)
      writeFileSync(path, JSON.stringify({ ...keyring, current: id }))
    },
    describe: (dataDir) => ({
      keyring: JSON.parse(readFileSync(join(dataDir, 'keyring.json'), 'utf8')) as object,
      current: id,
      retired: [retired],
      ring: ringOf(dataDir),
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

/** moto stands for AWS: neither it nor boto3, which the reader asks it with, has any of our code. */
export async function aws(python: string): Promise<Service> {
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const moto = spawn(join(dirname(python), 'moto_server'), ['-H', '127.0.0.1', '-p', String(port)], {
    stdio: 'ignore',
  })
  const region = 'eu-central-1'
  const credentials = { accessKeyId: 'AKIDGATEWAY', secretAccessKey: 'gateway-secret' }
  const client = new KMSClient({ endpoint, region, credentials, maxAttempts: 1 })
  const arn = await answering(moto, () => client.send(new CreateKeyCommand({})))
  client.destroy()
  return {
    name: 'aws',
    env: {
      SEALGATE_KMS: 'aws',
      SEALGATE_AWS_KMS_REGION: region,
      SEALGATE_AWS_KMS_ENDPOINT: endpoint,
      SEALGATE_AWS_KMS_KEY_ID: arn.KeyMetadata?.Arn ?? '',
      SEALGATE_AWS_KMS_ACCESS_KEY_ID: credentials.accessKeyId,
      SEALGATE_AWS_KMS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    },
    describe: () => ({ aws: { endpoint, region, ...credentials } }),
    close: () => ended(moto),
  }
}

/** A real OpenBao, whose key has another version by the time the reader asks: the gateway signs in by AppRole, the reader by a token. */
export async function vault(): Promise<Service> {
  const server = await VaultServer.start(BINARIES.OpenBao)
  const { address } = server
  const { roleId, secretId } = await server.appRole('1h')
  const token = await server.token({ ttl: '1h' })
  return {
    name: 'vault',
    env: {
      SEALGATE_KMS: 'vault',
      SEALGATE_VAULT_ADDRESS: address,
      SEALGATE_VAULT_KEY: 'one',
      SEALGATE_VAULT_AUTH: 'approle',
      SEALGATE_VAULT_ROLE_ID: roleId,
      SEALGATE_VAULT_SECRET_ID: secretId.value,
    },
    afterwards: async () => void (await server.root('POST', 'transit/keys/one/rotate', {})),
    describe: () => ({ vault: { address, mount: 'transit', token } }),
    close: () => server.stop(),
  }
}

/** Asks until the server has started. */
async function answering<T>(server: ChildProcess, ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask()
    } catch (error) {
      if (attempt === 100 || server.exitCode !== null || server.signalCode !== null) throw error
      await sleep(200)
    }
  }
}
