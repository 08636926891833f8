/** Several gateways of one deployment in this process: one store, one key service (Tencent's, emulated), real sockets. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { S3Client } from '@aws-sdk/client-s3'
import { TencentKmsEmulator } from '../emulators/tencent-kms.ts'
import { runApp, type TestApp } from '../lib/app.ts'

export class Replicas {
  readonly kms: TencentKmsEmulator
  readonly #dataDir = mkdtempSync(join(tmpdir(), 'sealgate-replicas-'))
  readonly #apps: TestApp[] = []
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

  /** One client for each replica. */
  get clients(): readonly S3Client[] {
    return this.#apps.map(({ s3 }) => s3)
  }

  /** Begins with an empty memory and an empty list of calls. */
  async restart(settings: Readonly<Record<string, string>>): Promise<void> {
    await this.#stop()
    const environment = {
      SEALGATE_DATA_DIR: this.#dataDir,
      SEALGATE_KMS: 'tencent',
      SEALGATE_TENCENT_REGION: this.kms.region,
      SEALGATE_TENCENT_KMS_ENDPOINT: this.kms.endpoint,
      SEALGATE_TENCENT_KMS_KEY_ID: 'alias/sealgate',
      SEALGATE_TENCENT_SECRET_ID: 'AKIDGATEWAY',
      SEALGATE_TENCENT_SECRET_KEY: 'gateway-secret',
      ...settings,
    }
    for (let n = 0; n < this.#count; n++) this.#apps.push(await runApp(environment))
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
    for (const app of this.#apps.splice(0)) await app.close()
  }
}
