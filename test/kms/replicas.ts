/** Several gateways of one deployment in this process: one store, one key service (Tencent's, emulated), real sockets. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { S3Client } from '@aws-sdk/client-s3'
import { prepare, type RunningApp, startApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/config.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { TencentKmsEmulator } from '../emulators/tencent-kms.ts'

const credentials = { accessKeyId: 'AKIDREPLICAS', secretAccessKey: 'a-secret-of-the-lanes' }

export class Replicas {
  readonly kms: TencentKmsEmulator
  /** One client for each replica. */
  readonly clients: S3Client[] = []
  readonly #dataDir = mkdtempSync(join(tmpdir(), 'sealgate-replicas-'))
  readonly #apps: RunningApp[] = []
  readonly #count: number

  private constructor(kms: TencentKmsEmulator, count: number) {
    this.kms = kms
    this.#count = count
  }

  static async start(count: number, settings: Readonly<Record<string, string>>): Promise<Replicas> {
    const kms = await TencentKmsEmulator.start()
    kms.setAccount('AKIDGATEWAY', 'gateway-secret')
    kms.createKey('sealgate')
    const replicas = new Replicas(kms, count)
    await replicas.restart(settings)
    return replicas
  }

  /** Begins with an empty memory and an empty list of calls. */
  async restart(settings: Readonly<Record<string, string>>): Promise<void> {
    await this.#stop()
    const config = loadConfig(undefined, {
      SEALGATE_LISTEN: '127.0.0.1:0',
      SEALGATE_DATA_DIR: this.#dataDir,
      SEALGATE_KMS: 'tencent',
      SEALGATE_TENCENT_REGION: this.kms.region,
      SEALGATE_TENCENT_KMS_ENDPOINT: this.kms.endpoint,
      SEALGATE_TENCENT_KMS_KEY_ID: 'alias/sealgate',
      SEALGATE_TENCENT_SECRET_ID: 'AKIDGATEWAY',
      SEALGATE_TENCENT_SECRET_KEY: 'gateway-secret',
      ...settings,
    })
    const log = createLog('fatal')
    await prepare(config, log)
    for (let n = 0; n < this.#count; n++) {
      const app = await startApp(config, credentials, log)
      this.#apps.push(app)
      const endpoint = `http://${app.host}:${app.port}`
      this.clients.push(
        new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials, maxAttempts: 1 }),
      )
    }
    this.kms.calls.length = 0
  }

  /** Object `n` of `count` through the client of replica `of(n)`, 32 at once. */
  async each(
    count: number,
    of: (n: number) => number,
    work: (s3: S3Client, n: number) => Promise<void>,
  ): Promise<void> {
    const numbers = Array.from({ length: count }, (_, n) => n).values()
    const worker = async () => {
      for (const n of numbers) {
        const client = this.clients[of(n)]
        if (client === undefined)
          throw new RangeError(`expected a replica below ${this.#count}, got ${of(n)}`)
        await work(client, n)
      }
    }
    await Promise.all(Array.from({ length: 32 }, worker))
  }

  async close(): Promise<void> {
    await this.#stop()
    await this.kms.close()
    rmSync(this.#dataDir, { recursive: true })
  }

  async #stop(): Promise<void> {
    for (const client of this.clients.splice(0)) client.destroy()
    for (const app of this.#apps.splice(0)) await app.close()
  }
}
